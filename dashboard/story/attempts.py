"""The calls of a request, and what each has to do with the call before it: a retry of it, or a fail-over from it.

The span links of a trace say which call followed which, where it has some; else calls follow each other by number. Why
is said by the decisions between the two. Read `facts.py` next: the request as a whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from . import words
from .steps import STAGE, of_call

Json = Mapping[str, Any]
Kind = Literal["first call", "retry", "fail-over"]

RETRIES = frozenset({("retry", "wait")})
FAIL_OVERS = frozenset(
    {
        *(("retry", why) for why in ("not_retryable", "attempts_used", "next_rung_instead", "no_time", "no_budget")),
        *(("breaker", why) for why in ("open", "half_open", "paused")),
        *(("fallback", why) for why in ("skip", "larger_context", "rung")),
        ("bulkhead", "full"),
    }
)
"""(stage, decision) that say why the next call is on another rung, or why a rung was not called at all."""

SEARCHERS = frozenset({"embeddings", "rerank"})
"""Targets that a search calls, before a model is asked."""
ROUNDED_MS = 0.05
"""Times of spans and of records are rounded differently."""


@dataclass(frozen=True)
class Link:
    """What a call is to the call number `of`, which is None for the first, and why it was made, in words."""

    kind: Kind
    of: int | None
    why: str


@dataclass(frozen=True)
class _Decided:
    t_ms: float
    stage: str
    what: str
    inputs: Json


def of_spans(spans: Sequence[Json]) -> list[dict[str, Any]]:
    """The calls of a trace in the words of the record, for a trace whose record is not known."""
    arrived = _arrival(spans)
    return [
        {
            **of_call(span["attributes"] or {}),
            "t_ms": _since_ms(span, arrived),
            "duration_ms": span["duration_ms"],
            "purpose": None,
        }
        for span in sorted(spans, key=lambda span: str(span["start_time"]))
        if span["kind"] == "client"
    ]


def links(attempts: Sequence[Json], spans: Sequence[Json], decisions: Sequence[Json]) -> list[Link]:
    """A link per attempt, in their order; `decisions` are the record's, for a trace that was not kept."""
    decided = sorted(_told_by(spans) if spans else _recorded(decisions), key=lambda one: one.t_ms)
    linked = _span_links(spans)
    by_number = {attempt["n"]: attempt for attempt in attempts}
    found: list[Link] = []
    for place, attempt in enumerate(attempts):
        usual = next((one for one in reversed(attempts[:place]) if _end(one) == _end(attempt)), None)
        before = by_number.get(linked.get(attempt["n"]), usual)
        between = [one for one in decided if _is_between(one, before, attempt)]
        if before is None:
            found.append(Link("first call", None, _said(between, FAIL_OVERS, attempt)))
        elif (before["target"], before["model"]) == (attempt["target"], attempt["model"]):
            found.append(Link("retry", before["n"], _said(between, RETRIES, attempt)))
        else:
            found.append(Link("fail-over", before["n"], _said(between, FAIL_OVERS, attempt)))
    return found


def _end(attempt: Json) -> str:
    """What a call was made for: a search's calls are no fail-overs of each other, nor of a model's."""
    target = str(attempt["target"])
    return target if target in SEARCHERS else ""


def linked_traces(spans: Sequence[Json]) -> list[str]:
    """Ids of the other traces that the spans of this one point to."""
    own = {span["trace_id"] for span in spans}
    pointed = (link["trace_id"] for span in spans for link in span["links"] or ())
    return list(dict.fromkeys(trace_id for trace_id in pointed if trace_id not in own))


def _said(between: Sequence[_Decided], telling: frozenset[tuple[str, str]], attempt: Json) -> str:
    return "; ".join(
        words.sentence(one.stage, one.what, _with_wait(one, attempt))
        for one in between
        if (one.stage, one.what) in telling and (one.inputs or one.what != "rung")
    )


def _with_wait(one: _Decided, attempt: Json) -> Json:
    """A record does not say for how long a wait was, but when the next call began."""
    if (one.stage, one.what) != ("retry", "wait") or one.inputs:
        return one.inputs
    return {"wait_s": max((attempt["t_ms"] or 0.0) - one.t_ms, 0.0) / 1000}


def _is_between(one: _Decided, before: Json | None, attempt: Json) -> bool:
    after_ms = -ROUNDED_MS if before is None else before["t_ms"] or 0.0
    return after_ms < one.t_ms <= (attempt["t_ms"] or 0.0) + ROUNDED_MS


def _told_by(spans: Sequence[Json]) -> Iterator[_Decided]:
    arrived = _arrival(spans)
    for span in spans:
        stage = (span["attributes"] or {}).get(STAGE)
        if stage is None:
            continue
        for event in span["events"] or ():
            t_ms = _since_ms(span, arrived) + event["t_ms"]
            yield _Decided(t_ms, str(stage), event["name"], event["attributes"] or {})


def _recorded(decisions: Sequence[Json]) -> Iterator[_Decided]:
    for decision in decisions:
        yield _Decided(decision["t_ms"] or 0.0, decision["stage"], decision["decision"], {})


def _span_links(spans: Sequence[Json]) -> dict[int, int]:
    """Number of a call -> number of the call that its span points to."""
    numbers = {
        span["span_id"]: number
        for span in spans
        if (number := of_call(span["attributes"] or {})["n"]) is not None and span["kind"] == "client"
    }
    return {
        numbers[span["span_id"]]: numbers[link["span_id"]]
        for span in spans
        for link in span["links"] or ()
        if span["span_id"] in numbers and link["span_id"] in numbers
    }


def _arrival(spans: Sequence[Json]) -> datetime | None:
    return min((datetime.fromisoformat(span["start_time"]) for span in spans), default=None)


def _since_ms(span: Json, arrived: datetime | None) -> float:
    began = datetime.fromisoformat(span["start_time"])
    return 0.0 if arrived is None else (began - arrived).total_seconds() * 1000
