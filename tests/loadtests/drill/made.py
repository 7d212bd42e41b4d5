"""Made-up books and moves for the tests."""

from collections.abc import Sequence
from typing import Any

from loadtests.books.client import Entry
from loadtests.drill.moves import Diagnosis, Moves

BEGAN = 1_000_000.0
PER_S = 10


def entry(t: float, *, bad: bool = False, **more: Any) -> Entry:
    """One request that was due at `t`; a bad one failed."""
    given: dict[str, Any] = {"request_id": f"id-{t:.2f}", "t": t, "duration_ms": 300.0, "endpoint": "/chat"}
    given |= {"status": 503, "outcome": "failed"} if bad else {"status": 200, "outcome": "answered", "source": "live"}
    return Entry(**{**given, **more})


def book(seconds: float, *bad: tuple[float, float], share: float = 1.0) -> Sequence[Entry]:
    """Ten requests a second from BEGAN; of those due within a `bad` span the first `share` of each second is bad."""
    entries = []
    for number in range(int(seconds * PER_S)):
        at_s = number / PER_S
        hurt = any(since <= at_s < until for since, until in bad) and number % PER_S < share * PER_S
        entries.append(entry(BEGAN + at_s, bad=hurt))
    return entries


def moves(*made: tuple[float, str, str]) -> Moves:
    """From (seconds after BEGAN, what, words); `diagnose` is `PROVIDER KIND [AGO]`."""
    found = Moves()
    for at_s, what, words in made:
        found.add(BEGAN + at_s, what, f"diagnose {words}" if what == "diagnose" else words)  # type: ignore[arg-type]
        if what == "diagnose":
            provider, kind, *ago = words.split()
            found.diagnoses.append(
                Diagnosis(BEGAN + at_s, provider, kind, BEGAN + at_s - float(ago[0]) if ago else None)
            )
    return found
