"""The provider's side: the simulator's ledger, which the service cannot bend, and faults that end with their block.

A fault also ends by itself, so that even an audit that was killed leaves nothing broken. Read `scene.py` next: what a
probe gets.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from loadtests.books import ledger, wire
from loadtests.books.errors import CannotJudge
from loadtests.books.ledger import Call

POLL_S = 0.05


class Provider:
    """The simulator at `url`; `targets` are the model providers among those it plays, `primary` the one asked first.

    A fault that nobody ends ends after `fault_s`.
    `linked`: calls carry the id of the request that they are for, so that those of others are told apart. Every method
    raises CannotJudge when the simulator is away.
    """

    def __init__(self, url: str, targets: Sequence[str], fault_s: float) -> None:
        self.url = url
        self.fault_s = fault_s
        self.targets = tuple(targets)
        self.primary = self.targets[0]
        self.linked = False

    async def state(self) -> dict[str, Any]:
        """What is broken, and the number of the newest row."""
        state: dict[str, Any] = await asyncio.to_thread(wire.get, ledger.WHOSE, self.url, "/sim/state")
        return state

    async def mark(self) -> int:
        """The newest row's number: what comes later is of now."""
        return int((await self.state())["last_seq"])

    async def calls(self, since: int, of: Iterable[str] | None = None) -> list[Call]:
        """Calls to models after a mark; of these requests only, where calls tell whose they are."""
        rows = (await asyncio.to_thread(ledger.fetch, self.url, since)).calls
        wanted = None if of is None or not self.linked else set(of)
        return [row for row in rows if row.target in self.targets and (wanted is None or row.request_id in wanted)]

    async def ended(self, since: int, of: Iterable[str], within_s: float) -> list[Call]:
        """The same once all of them have ended, or as they are after so long."""
        ids, loop = list(of), asyncio.get_running_loop()
        until = loop.time() + within_s
        while True:
            calls = await self.calls(since, ids)
            if all(call.duration_s is not None for call in calls) or loop.time() > until:
                return calls
            await asyncio.sleep(POLL_S)

    async def charged(self, amount: int, since_s: float) -> int:
        """How often money of this sum moved since a time (Unix seconds)."""
        charges = (await asyncio.to_thread(ledger.fetch, self.url, await self.mark())).charges
        return sum(charge.amount == amount and charge.t >= since_s for charge in charges)

    @asynccontextmanager
    async def broken(
        self, fault: str, targets: Iterable[str] | None = None, *, times: int | None = None, **params: Any
    ) -> AsyncIterator[None]:
        """Break these targets (None: all that serve models) while the block runs."""
        wanted = list(self.targets if targets is None else targets)
        try:
            for target in wanted:
                body = {"target": target, "fault": fault, "for_s": self.fault_s, "times": times, "params": params}
                await _to_its_end(wire.ask, ledger.WHOSE, self.url, "POST", "/sim/faults", body)
            yield
        finally:
            await self.heal(wanted)

    async def heal(self, targets: Iterable[str]) -> None:
        """End the faults of all of them. Raises CannotJudge with what stays broken, and until when."""
        errors = []
        for target in targets:
            try:
                await _to_its_end(wire.ask, ledger.WHOSE, self.url, "DELETE", f"/sim/faults?target={target}")
            except CannotJudge as error:
                errors.append(f"{target} stays broken for {self.fault_s:g} s at most: {error}")
        if errors:
            raise CannotJudge("; ".join(errors))


async def _to_its_end(call: Callable[..., Any], *given: Any) -> None:
    """In a thread, and whoever is stopped meanwhile waits for it: or a fault would come after the one that heals."""
    task = asyncio.ensure_future(asyncio.to_thread(call, *given))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def most_at_once(calls: Sequence[Call], now_s: float) -> int:
    """The most calls that were open at one time; one that has not ended is open until `now_s`."""
    changes = [(call.t, 1) for call in calls]
    changes += [(now_s if call.duration_s is None else call.ended, -1) for call in calls]
    most = level = 0
    for _, step in sorted(changes):
        level += step
        most = max(most, level)
    return most
