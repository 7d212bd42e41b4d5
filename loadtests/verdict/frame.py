"""What all charts of a page share: the time axis, the phases, when something was broken. Read `draw.py` next.

All have the same width and the same margins, so that a moment stands at the same place in each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.verdict.evidence import Evidence
from loadtests.verdict.series import Steps

PLOT_PX, LEFT_PX, RIGHT_PX = 1000, 64, 24
LETTER_PX = 6.8
"""About how wide a letter of 12 px is."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` until `until` in seconds of the run, with its words; `colour` where spans differ."""

    since: float
    until: float
    words: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """What all charts of a run share: the steps of time, its phases and the spans in which something was broken."""

    steps: Steps
    phases: Sequence[Span] = ()
    bands: Sequence[Span] = ()

    @classmethod
    def of(cls, evidence: Evidence, steps: Steps) -> "Frame":
        """Of a run; bands are cut at its ends."""

        def span(since: float, until: float, words: str) -> Span:
            begin, end = max(since - evidence.began, 0.0), min(until - evidence.began, steps.lasts_s)
            return Span(begin, end, words)

        phases = [span(window.since, window.until, window.name) for window in evidence.phases]
        bands = [span(band.since, band.until, band.label) for band in evidence.bands]
        return cls(steps, phases, [band for band in bands if band.since < band.until])

    def px(self, at_s: float) -> float:
        """Where a moment stands, in pixels from the left of the plot."""
        return at_s / self.steps.lasts_s * PLOT_PX

    def fitting(self, span: Span, *words: str) -> str:
        """The first of these words that has room in a span; nothing when none has."""
        room_px = self.px(span.until - span.since) - 8
        return next((some for some in words if len(some) * LETTER_PX <= room_px), "")
