"""An audit from its first question to its report. Read `items/__init__.py` for what is tried.

Whatever it broke is put right again, also when it is stopped: a fault ends with its block, a paused store goes on, and
circuits that can be closed are closed.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from loadtests.audit.claims import Case
from loadtests.audit.items import ITEMS, ORDER, Item
from loadtests.audit.report import Finding, Report
from loadtests.audit.scene import Limited, NotRecovered, Scene
from loadtests.audit.service import PurseEmpty, Service
from loadtests.audit.shape import Shape, address, bare
from loadtests.audit.sources import Sources
from loadtests.books.errors import CannotJudge
from loadtests.conduct.places import LIVE, Refused, check_loopback, told_profile

HTTP = 80
NEEDS = {NotRecovered: "[bounds] recover_s", PurseEmpty: "--max-usd", Limited: "more keys in [keys] users"}


@dataclass(frozen=True, slots=True)
class Options:
    """`only`: numbers of items (none: all ten). `max_usd`: what may be spent where answers cost money.

    `began` and `ended` are told of each item.
    """

    only: Sequence[int] = ()
    max_usd: float | None = None
    command: str = ""
    began: Callable[[Item], None] = lambda item: None
    ended: Callable[[Finding], None] = lambda finding: None


async def audit(shape: Shape, options: Options) -> Report:
    """Try the items on the service.

    Raises Refused for what shall not be loaded, CannotJudge when the service does not answer a plain question or a
    simulator is away, ShapeError for a key that the environment lacks.
    """
    most_usd = await asyncio.to_thread(_allowed, shape, options.max_usd)
    run, began_s = secrets.token_hex(3), time.time()
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        sources = Sources(session, shape.places())
        scene = Scene(shape, session, Service(shape, session, run, most_usd), sources, run)
        try:
            await scene.begin()
        except PurseEmpty as error:
            raise CannotJudge(f"not even one question could be asked: {error}") from error
        try:
            findings = [await _tried(scene, item, options) for item in _chosen(options.only)]
        finally:
            await _leave(scene)
        notes = [*scene.notes, *_spent(scene.service, most_usd)]
    findings.sort(key=lambda finding: finding.number)
    return Report(bare(shape.service), began_s, time.time(), findings, notes, options.command)


def _chosen(only: Sequence[int]) -> list[Item]:
    by_number = {item.number: item for item in ITEMS}
    return [by_number[number] for number in ORDER if not only or number in only]


async def _tried(scene: Scene, item: Item, options: Options) -> Finding:
    options.began(item)
    case, began_s = Case(), time.perf_counter()
    try:
        if item.breaks:
            await scene.recover()
        await item.probe(scene, case)
    except (NotRecovered, PurseEmpty, Limited) as error:
        case.unobservable(f"It was not tried to its end: {error}.", NEEDS[type(error)])
    finding = Finding(item.number, item.promise, tuple(case.claims), time.perf_counter() - began_s)
    options.ended(finding)
    return finding


async def _leave(scene: Scene) -> None:
    """Circuits that an item opened are closed again; faults have ended with their blocks."""
    if scene.provider is not None:
        with suppress(CannotJudge):
            await scene.reset()


def _allowed(shape: Shape, max_usd: float | None) -> float | None:
    """What may be spent; None where nothing costs money. Raises Refused."""
    for url in shape.urls():
        check_loopback(url)
    # This machine has many names, so what has the same port is the same process.
    ports = [address(url)[1] or HTTP for url in (shape.service, *shape.replicas)]
    if len(set(ports)) < len(ports):
        raise Refused(f"{shape.service} is no replica of itself; --replica names a second process on the same store")
    if not _is_live(shape):
        return None
    if max_usd is None:
        raise Refused(
            f"{shape.service} is in the live profile, or does not say that it is not: answers may cost real money. "
            'Say profile = "workbench" in audit.toml where its providers are simulated, or --max-usd AMOUNT, which is '
            "not passed"
        )
    return max_usd


def _is_live(shape: Shape) -> bool:
    """Whether answers may cost money: whoever says so is believed before the file, and who says nothing after it."""
    told = {_told(shape.service), *(_told(url, may_be_away=True) for url in shape.replicas), shape.profile} - {""}
    return LIVE in told or not told


def _told(url: str, *, may_be_away: bool = False) -> str:
    """The profile as the process itself says; empty where it does not. Raises CannotJudge."""
    try:
        return told_profile(url)
    except CannotJudge as error:
        if " is not ready" in str(error) or (" does not answer " in str(error) and not may_be_away):
            raise
        return ""  # it has no /ready, or one of another kind


def _spent(service: Service, most_usd: float | None) -> list[str]:
    return (
        []
        if most_usd is None
        else [f"${service.spent_usd:.4f} of ${most_usd:g} were spent on {service.asked} questions."]
    )
