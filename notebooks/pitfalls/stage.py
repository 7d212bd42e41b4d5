"""What a run works with, and the round that most of them make: the same requests to each form, then what was seen.

Read the files in `runs/` next; each is one pitfall.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Protocol, TypeVar

import aiohttp

from notebooks.pitfalls.counting import quantile
from notebooks.pitfalls.load import Answer, Clock, Due, send_all
from notebooks.pitfalls.result import Findings
from notebooks.pitfalls.rig import Side
from notebooks.pitfalls.simulator import Call, Fault, Simulator

LATE_S = 1.0
"""If half of the requests went out later than this, it was not the load that was planned."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage:
    """The forms side by side, how long the load lasts, its seed, and who hears how far it is."""

    sides: Sequence[Side]
    for_s: float
    seed: int
    say: Callable[[str], None]

    async def each(self, one: Callable[[Side], Awaitable[T]]) -> dict[str, T]:
        """Do it with all forms at the same time; form -> what came of it. Raises PartFailed when one died meanwhile."""
        found = await asyncio.gather(*(one(side) for side in self.sides))
        for side in self.sides:
            side.check()
        return {side.name: what for side, what in zip(self.sides, found, strict=True)}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one form's run left behind: the clients' answers, the provider's ledger, and when it was read."""

    answers: list[Answer]
    calls: list[Call]
    until_s: float

    def of(self, kind: str) -> list[Answer]:
        """The answers to one kind of request."""
        return [answer for answer in self.answers if answer.due.kind == kind]


class Run(Protocol):
    """One pitfall's run."""

    def variables(self, for_s: float) -> Mapping[str, str]:
        """What its applications are told by environment variables."""

    async def __call__(self, stage: Stage, client: aiohttp.ClientSession) -> Findings:
        """Put the load on and count."""

    def planned(self, for_s: float) -> Mapping[str, str]:
        """What the question in `pitfall.toml` is filled with."""


async def under_load(
    stage: Stage,
    client: aiohttp.ClientSession,
    dues: Sequence[Due],
    *,
    latency_s: float,
    until_s: float,
    faults: Sequence[Fault] = (),
) -> dict[str, Seen]:
    """Send `dues` to each form, break what `faults` say, stop at `until_s`, read the ledger."""

    async def one(side: Side) -> Seen:
        simulator = Simulator(side.simulator_url, client)
        await simulator.takes(latency_s)
        await simulator.plan(faults, stage.seed)
        clock, began_t = Clock(), time.time()
        urls = cycle([app.url for app in side.apps])
        answers = await send_all(client, clock, dues, lambda: next(urls), until_s)
        return Seen(answers, await simulator.calls(began_t), until_s)

    stage.say(f"{len(dues)} requests to each form in {stage.for_s:g} s …")
    return await stage.each(one)


def doubts(seen: Mapping[str, Seen]) -> tuple[str, ...]:
    """Why what was seen cannot be judged; empty when it can."""
    found = []
    for form, what in seen.items():
        late_s = quantile((answer.sent_s - answer.due.at_s for answer in what.answers), 0.5)
        if late_s is not None and late_s > LATE_S:
            found.append(f"{form}: half of the requests went out more than {late_s:.1f} s late; is the machine busy?")
        if not what.calls:
            found.append(f"{form}: no call reached its provider")
    return tuple(found)
