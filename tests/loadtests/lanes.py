"""Several runs of load at a time, each lane on a private workbench of its own, as `gauntlet load` would start one.

A run with settings of its own, or against the PoC, gets what it needs for itself. How many run at a time, and how loud
the loud ones are, is chosen by what this machine bears (`pace.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from door import laboratory, poc
from door.workbench import Workbench, workbench
from loadtests import scenario
from loadtests.conduct import Finished, Hooks, Options, conduct
from loadtests.scenario.model import Provider
from loadtests.scenario.timing import lasting
from tests.loadtests import pace
from tests.loadtests.meddling import Meddler, meddling
from tests.settings import AT_ONCE

LANES = 3
BESIDE = 3.5
"""So many runs at a time (but no more than there are lanes) leave a machine of pace 1 what a run needs to pass."""
BEARS_ALL = 0.6
"""The pace from which on a machine bears what is loud as it is planned."""
LEAST_SCALE = 0.3
"""Less than this of it would not be too much for anybody."""
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
    def is_wrong(self) -> bool:
        """Whether something is, so that it must not pass."""
        return self.poc or bool(self.off or self.settings or self.quotas or self.meddler)

    @property
    def label(self) -> str:
        """What distinguishes it."""
        words = [f"without {stage}" for stage in self.off] + [f"{name}={value}" for name, value in self.settings]
        words += [self.meddler.__name__.replace("_", " ")] if self.meddler else []
        words += ["PoC"] * self.poc + [f"{target} with {quota} per minute" for target, quota in self.quotas]
        return ", ".join([self.name, *words])


@dataclass(frozen=True)
class Round:
    """Cases that may run beside each other, at most `width` of them; `scale`: times the planned rate.

    What comes all at once comes as it is planned, for a moment's work is no overload.
    """

    cases: Sequence[Case]
    width: int
    scale: float = 1.0


def rounds(cases: Sequence[Case], pace: float) -> list[Round]:
    """What is loud alone and first, then what must pass, then what must not; the longest first in each.

    `pace`: of this machine (`pace.py`). What must not pass does so on a machine that has too much to do as well.
    """
    ordered = sorted(cases, key=lambda case: (-scenario.named(case.name).short_s, case.label))
    heavy = [case for case in ordered if case.heavy]
    right = [case for case in ordered if not case.heavy and not case.is_wrong]
    wrong = [case for case in ordered if not case.heavy and case.is_wrong]
    width = min(LANES, max(1, int(pace * BESIDE)))
    loud = Round(heavy, 1, min(1.0, max(LEAST_SCALE, pace / BEARS_ALL)))
    if width == LANES:
        return [loud, Round([*right, *wrong], LANES)]
    return [loud, Round(right, width), Round(wrong, LANES)]


@dataclass
class Lanes:
    """Runs cases; each case once, whoever asks."""

    folder: Path
    _opened: ExitStack = field(default_factory=ExitStack)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _idle: list[tuple[Workbench, Path]] = field(default_factory=list)
    """Workbenches as they ship, each with a home for its runs."""
    _number: int = 0

    def submit(self, cases: Sequence[Case]) -> dict[Case, Future[Finished]]:
        """All of them, round by round; the workbenches end with the last."""
        futures: dict[Case, Future[Finished]] = {case: Future() for case in cases}
        planned = rounds(cases, pace.measured())
        self._thread = threading.Thread(target=self._run, args=(planned, futures), name="rounds")
        self._thread.start()
        return futures

    def end(self) -> None:
        """Begin no more, wait for those under way, end every process."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, planned: Sequence[Round], futures: Mapping[Case, Future[Finished]]) -> None:
        try:
            for one in planned:
                with ThreadPoolExecutor(one.width, "lane") as lanes:
                    for case in one.cases:
                        lanes.submit(self._fulfil, case, futures[case], one.scale)
        finally:
            for future in futures.values():
                future.cancel()  # what has not begun
            self._opened.close()  # tests of other things need the CPU that idle processes take

    def _fulfil(self, case: Case, future: Future[Finished], scale: float) -> None:
        if self._ending.is_set() or not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(self._conducted(case, scale))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    def _conducted(self, case: Case, scale: float) -> Finished:
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
        options = Options(off=case.off, label=case.label, settle_s=WRONG_SETTLE_S if case.is_wrong else SETTLE_S)
        with self._lab(case) as (lab, home), meddling(case.meddler, lab):
            places = laboratory.places_of(home, lab)
            if not case.poc:
                has_rate = any(phase.rate_per_s for phase in phases)
                return conduct(chosen, places, options, Hooks(steering=lambda: scale if has_rate else 1.0))
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
        with self._lock:
            free = self._idle.pop() if self._idle else None
        if free is None:
            home = self._new_home()
            with self._lock:
                free = self._opened.enter_context(workbench(service_env={**AT_ONCE, **SOONER})), home
        try:
            yield free
        finally:
            with self._lock:
                self._idle.append(free)

    def _new_home(self) -> Path:
        with self._lock:
            self._number += 1
            home = self.folder / f"lane-{self._number}"
        home.mkdir()
        return home
