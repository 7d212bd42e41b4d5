"""How a run stands, second by second, from the client's book while it is written. Read `conductor.py` next."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from loadtests.books import client
from loadtests.load.beats import Beat
from loadtests.verdict.scope import percentile

LAST_S = 5.0
"""What a line of progress is about: the requests that ended in these last seconds."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`at_s` after the beginning; rate, shares and times of the last five seconds, None without any request."""

    at_s: float
    phase: str
    faults: Sequence[str]
    sent: int
    rate_per_s: float
    success_share: float | None
    degraded_share: float | None
    p95_ms: float | None
    in_flight: int
    scale: float


@dataclass(frozen=True, slots=True)
class _Seen:
    ended: float
    duration_ms: float
    answered: bool
    refused: bool
    degraded: bool


class BookTail:
    """Follows the client's book, from where it read last."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / client.NAME
        self._at = 0
        self._last: deque[_Seen] = deque()

    def follow(self, now: float) -> None:
        """Read what is new, forget what is old."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._at += len(line)
                    self._add(orjson.loads(line))
        except FileNotFoundError:
            return
        while self._last and self._last[0].ended < now - LAST_S:
            self._last.popleft()

    def _add(self, row: dict[str, object]) -> None:
        duration_ms = float(str(row["duration_ms"]))
        answered = row["outcome"] == "answered" and row["source"] != "message"
        degraded = answered and bool(row["degraded"])
        ended = float(str(row["t"])) + duration_ms / 1000
        self._last.append(_Seen(ended, duration_ms, answered, row["outcome"] == "refused", degraded))

    def progress(self, at_s: float, phase: str, faults: Sequence[str], beats: Sequence[Beat], scale: float) -> Progress:
        """The last seconds in figures."""
        asked = [seen for seen in self._last if not seen.refused]
        answered = [seen for seen in asked if seen.answered]
        sent = sum(beat.sent for beat in beats)
        return Progress(
            at_s,
            phase,
            faults,
            sent,
            len(self._last) / min(LAST_S, max(at_s, 1.0)),
            len(answered) / len(asked) if asked else None,
            sum(seen.degraded for seen in answered) / len(answered) if answered else None,
            percentile((seen.duration_ms for seen in answered), 0.95),
            max(sent - sum(beat.ended for beat in beats), 0),
            scale,
        )
