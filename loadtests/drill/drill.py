"""One drill from its beginning to its score: an ordinary load, a hidden fault in it, and a player who types lines.

It lives in the hooks of a run of load (`loadtests/conduct`): many times a second it reads what was typed. The fault is
planned at the simulator after the run has set its own plan, and ended whatever happens. Stages that the incident wants
off are switched after the run has noted how it found them, so that the run leaves them as it found them. Read
`desk.py` next.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.books import client
from loadtests.books.run import Run
from loadtests.conduct import Finished, Hooks, Options, Places, Refused, conduct
from loadtests.conduct.places import LIVE, profile_of
from loadtests.conduct.progress import Progress
from loadtests.conduct.world import label
from loadtests.drill import objective
from loadtests.drill.coach import Coach
from loadtests.drill.desk import Desk, Screen
from loadtests.drill.incidents import Planned, chosen
from loadtests.drill.moves import Moves
from loadtests.drill.operator import Operator
from loadtests.drill.score import Score, Truth, scored
from loadtests.scenario import Scenario
from loadtests.scenario.timing import lasting
from loadtests.verdict.evidence import Band

SCENARIO = Path(__file__).with_name("drill.toml")
DRAIN_S = 12.0
LOOK_S = 2.0
"""How often practice looks whether it is well again."""


@dataclass(frozen=True, slots=True)
class Played:
    """A drill that has ended. `truth` and `score` are None when it was over before anything broke."""

    finished: Finished
    planned: Planned
    moves: Moves
    began: float
    over: float
    truth: Truth | None
    score: Score | None
    practice: bool


def play(
    scenario: Scenario,
    places: Places,
    options: Options,
    screen: Screen,
    *,
    seed: int,
    practice: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Played:
    """Play one; `scenario` is the load, as long as `options` say, and `seed` chooses what happens in it.

    Raises Refused where the providers are the real ones or a run is under way, CannotJudge when a part is away.
    """
    if not places.simulator or profile_of(places.service) == LIVE:
        raise Refused(
            "a drill breaks a provider, and those of the live profile are the real ones: nobody can break them, "
            "whatever --max-usd says. Run it against the workbench profile; where no `up` runs, it starts one"
        )
    planned = chosen(seed, (scenario if options.for_s is None else lasting(scenario, options.for_s)).lasts_s)
    drill = _Drill(Operator(places), screen, planned, practice=practice, stopped=stopped)
    try:
        finished = conduct(scenario, places, replace(options, drain_s=DRAIN_S), drill.hooks())
    finally:
        drill.heal()
    return drill.played(finished)


class _Drill:
    def __init__(
        self, operator: Operator, screen: Screen, planned: Planned, *, practice: bool, stopped: Callable[[], bool]
    ) -> None:
        self._operator = operator
        self._screen = screen
        self._planned = planned
        self._desk = Desk(operator, screen, Coach(planned) if practice else None, planned.incident.route)
        self._stopped = stopped
        self._run: Run | None = None
        self._lasts_s = self._looked = 0.0
        self._since = 0
        self._hid = self._broke = False

    def hooks(self) -> Hooks:
        return Hooks(
            started=self._started,
            progress=self._progressed,
            steering=self._steering,
            route=lambda: self._desk.route,
            judging=lambda: self._screen.over("the drill is over; the books are being compared …"),
        )

    def _started(self, run: Run, scenario: Scenario, seed: int) -> None:
        """The run's own plan is set by now: break things beside it."""
        self._run, self._lasts_s = run, scenario.lasts_s
        self._since = self._operator.last_event()
        if self._planned.incident.off:
            self._operator.switch(dict.fromkeys(self._planned.incident.off, False))
        self._hid = True
        self._operator.hide(self._planned.fault())
        self._desk.began = time.time()
        self._desk.teach(lambda coach: coach.begin())

    def _progressed(self, progress: Progress) -> None:
        self._desk.progress = progress
        if self._plays():
            self._screen.clock(progress.at_s, self._lasts_s)
        else:
            self.heal()

    def _steering(self) -> float | None:
        if self._stopped():
            return None
        if self._plays():
            for line in self._screen.lines():
                self._desk.typed(line)
            self._practise()
        return 1.0 if self._desk.ended is None else None

    def _plays(self) -> bool:
        """Whether the load lasts and the player is not through."""
        return self._desk.ended is None and self._desk.at_s() < self._lasts_s

    def heal(self) -> None:
        """End what is hidden; once, and always. Raises CannotJudge when the simulator is away."""
        if self._hid:
            self._operator.heal()
            self._hid = False

    def _practise(self) -> None:
        """What practice has to say by itself."""
        if self._desk.coach is None:
            return
        at_s, now = self._desk.at_s(), time.time()
        if not self._broke and at_s >= self._planned.at_s:
            self._broke = True
            self._desk.coach.broke(at_s)
        self._desk.teach(lambda coach: coach.tick(at_s))
        if self._broke and self._run is not None and now > self._looked + LOOK_S:
            self._looked = now
            lines = client.read(self._run.folder)
            broken_at = self._desk.began + self._planned.at_s
            if lines and objective.well_since(lines.entries, broken_at, now) is not None:
                self._desk.teach(lambda coach: coach.well())

    def played(self, finished: Finished) -> Played:
        """The truth of the simulator, and the score. Raises CannotJudge when it is away."""
        desk, windows = self._desk, self._operator.hidden(self._since)
        over = desk.began + self._lasts_s if desk.ended is None else desk.ended
        bands = [Band(w.fault["target"], label(w.fault), w.began, w.ended or finished.evidence.ended) for w in windows]
        evidence = replace(
            finished.evidence, bands=sorted([*finished.evidence.bands, *bands], key=lambda band: band.since)
        )
        truth = score = None
        if windows and windows[0].began < over:
            first = windows[0]
            truth = Truth(first.fault["target"], self._planned.kind, first.began, first.ended or evidence.ended)
            score = scored(truth, desk.moves, evidence.entries, desk.began, over)
        finished = replace(finished, evidence=evidence)
        practice = desk.coach is not None
        return Played(finished, self._planned, desk.moves, desk.began, over, truth, score, practice)
