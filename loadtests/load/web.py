"""Locust's own page as the place to choose: a scenario, one fault instead of its own, stages to switch off.

Behind `gauntlet load --web`, in one process: *Start* opens a session, its end or *Stop* closes and judges it. Scenarios
that break processes are not offered: nobody here may kill them. Read `loadtests/conduct/session.py` next.
"""

import json
import logging
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment
from rich.console import Console

from loadtests import scenario as scenarios
from loadtests.books.errors import CannotJudge
from loadtests.conduct.places import Places, Refused
from loadtests.conduct.session import Finished, Options, Session, alone, soon
from loadtests.load.beats import BeatReader
from loadtests.load.job import APPROVER_VARIABLE, PLACES, VARIABLE
from loadtests.load.line import Line
from loadtests.scenario.files import ScenarioError
from loadtests.scenario.model import PROCESSES, Fault, Scenario
from loadtests.verdict import keeping, show

AS_WRITTEN, NONE = "as the scenario has it", "none"
FAULTS: dict[str, Fault] = {
    f"{target}: {words}": Fault(target=target, fault=fault, params=params, share=share)
    for target in ("anthropic", "openai")
    for words, fault, params, share in (
        ("503", "status", {"status": 503}, 1.0),
        ("429, one in two", "status", {"status": 429, "retry_after": 2}, 0.5),
        ("hang", "hang", {}, 1.0),
        ("slow first token", "slow_first_token", {"delay_ms": 2000}, 1.0),
        ("cut streams, one in three", "cut", {}, 0.33),
        ("bad body, one in three", "bad_body", {"kind": "html"}, 0.33),
    )
}
STAGES = ("cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead")
DRAIN_S = 10.0
"""Who presses Stop waits for the last answers no longer."""

WINDOW = (0.25, 0.75)
"""A chosen fault is active in this part of the run."""

log = logging.getLogger(__name__)


def page() -> "Page | None":
    """The one of this process, None where there is no such page."""
    told = os.environ.get(PLACES)
    if told is None:
        return None
    given = json.loads(told)
    made = Page(Places(**{**given, "home": Path(given["home"])}))
    events.init_command_line_parser.add_listener(made.add_choices)  # type: ignore[no-untyped-call]
    events.test_stopping.add_listener(made.stopping)  # type: ignore[no-untyped-call]
    events.test_stop.add_listener(made.end)  # type: ignore[no-untyped-call]
    return made


class Page:
    """At most one session at a time."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._session: Session | None = None
        self._held = ExitStack()
        self._epoch = 0.0

    def add_choices(self, parser: Any) -> None:
        """What can be chosen on the page."""
        names = [name for name in scenarios.names() if not _breaks_processes(scenarios.named(name))]
        parser.add_argument("--scenario", choices=names, default="outage", help="What happens")
        parser.add_argument("--fault", choices=[AS_WRITTEN, NONE, *FAULTS], default=AS_WRITTEN, help="What breaks")
        # Locust 2.47 takes a list that is empty for one of numbers, so there is a word for nothing.
        parser.add_argument(
            "--stages-off", choices=[NONE, *STAGES], default=[NONE], nargs="*", is_multiple=True, help="Switched off"
        )
        parser.add_argument("--seconds", type=int, default=60, help="How long it lasts, in seconds")
        parser.add_argument("--seed", type=int, default=7, help="Seed of arrivals, questions and faults")

    @property
    def runs(self) -> bool:
        """Whether a session is open."""
        return self._session is not None

    def goes_on(self, environment: Environment) -> bool:
        """Begin when nothing has; false when it is over, or could not begin."""
        if self._session is None:
            return self._begin(environment)
        self._session.tick(time.time())
        beats = list(BeatReader(self._session.run.folder).read().values())
        at_s, in_flight = time.time() - self._epoch, sum(beat.sent - beat.ended for beat in beats)
        if self._session.scenario.arrivals == "open":
            return not (beats and all(beat.done for beat in beats))
        return at_s < self._session.scenario.lasts_s or in_flight > 0

    def _begin(self, environment: Environment) -> bool:
        chosen = environment.parsed_options
        if chosen is None:
            return False
        try:
            scenario = changed(scenarios.named(chosen.scenario), chosen.fault)
            options = Options(
                seed=chosen.seed,
                for_s=float(chosen.seconds),
                off=[stage for stage in chosen.stages_off if stage in STAGES],
                command="gauntlet load --web",
                drain_s=DRAIN_S,
            )
            session = Session(scenario, self._places, options)
            self._held.enter_context(alone(self._places.home))
            self._session = session
            job = session.open()
        except (Refused, CannotJudge, ScenarioError) as error:
            log.error("it does not begin: %s", error)  # noqa: TRY400 - words for a person, no traceback
            self._close()
            return False
        if chosen.fault != AS_WRITTEN:
            session.reason = "what breaks was changed by hand, and the expectations are about the scenario as written"
        os.environ[VARIABLE] = str(job.write())
        os.environ[APPROVER_VARIABLE] = job.approver or ""
        self._epoch = soon()
        session.begin(self._epoch)
        return True

    def stopping(self, **_: Any) -> None:
        """Somebody pressed Stop, or Locust is to end: send no more."""
        session = self._session
        if session is not None and time.time() < self._epoch + session.scenario.lasts_s - 1:
            session.stop("it was stopped before its end")

    def end(self, **_: Any) -> None:
        """The run is over, or somebody pressed Stop: tidy up and judge."""
        session = self._session
        if session is None:
            return
        beats = BeatReader(session.run.folder).read()
        Line.end()
        with self._held.pop_all():  # until the books are read nobody else may begin
            self._close()
            finished: Finished = session.finish(list(beats.values()))
        show.show(finished.verdict, finished.evidence.generator, Console())
        log.info("run %s: %s; %s", finished.run.id, finished.verdict.word, keeping.keep(finished).report)

    def _close(self) -> None:
        session, self._session = self._session, None
        try:
            if session is not None:
                session.close()
        finally:
            self._held.close()


def changed(scenario: Scenario, choice: str) -> Scenario:
    """The scenario with its own faults, with none, or with one other in the middle half of the run."""
    if choice == AS_WRITTEN:
        return scenario
    healthy = [phase.model_copy(update={"fault": ()}) for phase in scenario.phase]
    if choice == NONE:
        return scenario.model_copy(update={"phase": tuple(healthy)})
    begins_s, ends_s = (scenario.lasts_s * part for part in WINDOW)
    phases, begun_s = [], 0.0
    for phase in healthy:
        first, last = max(begins_s, begun_s), min(ends_s, begun_s + phase.for_s)
        if first < last:
            fault = FAULTS[choice].model_copy(update={"at_s": first - begun_s, "for_s": last - first})
            phase = phase.model_copy(update={"fault": (fault,)})
        phases.append(phase)
        begun_s += phase.for_s
    return scenario.model_copy(update={"phase": tuple(phases)})


def _breaks_processes(scenario: Scenario) -> bool:
    return any(fault.target in PROCESSES for phase in scenario.phase for fault in phase.fault)
