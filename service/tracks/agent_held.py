"""A run in the hands of one worker: the lease that is renewed, the steps that are told, the money that was spent.

Before each step and before each checkpoint the hold is looked at, so that a worker that was stopped and wakes up when
another has gone on does nothing any more. Next: ``agent_steps.py``.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from ..clock import Clock
from ..errors import GauntletError, StoreUnavailable
from ..stages.ask import Ask
from .agent_record import Run
from .agent_runs import Lost, Runs, Taken

RENEWALS = 3
"""Within a lease: two may fail, and it still holds."""
NO_TROUBLE = {"trouble": "", "trouble_detail": "", "trouble_since": "", "tries": "0", "defects": "0"}
"""The fields of a run that nothing holds up."""


class TryLater(Exception):
    """A dependency is away: the run goes on after ``delay_s``, or after the agent's own back-off when that is more."""

    def __init__(self, why: str, delay_s: float = 0.0) -> None:
        super().__init__(why)
        self.why, self.delay_s = why, delay_s


class Held:
    """One run, taken. Every method raises Lost, and StoreUnavailable."""

    def __init__(self, taken: Taken, runs: Runs, *, lease_s: float, clock: Clock) -> None:
        self._taken = taken
        self._runs = runs
        self._lease_s = lease_s
        self._clock = clock
        self._steps: list[dict[str, Any]] = list(taken.run.steps)
        self._cost: int | None = taken.run.cost_nano_usd
        self.has_read = False
        """Whether we know from its checkpoint where it stands, and not from Redis alone, which may have forgotten."""

    @property
    def run(self) -> Run:
        """As it was when it was taken, and brought in line with its checkpoint since."""
        return self._taken.run

    @property
    def fence(self) -> int:
        """Which of its takers we are: 1, 2, …"""
        return self._taken.fence

    @property
    def spent(self) -> dict[str, str]:
        """The run's cost so far, as a field; empty when a call of it had no price."""
        return {"cost_nano_usd": "" if self._cost is None else str(self._cost)}

    @property
    def at(self) -> str | None:
        """The step that was begun last, by whomever."""
        return self._steps[-1]["step"] if self._steps else None

    @asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Keep the lease while the block runs."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(self._lease_s / RENEWALS)
            try:
                await self._runs.hold(self._taken)
            except (Lost, StoreUnavailable):
                continue  # whoever does something next finds out

    async def check(self) -> None:
        """It is ours, for a lease from now on."""
        await self._runs.hold(self._taken)

    def paid(self, ask: Ask) -> None:
        """What a step asked has cost so much, whatever came of it."""
        cost = ask.cost_nano_usd
        self._cost = None if cost is None or self._cost is None else self._cost + cost

    async def begin(self, step: str) -> None:
        """A step begins; it is told."""
        self._steps.append({"step": step, "began": self._clock.time(), "ended": None, "delivery": self.fence})
        await self.note()

    async def end(self, **fields: Any) -> None:
        """It has ended; ``fields`` are told with it, as JSON."""
        self._steps[-1]["ended"] = self._clock.time()
        told = {
            name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in fields.items()
        }
        await self.note(**told)

    async def kept(self) -> None:
        """The checkpoint is there, and the step is never done again: what went wrong on the way to it is over."""
        run = self.run
        if run.trouble is None and not run.tries:
            return
        run.trouble, run.trouble_since, run.tries, run.defects = None, None, 0, 0
        await self.note(**NO_TROUBLE)

    def paused(self) -> None:
        """It waits for a decision, and begins anew with it."""
        self._steps[-1] |= {"ended": self._clock.time(), "paused": True}

    def failed(self, error: BaseException) -> None:
        """It has ended badly; told with whatever is told next."""
        if self._steps and self._steps[-1]["ended"] is None:
            self._steps[-1] |= {"ended": self._clock.time(), "error": code_of(error)}

    async def note(self, **fields: str) -> None:
        """Tell the steps, the cost and ``fields``."""
        await self._runs.note(self._taken, **self._with(fields))

    async def wait(self, **fields: str) -> bool:
        """Wait for a decision; False when there is one."""
        return await self._runs.wait(self._taken, **self._with(NO_TROUBLE | fields))

    async def let_go(self, delay_s: float, **fields: str) -> None:
        """It goes on in ``delay_s``."""
        await self._runs.let_go(self._taken, delay_s, **self._with(fields))

    async def finish(self, **fields: str) -> None:
        """It has ended."""
        await self._runs.finish(self._taken, **self._with(fields))

    def _with(self, fields: dict[str, str]) -> dict[str, str]:
        return {"steps": orjson.dumps(self._steps).decode(), **self.spent, **fields}


def code_of(error: BaseException) -> str:
    """A stable word for what went wrong, without anybody's words."""
    if isinstance(error, TryLater):
        return error.why
    return error.code if isinstance(error, GauntletError) else type(error).__name__
