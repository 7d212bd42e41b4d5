"""One request's decisions as passages through the stages: rows of tiles. Read `stage_row.py` next, which draws them.

A request enters the stages from the left. When a call fails it comes back: to retry for another attempt at the same
provider, or to fallback for the next rung; each time a new row begins there. So a row is one way inwards, and the last
one is that which brought the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..look.palette import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, YELLOW
from ..story import words

STAGES = ("cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead", "call")
"""The order in which the service is shipped."""
SEARCH = "retrieval"


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is told: by a sign, a word and a colour."""

    sign: str
    word: str
    colour: str


class State(Enum):
    """What became of a request at a stage."""

    PASSED = Look("→", "passed", BLUE)
    ANSWERED = Look("✓", "answered here", GREEN)
    STOPPED = Look("■", "stopped here", ORANGE)
    FAILED = Look("✕", "failed", VERMILLION)
    WAITED = Look("◷", "waited", YELLOW)
    OFF = Look("○", "switched off", GREY)
    UNDER_WAY = Look("…", "under way", SKY)
    UNTOLD = Look("?", "not told", GREY)
    NOT_REACHED = Look("·", "not reached", GREY)


_STATES = {
    ("cache", "hit"): State.ANSWERED,
    ("cache", "shared"): State.ANSWERED,
    ("cache", "wait"): State.WAITED,
    ("rate_limit", "refused"): State.STOPPED,
    ("fallback", "failed"): State.FAILED,
    ("fallback", "stale"): State.ANSWERED,
    ("fallback", "message"): State.STOPPED,
    ("fallback", "all_misconfigured"): State.STOPPED,
    ("retry", "wait"): State.WAITED,
    ("retry", "not_retryable"): State.STOPPED,
    ("retry", "attempts_used"): State.STOPPED,
    ("retry", "next_rung_instead"): State.STOPPED,
    ("retry", "no_time"): State.STOPPED,
    ("retry", "no_budget"): State.STOPPED,
    ("breaker", "open"): State.STOPPED,
    ("breaker", "half_open"): State.STOPPED,
    ("breaker", "paused"): State.STOPPED,
    ("bulkhead", "full"): State.STOPPED,
    ("call", "ok"): State.ANSWERED,
    ("call", "cancelled"): State.STOPPED,
}
_ON_THE_WAY_BACK = {
    ("cache", "store"),
    ("cache", "not_stored"),
    ("fallback", "failed"),
    ("fallback", "larger_context"),
    ("retry", "wait"),
    *(pair for pair, state in _STATES.items() if pair[0] == "retry" and state is State.STOPPED),
}
"""Taken after the inner stages were through: they belong to the tile that the request went through before."""
_CHANGE_NOTHING = {("cache", "store"), ("cache", "not_stored")}


@dataclass(frozen=True, slots=True)
class Line:
    """A decision: its sentence, when it was taken (from the request's start), and the time since the one before.

    No times where they were not told; no state where it does not change that of its tile.
    """

    decision: str
    sentence: str
    at_ms: float | None
    took_ms: float | None
    state: State | None


@dataclass(slots=True)
class Tile:
    """One passage through a stage."""

    stage: str
    lines: list[Line] = field(default_factory=list)

    @property
    def state(self) -> State:
        """By the last decision that says something about it."""
        return next((line.state for line in reversed(self.lines) if line.state), State.PASSED)

    @property
    def decision(self) -> str:
        """The one that made the state; empty when nothing was told."""
        return next((line.decision for line in reversed(self.lines) if line.state), "")

    @property
    def took_ms(self) -> float | None:
        """Milliseconds spent on its decisions; None when nothing was told."""
        told = [line.took_ms for line in self.lines if line.took_ms is not None]
        return sum(told) if told else None


@dataclass(slots=True)
class Row:
    """One way inwards: its tiles by stage, from the left to where it turned back, and in words which way it is."""

    title: str
    tiles: dict[str, Tile] = field(default_factory=dict)


def rows_of(path: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows of a path as `?explain=1` gives it: stage, decision, inputs, `t_ms`, `duration_ms`. One row at least."""
    rows = [Row("")]
    path = _without_search(path)
    for at, event in enumerate(path):
        stage, decision, inputs = event["stage"], event["decision"], event["inputs"]
        tile = _tile(rows, stage, decision, inputs)
        took_ms = event["duration_ms"]
        if stage == "call":  # by its own clock: the other also counts how long the reader took
            took_ms = inputs.get("duration_ms", took_ms)
        elif at and _waits(path[at - 1]):
            took_ms = 0.0  # that time belongs to the wait, and is in its line
        if _waits(event) and at + 1 < len(path):
            took_ms += path[at + 1]["duration_ms"]
        pair = (stage, decision)
        if pair in _CHANGE_NOTHING:
            state = None
        elif decision == "off":
            state = State.OFF
        else:
            state = _STATES.get(pair, State.FAILED if stage == "call" else State.PASSED)
        tile.lines.append(Line(decision, words.sentence(stage, decision, inputs), event["t_ms"], took_ms, state))
    return rows


def _without_search(path: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The path without what a search did before a model was asked: it goes through stages of its own."""
    until = max((at for at, event in enumerate(path) if event["stage"] == SEARCH), default=-1)
    inner = STAGES[STAGES.index("retry") :]
    return [
        event
        for at, event in enumerate(path)
        if event["stage"] != SEARCH and (at > until or event["stage"] not in inner)
    ]


def _waits(event: Mapping[str, Any]) -> bool:
    return (event["stage"], event["decision"]) == ("retry", "wait")


def _tile(rows: list[Row], stage: str, decision: str, inputs: Mapping[str, Any]) -> Tile:
    """The tile that a decision belongs to; a stage that is entered again begins a row."""
    if (stage, decision) in _ON_THE_WAY_BACK:
        for row in reversed(rows):
            if stage in row.tiles:
                return row.tiles[stage]
    here = rows[-1].tiles
    if here and _came_back(rows, stage):
        rows.append(Row(_title(stage, decision, inputs)))
        here = rows[-1].tiles
    return here.setdefault(stage, Tile(stage))


def _came_back(rows: list[Row], stage: str) -> bool:
    """Whether the stage is further out than the last one. Outer stages decide first, so the path tells the order."""
    order = list(dict.fromkeys(name for row in rows for name in row.tiles))
    last = next(reversed(rows[-1].tiles))
    return stage in order and (order.index(stage) < order.index(last) or stage == last == "call")


def _title(stage: str, decision: str, inputs: Mapping[str, Any]) -> str:
    if stage == "fallback":
        if decision in ("rung", "skip"):
            return "The next rung"
        return "No provider is left"
    if stage == "retry":
        return f"The same rung, attempt {inputs['attempt']}" if "attempt" in inputs else "The same rung again"
    return "Again"


def limited_rows(said: str) -> list[Row]:
    """The rows of a refusal by the limiter (429), which tells no path: only what it `said` is known."""
    row = Row("")
    for stage in STAGES[: STAGES.index("rate_limit")]:
        row.tiles[stage] = Tile(stage, [Line("", "a refusal does not tell", None, None, State.UNTOLD)])
    row.tiles["rate_limit"] = Tile("rate_limit", [Line("refused", said, None, None, State.STOPPED)])
    return [row]


def calls_in(path: Sequence[Mapping[str, Any]]) -> int:
    """How many calls to providers a path tells of."""
    return sum(event["stage"] == "call" for event in path)
