"""The panels of the page Work: what waits, runs and ended, and webhooks. Read `../views/work.py` next."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd  # type: ignore[import-untyped]

from ..feed import work_figures as figures
from ..feed.picture import Picture
from . import charts
from .palette import BLUE, ENDINGS, LANES, OUTCOMES, PURPLE, SKY, TRIES, VERMILLION, YELLOW, Meaning
from .panels import Panel

HEIGHT_PX = 115
NONE = "none"
LEAST_AXIS = 1.0
"""An axis reaches so far at least: where all is zero there would be none."""

_TIMES = (Meaning("wait_s", "waited", YELLOW, "job times"), Meaning("run_s", "ran", BLUE, "job times"))
_MESSAGES = (
    Meaning("gauntlet.webhooks.pending", "to be delivered", SKY, "webhook"),
    Meaning("gauntlet.webhooks.dead", "dead letters", VERMILLION, "dead letter"),
)
_APPROVALS = (Meaning("gauntlet.agent.waiting", "waiting", PURPLE, "approval"),)
_STEPS = tuple(
    meaning for meaning in OUTCOMES if meaning.key in ("answered", "degraded", "unavailable", "refused", "failed")
)

_WAITING_SPEC = charts.stacked(LANES, y="tasks", height=charts.LABELLED_PX, number=charts.WHOLE)
_RUNNING_SPEC = charts.stacked(LANES, y="tasks", height=HEIGHT_PX, roomy=True, number=charts.WHOLE)
_OLDEST_SPEC = charts.lines(LANES, y="s", height=HEIGHT_PX, roomy=True, number="~s", exactly=",.1f")
_ENDINGS_SPEC = charts.stacked(ENDINGS, y="ended / s", height=HEIGHT_PX, roomy=True)
_TIMES_SPEC = charts.lines(_TIMES, y="s", height=HEIGHT_PX, roomy=True, dots=True, number="~s", exactly=",.1f")
_STEPS_SPEC = charts.stacked(_STEPS, y="steps / s", height=HEIGHT_PX, roomy=True)
_TRIES_SPEC = charts.stacked(TRIES, y="tries / s", height=HEIGHT_PX, roomy=True)
_MESSAGES_SPEC = charts.lines(_MESSAGES, y="messages", height=HEIGHT_PX, roomy=True, number="~s", exactly=charts.WHOLE)
_APPROVALS_SPEC = charts.lines(_APPROVALS, y="runs", height=HEIGHT_PX, roomy=True, number="~s", exactly=charts.WHOLE)

Frames = Mapping[str, pd.DataFrame]


def panels(frames: Frames, seen: Picture) -> list[Panel]:
    """All of them, in the order in which they stand: the queue, what ended, webhooks and approvals."""

    def lanes(name: str) -> pd.DataFrame:
        return charts.named(figures.level(frames, seen, name), LANES)

    def panel(
        key: str, title: str, term: str, meanings: Sequence[Meaning], spec: charts.Spec, values: pd.DataFrame
    ) -> Panel:
        meant = meanings if len(meanings) > 1 else ()
        return Panel(key, title, term, meant, spec, charts.frame(seen, values, LEAST_AXIS), _note(values))

    waiting = lanes("gauntlet.queue.waiting")
    ended = charts.named(figures.endings(frames, seen), ENDINGS)
    steps = charts.named(figures.steps(frames, seen), _STEPS)
    tries = charts.named(figures.tries(frames, seen), TRIES)
    waited = charts.melted(figures.times(frames, seen), {one.key: one.words for one in _TIMES})
    return [
        Panel(
            "waiting",
            "Waiting for a worker",
            "queue",
            LANES,
            _WAITING_SPEC,
            charts.frame(seen, waiting, max(charts.room(waiting), LEAST_AXIS)),
            _note(waiting),
        ),
        panel("oldest", "Age of the oldest", "queue age", LANES, _OLDEST_SPEC, lanes("gauntlet.queue.oldest")),
        panel("running", "Running", "work running", LANES, _RUNNING_SPEC, lanes("gauntlet.queue.running")),
        panel("ended", "Jobs and runs that ended", "work ended", ENDINGS, _ENDINGS_SPEC, ended),
        panel("times", "How long jobs waited and ran", "job times", _TIMES, _TIMES_SPEC, waited),
        panel("steps", "Steps of own work", "own work", _STEPS, _STEPS_SPEC, steps),
        panel("tries", "Tries at webhooks", "webhook", TRIES, _TRIES_SPEC, tries),
        panel("messages", "Messages", "webhook", _MESSAGES, _MESSAGES_SPEC, _levels(frames, seen, _MESSAGES)),
        panel(
            "approvals",
            "Approvals waited for",
            "approval",
            _APPROVALS,
            _APPROVALS_SPEC,
            _levels(frames, seen, _APPROVALS),
        ),
    ]


def _note(values: pd.DataFrame) -> str:
    """An empty chart says in words that it is empty."""
    return "" if values["value"].fillna(0).any() else NONE


def _levels(frames: Frames, seen: Picture, meanings: Sequence[Meaning]) -> pd.DataFrame:
    """A line for each meaning, whose key is a gauge."""
    level: Callable[[str], pd.DataFrame] = lambda name: figures.level(frames, seen, name)  # noqa: E731 - short
    parts = [level(one.key).assign(key=one.key) for one in meanings]
    return charts.named(pd.concat(parts, ignore_index=True), meanings)
