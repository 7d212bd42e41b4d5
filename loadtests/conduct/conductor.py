"""A run from its beginning to its verdict, with a generator of its own.

The generator waits until it is told when to begin, and the simulator's clock begins at the same moment, so that the
same seed meets the same faults. Read `session.py` for the steps, `places.py` for what is refused, and
`loadtests/verdict/judge.py` for the verdict.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from loadtests.books.run import Run
from loadtests.conduct.crew import END_WITHIN_S, Crew
from loadtests.conduct.places import Places
from loadtests.conduct.progress import BookTail, Progress
from loadtests.conduct.session import Finished, Options, Session, alone, soon
from loadtests.load.beats import Beat
from loadtests.scenario.model import Scenario

TICK_S = 0.05
TOLD_EVERY_S = 1.0
FRESH_S = 1.0
"""A beat that is not older says how things are now."""

BREAK_OFF_S = 2.0
"""Who breaks a run off wants it ended: requests under way are given up after this."""

GRACE_S = 10.0
"""What the generator may take beyond its own bound to give up the last requests."""


@dataclass(slots=True)
class Hooks:
    """Whom a run tells: `started` once, `progress` each second, `judging` when the load has ended.

    `breaks_off`: at once, without a verdict. `steering` gives what the rate is multiplied by, or None to stop; `route`
    what is asked for instead of what the scenario asks for, or None.
    """

    started: Callable[[Run, Scenario, int], None] = lambda run, scenario, seed: None
    progress: Callable[[Progress], None] = lambda progress: None
    steering: Callable[[], float | None] = lambda: 1.0
    breaks_off: Callable[[], bool] = lambda: False
    route: Callable[[], str | None] = lambda: None
    judging: Callable[[], None] = lambda: None


class BrokenOff(Exception):
    """Somebody broke it off: everything is tidied up, and nothing was judged."""


def conduct(scenario: Scenario, places: Places, options: Options, hooks: Hooks | None = None) -> Finished:
    """Run a scenario and judge it.

    Raises Refused for what shall not be done, ScenarioError for a measure that nobody knows, CannotJudge when a part
    is away before the load has ended (after that it is a verdict), BrokenOff when the hook says so.
    """
    hooks = hooks or Hooks()
    session = Session(scenario, places, options)
    with alone(places.home):
        try:
            beats = _loaded(session, options, hooks)
        except BaseException:
            session.break_off()
            raise
        finally:
            session.close()
        if hooks.breaks_off():
            session.break_off()
            raise BrokenOff("it was broken off before its end; nothing is broken any more, and it was not judged")
        hooks.judging()
        return session.finish(beats)


def _loaded(session: Session, options: Options, hooks: Hooks) -> list[Beat]:
    """Put the load on; returns each process's last beat."""
    crew = Crew(session.open())
    try:
        crew.start()
        epoch = soon()
        session.begin(epoch)
        hooks.started(session.run, session.scenario, session.seed)
        _watch(session, options, hooks, crew, epoch)
    finally:
        crew.end(BREAK_OFF_S if hooks.breaks_off() else END_WITHIN_S)
    beats = list(crew.beats.read().values())
    _check_purse(session, options, beats)
    return beats


def _watch(session: Session, options: Options, hooks: Hooks, crew: Crew, epoch: float) -> None:
    """Until all has ended. Raises CannotJudge when the generator dies."""
    tail, told_s, stopped_s = BookTail(session.run.folder), 0.0, session.scenario.lasts_s
    while True:
        now = time.time()
        at_s, beats = now - epoch, list(crew.beats.read().values())
        if session.control.stop:
            stopped_s = min(stopped_s, at_s)
        if hooks.breaks_off():
            return
        if _over(session, beats, at_s, stopped_s, options.drain_s):
            return
        crew.check()
        session.tick(now)
        _ask_whether_to_go_on(session, options, hooks, beats)
        if at_s >= told_s:
            told_s = max(told_s + TOLD_EVERY_S, at_s)
            tail.follow(now)
            hooks.progress(tail.progress(at_s, *session.stands(at_s), beats, session.control.scale))
        time.sleep(TICK_S)


def _check_purse(session: Session, options: Options, beats: Sequence[Beat]) -> None:
    """What the limit kept from being sent is a reason not to count the run."""
    spent = sum(beat.spent_nano_usd for beat in beats) / 1e9
    held = sum(beat.held for beat in beats)
    if any(beat.broke for beat in beats):
        session.reason = session.reason or f"the limit of ${options.max_usd:g} was reached: ${spent:.4f} are spent"
    elif held:
        session.reason = session.reason or (
            f"the limit of ${options.max_usd:g} held back {held:,} requests that might have passed it"
        )


def _over(session: Session, beats: Sequence[Beat], at_s: float, ends_s: float, drain_s: float) -> bool:
    in_flight = sum(beat.sent for beat in beats) - sum(beat.ended for beat in beats)
    if at_s > ends_s + drain_s + GRACE_S:
        session.reason = session.reason or f"{in_flight} requests had not ended {drain_s:g} s after the load"
        return True
    if session.scenario.arrivals == "open":
        return all(beat.done for beat in beats)
    fresh = all(beat.t > time.time() - FRESH_S for beat in beats)
    return at_s > ends_s + FRESH_S and in_flight <= 0 and fresh


def _ask_whether_to_go_on(session: Session, options: Options, hooks: Hooks, beats: Sequence[Beat]) -> None:
    scale = hooks.steering()
    if session.control.stop:
        return
    if any(beat.broke for beat in beats):
        _check_purse(session, options, beats)
        session.stop("its money is spent")
    elif scale is None:
        session.stop("it was stopped before its end")
    elif scale != session.control.scale:
        session.notes.append(f"The rate was turned to {scale:g} times the planned one while it ran.")
        session.steer(replace(session.control, scale=scale))
    elif (route := hooks.route()) != session.control.route:
        session.notes.append(f"While it ran, the load was turned to the route {route or 'of the scenario'}.")
        session.steer(replace(session.control, route=route))
