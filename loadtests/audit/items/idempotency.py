"""Item 4: without a key nothing happens, ten at once with one key happen once, another body under it is refused.

Chapter, section 5; the statuses are those of the IETF draft (400 without a key, 409 in flight, 422 other body). The
second call in a row looks right even where ten at once charge ten times, so all come together.
"""

import asyncio
import secrets
import time
import uuid

from loadtests.audit.claims import Case, many
from loadtests.audit.scene import Scene
from loadtests.audit.service import Person, Reply

AT_ONCE = 10
NO_KEY = (400, 422, 428)
OTHER_BODY = (400, 409, 422)
SMALLEST, LARGEST = 1000, 4000
"""Sums in minor units, drawn so that the ledger tells ours from others'."""


async def probe(scene: Scene, case: Case) -> None:
    """Four tries with sums of their own, each counted in the ledger of charges."""
    if not scene.shape.refund.path:
        case.unobservable("No endpoint with a side effect is named.", "[refund] path, body and amount")
        return
    if scene.service.costs:
        case.unobservable("Its profile is live: no real money is moved for this.", "a workbench profile")
        return
    for url in scene.away:
        case.unobservable(f"The replica {url} does not answer.", "--replica URL of one that does")
    who, began_s = scene.service.person(), time.time()
    await _without_key(scene, case, who, began_s)
    amount, key = _sum(), str(uuid.uuid4())
    places = [scene.service.url, *scene.replicas]
    first = list(
        await asyncio.gather(*(scene.service.refund(who, amount, key, places[n % len(places)]) for n in range(AT_ONCE)))
    )
    again = await scene.service.refund(who, amount, key, places[-1])
    await _once(scene, case, [*first, again], amount, began_s)
    if any(reply.is_ok for reply in first):
        await _other_body(scene, case, who, amount, key, began_s)


async def _without_key(scene: Scene, case: Case, who: Person, began_s: float) -> None:
    amount = _sum()
    reply = await scene.service.refund(who, amount, None)
    moved = await _moved(scene, amount, began_s)
    words = f"Without a key: {reply.said}{_charges(moved)}."
    if reply.is_ok or moved:
        case.refuted(words)
    elif reply.status in NO_KEY:
        case.proved(words)
    else:
        case.unobservable(f"{words} Expected 400.", "[refund] path, body and [keys] as the service takes them")


async def _once(scene: Scene, case: Case, replies: list[Reply], amount: int, began_s: float) -> None:
    statuses = ", ".join(
        f"{sum(r.said == said for r in replies)} × {said}" for said in sorted({r.said for r in replies})
    )
    moved = await _moved(scene, amount, began_s)
    where = f" over {len(scene.replicas) + 1} processes" if scene.replicas else ""
    words = f"{AT_ONCE} at once with one key{where}, and once more: {statuses}{_charges(moved)}."
    if moved is None:
        scene.needs_simulator(case, f"{words} How often the money moved")
    elif moved == 1 and any(reply.is_ok for reply in replies):
        case.judge(replies[-1].is_ok, words)
    elif moved > 1:
        case.refuted(words)
    else:
        case.unobservable(f"{words} None of them moved money.", "[refund] body as the service takes it")


async def _other_body(scene: Scene, case: Case, who: Person, amount: int, key: str, began_s: float) -> None:
    other = amount + SMALLEST
    reply = await scene.service.refund(who, other, key)
    moved = await _moved(scene, other, began_s)
    words = f"Another sum with the same key: {reply.said}{_charges(moved)}."
    if reply.is_ok or moved:
        case.refuted(words)
    elif reply.status in OTHER_BODY:
        case.proved(words)
    else:
        case.unobservable(f"{words} Expected 422.", "a service that answers it")


async def _moved(scene: Scene, amount: int, began_s: float) -> int | None:
    return None if scene.provider is None else await scene.provider.charged(amount, began_s)


def _charges(moved: int | None) -> str:
    return "" if moved is None else f", {many(moved, 'charge')} in the ledger"


def _sum() -> int:
    return SMALLEST + secrets.randbelow(LARGEST - SMALLEST)
