"""Several runs of load at a time, each lane on a private workbench of its own, as `gauntlet load` would start one.

A run with settings of its own, or against the PoC, gets what it needs for itself. Runs that put a whole core to work
come first, one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from door import laboratory, poc
from door.workbench import Workbench, workbench
from loadtests import scenario
from loadtests.conduct import Finished, Options, conduct
from loadtests.scenario.model import Provider
from loadtests.scenario.timing import lasting
from tests.loadtests.meddling import Meddler, meddling
from tests.settings import AT_ONCE

LANES = 3
POC_DRAIN_S = 8.0
SETTLE_S, WRONG_SETTLE_S = 90.0, 5.0
"""How long webhooks are waited for; those that never come need not be."""

SOONER = {"GAUNTLET_WEBHOOKS__BASE_S": "1"}
"""So that a test need not wait for what a receiver missed."""


@dataclass(frozen=True)
class Case:
    """One run: a scenario, as short as it says, and what is wrong with the service. `phases`: these only.

    `meddler`: who does something while it runs that the service would never do.
    """

    name: str
    off: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    poc: bool = False
    quotas: tuple[tuple[str, int], ...] = ()
    phases: tuple[str, ...] = ()
    heavy: bool = False
    meddler: Meddler | None = None

    @property
    def label(self) -> str:
        """What distinguishes it."""
        words = [f"without {stage}" for stage in self.off] + [f"{name}={value}" for name, value in self.settings]
        words += [self.meddler.__name__.replace("_", " ")] if self.meddler else []
        words += ["PoC"] * self.poc + [f"{target} with {quota} per minute" for target, quota in self.quotas]
        return ", ".join([self.name, *words])


@dataclass
class Lanes:
    """Runs cases; each case once, whoever asks."""

    folder: Path
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(LANES, "lane"))
    _own: threading.local = field(default_factory=threading.local)
    _opened: ExitStack = field(default_factory=ExitStack)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _heavy: threading.Lock = field(default_factory=threading.Lock)
    _heavy_done: threading.Event = field(default_factory=threading.Event)
    _heavy_left: int = 0
    _left: int = 0
    _number: int = 0

    def submit(self, cases: Sequence[Case]) -> dict[Case, Future[Finished]]:
        """All of them; the light ones begin when the heavy ones have ended, the workbenches end with the last."""
        self._left = len(cases)
        self._heavy_left = sum(case.heavy for case in cases)
        if not self._heavy_left:
            self._heavy_done.set()
        ordered = sorted(cases, key=lambda case: not case.heavy)
        futures = {case: self._pool.submit(self._run, case) for case in ordered}
        for future in futures.values():
            future.add_done_callback(self._has_ended)
        return futures

    def end(self) -> None:
        """Begin no more, wait for those under way, end every process."""
        self._heavy_done.set()
        self._pool.shutdown(cancel_futures=True)
        self._opened.close()

    def _has_ended(self, _: Future[Finished]) -> None:
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            self._opened.close()  # tests of other things need the CPU that idle processes take

    def _run(self, case: Case) -> Finished:
        if not case.heavy:
            self._heavy_done.wait()
            return self._conducted(case)
        with self._heavy:
            try:
                return self._conducted(case)
            finally:
                self._heavy_left -= 1
                if not self._heavy_left:
                    self._heavy_done.set()

    def _conducted(self, case: Case) -> Finished:
        chosen = scenario.named(case.name)
        quotas = {target: Provider(requests_per_min=quota) for target, quota in case.quotas}
        chosen = lasting(chosen, chosen.short_s)
        phases = tuple(phase for phase in chosen.phase if not case.phases or phase.name in case.phases)
        names = {phase.name for phase in phases}
        chosen = chosen.model_copy(
            update={
                "providers": {**chosen.providers, **quotas},
                "phase": phases,
                "expect": tuple(expected for expected in chosen.expect if names.issuperset(expected.during)),
            }
        )
        is_wrong = case.off or case.settings or case.quotas or case.meddler
        options = Options(off=case.off, label=case.label, settle_s=WRONG_SETTLE_S if is_wrong else SETTLE_S)
        with self._lab(case) as (lab, home), meddling(case.meddler, lab):
            places = laboratory.places_of(home, lab)
            if not case.poc:
                return conduct(chosen, places, options)
            options = replace(options, plain=True, drain_s=POC_DRAIN_S)
            with poc.serving(lab.urls["anthropic"], home, payments=lab.urls["payments"]) as url:
                return conduct(chosen, replace(places, service=url), options)

    @contextmanager
    def _lab(self, case: Case) -> Iterator[tuple[Workbench, Path]]:
        if case.settings:
            home = self._new_home()
            with workbench(service_env={**AT_ONCE, **SOONER, **dict(case.settings)}) as lab:
                yield lab, home
            return
        if not hasattr(self._own, "lab"):
            home = self._new_home()
            with self._lock:
                environment = {**AT_ONCE, **SOONER}
                self._own.lab, self._own.home = self._opened.enter_context(workbench(service_env=environment)), home
        yield self._own.lab, self._own.home

    def _new_home(self) -> Path:
        with self._lock:
            self._number += 1
            home = self.folder / f"lane-{self._number}"
        home.mkdir()
        return home
