"""All that is known of one request: asked of the collector by id, and made into steps, calls and what links them.

Read `../story/steps.py` next: how spans and records become steps; `../story/attempts.py`: what one call has to do with
another.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ..backends.all import backends
from ..backends.http import Refused, shaped
from ..story import attempts as calls
from ..story.attempts import Link
from ..story.steps import Step, of_record, of_spans
from .waterfall import end_ms

Json = Mapping[str, Any]

NOT_FOUND = 404
MOST_CANDIDATES = 5
_BEGINNING = re.compile(r"[0-9a-f-]{6,35}", re.IGNORECASE)


@dataclass(frozen=True)
class Told:
    """All that is known of a request, as steps and calls; `request` is None where only its trace is known."""

    given: str
    request: Json | None
    attempts: Sequence[Json]
    spans: Sequence[Json]
    logs: Sequence[Json]
    steps: Sequence[Step]
    links: Mapping[int, Link]

    @property
    def end_ms(self) -> float:
        """When the last step had ended, since the arrival."""
        return end_ms(self.steps)


def find(given: str) -> Told | None:
    """What the collector knows under an id or its beginning; says so where that is nothing. Raises Away, Refused."""
    try:
        return _understood(given)
    except Refused as error:
        if error.status != NOT_FOUND:
            raise
    ids: list[str] = []
    if _BEGINNING.fullmatch(given):
        found = backends().collector.requests({"request_id": given.lower(), "limit": str(MOST_CANDIDATES)})
        ids = [row["request_id"] for row in found]
    if len(ids) == 1:
        return _understood(ids[0])
    shown = given.replace("`", "")
    if ids:
        st.warning(f"Several requests begin with `{shown}`: {', '.join(f'`{one}`' for one in ids)}.")
    else:
        st.warning(
            f"**Nothing is known of `{shown}`:** it is no request id and no trace id of the last day or so. A request "
            "is told when it has ended and arrives here within a second or two; older ones are forgotten.",
            icon=":material/search_off:",
        )
    return None


def _understood(given: str) -> Told:
    collector = backends().collector
    found = collector.trace(given)
    return shaped(collector, lambda: _told(given, found))


def _told(given: str, found: Json) -> Told:
    request, spans = found["request"], found["spans"]
    attempts = found["attempts"] if request else calls.of_spans(spans)
    recorded = of_record(request, attempts, found["decisions"]) if request else []
    links = calls.links(attempts, spans, found["decisions"])
    by_number = {attempt["n"]: link for attempt, link in zip(attempts, links, strict=True)}
    return Told(given, request, attempts, spans, found["logs"], of_spans(spans) or recorded, by_number)
