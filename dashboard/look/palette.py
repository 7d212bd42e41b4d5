"""One colour per meaning, the same on every page. Read `glossary.py` next.

The hues are those of Okabe and Ito (Color Universal Design, 2008), which people with any common colour vision tell
apart; where two touch in a stacked area they differ in lightness too. Nothing is told by colour alone.
"""

from dataclasses import dataclass

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#E5D000"
ORANGE, VERMILLION, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#8A8A8A"
DARK_GREY = "#5C5C5C"
FAULT = VERMILLION
SWITCH = PURPLE


@dataclass(frozen=True, slots=True)
class Meaning:
    """A key of telemetry with its words and its colour; `term` is what explains it in the glossary, if anything."""

    key: str
    words: str
    colour: str
    term: str = ""


ANSWERS: tuple[Meaning, ...] = (
    Meaning("live", "live, primary", BLUE, "source"),
    Meaning("provider", "other provider", SKY, "fail-over"),
    Meaning("smaller_model", "smaller model", PURPLE, "smaller model"),
    Meaning("cache", "cache", GREEN, "hit rate"),
    Meaning("stale", "stale", YELLOW, "stale"),
    Meaning("message", "honest message", ORANGE, "honest message"),
    Meaning("rejected", "refused", GREY, "refused"),
    Meaning("failed", "failed", VERMILLION, "failed"),
    Meaning("left", "client left", DARK_GREY, "client left"),
)
"""Where an answer came from, in the order in which they are stacked: the wished one first."""

OUTCOMES: tuple[Meaning, ...] = (
    Meaning("answered", "answered", BLUE),
    Meaning("degraded", "degraded", SKY),
    Meaning("unavailable", "unavailable", ORANGE, "outcome"),
    Meaning("refused", "refused", GREY),
    Meaning("failed", "failed", VERMILLION),
    Meaning("broken", "stream broken", VERMILLION),
    Meaning("cancelled", "client left", DARK_GREY),
)
"""`outcome` of a request's record."""

ATTEMPTS: tuple[Meaning, ...] = (
    Meaning("ok", "answered", BLUE),
    Meaning("limited", "429", YELLOW, "Retry-After"),
    Meaning("failed", "failed", VERMILLION, "failed"),
    Meaning("timeout", "timed out", ORANGE, "call"),
    Meaning("refused", "not to be repeated", GREY, "not ours"),
    Meaning("cancelled", "ended by us", DARK_GREY, "ended by us"),
)
"""How a call to a provider ended."""

PURPOSES: tuple[Meaning, ...] = (
    Meaning("answer", "answers", BLUE),
    Meaning("fallback", "fallback answers", SKY),
    Meaning("retry", "failed attempts", VERMILLION),
    Meaning("abandoned", "abandoned", DARK_GREY),
)
"""What money was spent for."""

BREAKER: tuple[Meaning, ...] = (
    Meaning("closed", "closed", GREEN, "closed"),
    Meaning("half_open", "half-open", YELLOW, "half-open"),
    Meaning("open", "open", VERMILLION, "open"),
    Meaning("paused", "paused (429)", ORANGE, "paused"),
)
"""States of a circuit."""

ENDINGS: tuple[Meaning, ...] = (
    Meaning("completed", "completed", BLUE, "work ended"),
    Meaning("answered", "without a refund", SKY, "work ended"),
    Meaning("declined", "not paid", YELLOW, "approval"),
    Meaning("cancelled", "cancelled", GREY, "work ended"),
    Meaning("failed", "failed", VERMILLION, "work ended"),
)
"""How jobs and runs of the agent ended."""

TRIES: tuple[Meaning, ...] = (
    Meaning("ok", "delivered", BLUE, "webhook"),
    Meaning("failed", "failed, tried again", VERMILLION, "webhook"),
)
"""What came of a try at a webhook's receiver."""

LANES: tuple[Meaning, ...] = (
    Meaning("jobs", "jobs", BLUE, "lane"),
    Meaning("agent", "agent", GREEN, "lane"),
    Meaning("webhooks", "webhooks", ORANGE, "lane"),
)
"""Lanes of the queue."""

WORK: tuple[Meaning, ...] = (
    Meaning("queued", "queued", GREY, "queue"),
    Meaning("running", "running", SKY),
    Meaning("resuming", "resuming", SKY),
    Meaning("waiting", "waits for approval", YELLOW, "approval"),
    Meaning("completed", "completed", BLUE),
    Meaning("rejected", "rejected", ORANGE, "approval"),
    Meaning("cancelled", "cancelled", DARK_GREY),
    Meaning("failed", "failed", VERMILLION),
)
"""Where a job or a run stands."""

STEPS: dict[str, str] = {
    "server": DARK_GREY,
    "stage": BLUE,
    "decision": PURPLE,
    "call": GREEN,
    "failed call": VERMILLION,
    "wait": YELLOW,
}
"""Kinds of steps in a waterfall (`story/steps.py`)."""


def colours(meanings: tuple[Meaning, ...]) -> dict[str, str]:
    """Key -> colour."""
    return {meaning.key: meaning.colour for meaning in meanings}


def words(meanings: tuple[Meaning, ...]) -> dict[str, str]:
    """Key -> words."""
    return {meaning.key: meaning.words for meaning in meanings}


def scale(meanings: tuple[Meaning, ...]) -> dict[str, list[str]]:
    """A Vega-Lite colour scale by the words."""
    return {"domain": [meaning.words for meaning in meanings], "range": [meaning.colour for meaning in meanings]}
