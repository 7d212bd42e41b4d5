"""Runs a pitfall: starts its sides, puts the same load on each, counts, ends everything. Read `stage.py` next.

Everything happens in a thread of its own, so a notebook can call it, in whose thread a loop runs already.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module

from notebooks.pitfalls.catalogue import Pitfall, named
from notebooks.pitfalls.load import session
from notebooks.pitfalls.result import Findings, Result
from notebooks.pitfalls.rig import rig
from notebooks.pitfalls.stage import Run, Stage

SEED = 7


def nothing_said(words: str) -> None:
    """For whoever does not want to hear how far it is."""


def run_pitfall(
    which: int | str | Pitfall,
    *,
    short: bool = False,
    for_s: float | None = None,
    seed: int = SEED,
    guess: float | None = None,
    say: Callable[[str], None] = nothing_said,
) -> Result:
    """Run all forms of a pitfall under the same load; `say` hears how far it is.

    Raises UsageError for a pitfall or a length that there is not, PartFailed when a process does not start or dies.
    """
    pitfall = which if isinstance(which, Pitfall) else named(which)
    lasts_s = pitfall.lasting(for_s, short=short)
    findings = _Thread(pitfall, lasts_s, seed, say).finish()
    return Result(pitfall, seed, lasts_s, findings, guess)


def run_of(pitfall: Pitfall) -> Run:
    """The file in `runs/` that its `pitfall.toml` names."""
    run: Run = import_module(f"notebooks.pitfalls.runs.{pitfall.run}").Run()
    return run


class _Thread:
    """The thread that owns the processes. Interrupted, it ends them before anybody hears of it."""

    def __init__(self, pitfall: Pitfall, for_s: float, seed: int, say: Callable[[str], None]) -> None:
        self._pitfall, self._for_s, self._seed, self._say = pitfall, for_s, seed, say
        self._stop = threading.Event()
        self._findings: Findings | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name=f"pitfall {pitfall.number}", daemon=True)

    def finish(self) -> Findings:
        self._thread.start()
        interrupt: KeyboardInterrupt | None = None
        while self._thread.is_alive():
            try:
                self._thread.join()
            except KeyboardInterrupt as impatient:
                interrupt = impatient
                self._stop.set()
        if interrupt is not None:
            raise interrupt
        if self._failure is not None:
            raise self._failure
        assert self._findings is not None  # noqa: S101 - one of the two is there
        return self._findings

    def _live(self) -> None:
        try:
            run = run_of(self._pitfall)
            self._say("starting the processes …")
            more: Mapping[str, str] = run.variables(self._for_s)
            with rig(self._pitfall, more, self._stop.is_set) as sides:
                self._findings = asyncio.run(self._measure(run, Stage(sides, self._for_s, self._seed, self._say)))
        except BaseException as failure:  # noqa: BLE001 - raised again by whoever waits
            self._failure = failure

    async def _measure(self, run: Run, stage: Stage) -> Findings:
        async with session() as client:
            measuring = asyncio.create_task(run(stage, client))
            stopping = asyncio.create_task(self._stopped())
            done, _ = await asyncio.wait({measuring, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if measuring not in done:
                measuring.cancel()
                with suppress(asyncio.CancelledError):
                    await measuring
                raise KeyboardInterrupt
            return measuring.result()

    async def _stopped(self) -> None:
        while not self._stop.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.05)
