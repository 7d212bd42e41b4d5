"""How runs are told in words: when, how long, how judged. Read `experiments_differences.py` next."""

from datetime import UTC, datetime

from ..look.plain import plain
from ..recordings import Recording
from .clock import local

MINUTE_S = 60
VERDICTS = {"pass": "✓ passed", "fail": "✗ failed", "unknown": "? not judged"}


def when(t: float) -> str:
    """A moment (Unix seconds) as whoever looks has it."""
    return f"{local(datetime.fromtimestamp(t, UTC).isoformat()):%d %b %H:%M:%S}"


def length(width_s: float | None) -> str:
    """`3 min 20 s`; of a run that has not ended that."""
    if width_s is None:
        return "not ended"
    minutes, seconds = divmod(round(width_s), MINUTE_S)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def verdict(word: str | None) -> str:
    """A verdict with its sign; a dash where nobody judged."""
    return "–" if word is None else VERDICTS.get(word, word)


def named(run: Recording) -> str:
    """A run's label as text in Markdown, whatever is in it."""
    return plain(run.label)
