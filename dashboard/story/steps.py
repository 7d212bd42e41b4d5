"""What happened to one request, step by step: from the spans of its trace, or from its record where none were kept.

Each passage through a stage, each decision, each call and each back-off is a step with its time and its words. Read
`attempts.py` next: what one call has to do with the call before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from . import words

Kind = Literal["server", "stage", "decision", "call", "failed call", "wait"]
Json = Mapping[str, Any]

STAGE = "gauntlet.stage"
INPUT = "gauntlet.input."
FIRST_TOKEN_EVENT = "first_token"  # noqa: S105 - the name of an event
TOGETHER_MS = 0.5
"""The first decision of a stage is told with the passage itself when it came this soon, or as its only one."""


@dataclass(frozen=True)
class Step:
    """`t_ms` since the request's arrival; `duration_ms` None for a moment; `depth` in the nesting of the stages.

    `attempt` is the number of a call over the whole request, where that is known.
    """

    kind: Kind
    name: str
    words: str
    t_ms: float
    duration_ms: float | None = None
    depth: int = 0
    attempt: int | None = None


def of_spans(spans: Sequence[Json]) -> list[Step]:
    """The trace as steps, in order of time within each span."""
    ids = {span["span_id"] for span in spans}
    children: dict[str | None, list[Json]] = {}
    for span in sorted(spans, key=lambda span: str(span["start_time"])):
        parent = span["parent_span_id"]
        children.setdefault(parent if parent in ids else None, []).append(span)
    roots = children.get(None, [])
    if not roots:
        return []
    began = min(_moment(span) for span in roots)

    def walk(span: Json, depth: int) -> Iterable[Step]:
        t_ms = (_moment(span) - began).total_seconds() * 1000
        events = [event for event in span["events"] or () if not _is_told_elsewhere(span, event)]
        told = _told_with_it(span, events)
        yield _step(span, t_ms, depth, told)
        inner: list[tuple[float, int, list[Step]]] = [
            (t_ms + event["t_ms"], 0, [_decision(span, event, t_ms + event["t_ms"], depth + 1)])
            for event in events
            if event is not told
        ]
        for child in children.get(span["span_id"], ()):
            steps = list(walk(child, depth + 1))
            inner.append((steps[0].t_ms, 1, steps))
        for _, _, steps in sorted(inner, key=lambda item: item[:2]):
            yield from steps

    return [step for root in roots for step in walk(root, 0)]


def of_record(request: Json, attempts: Sequence[Json], decisions: Sequence[Json]) -> list[Step]:
    """The same from the record, which has no inputs and no nesting, but every decision and every call."""
    root = Step("server", f"{request['method']} {request['endpoint']}", "", 0.0, request["duration_ms"])
    steps = [_called(attempt) for attempt in attempts]
    for place, decision in enumerate(decisions):
        stage, what, t_ms = decision["stage"], decision["decision"], decision["t_ms"] or 0.0
        if stage == "call":
            continue  # told with the attempt
        following = (later["t_ms"] for later in decisions[place + 1 :] if later["stage"] == stage)
        is_wait = (stage, what) == ("retry", "wait")
        until_ms = next(following, None) if is_wait else None
        kind: Kind = "wait" if until_ms is not None else "decision"
        length_ms = None if until_ms is None else until_ms - t_ms
        steps.append(Step(kind, stage, words.sentence(stage, what, _waited(length_ms)), t_ms, length_ms, 1))
    return [root, *sorted(steps, key=lambda step: step.t_ms)]


def _waited(length_ms: float | None) -> dict[str, float]:
    return {} if length_ms is None else {"wait_s": length_ms / 1000}


def _step(span: Json, t_ms: float, depth: int, told: Json | None) -> Step:
    attributes = span["attributes"] or {}
    length_ms = span["duration_ms"] or 0.0
    if STAGE in attributes:
        stage = str(attributes[STAGE])
        said = words.sentence(stage, told["name"], told["attributes"] or {}) if told else ""
        return Step("stage", stage, said, t_ms, length_ms, depth)
    if span["kind"] == "client":
        kind: Kind = "failed call" if span["status"] == "error" else "call"
        call = of_call(attributes)
        return Step(kind, span["name"], _call_words(call), t_ms, length_ms, depth, call["n"])
    return Step("server", span["name"], str(span["status_message"] or "").replace("_", " "), t_ms, length_ms, depth)


def _is_told_elsewhere(span: Json, event: Json) -> bool:
    """A first token, and the end of a call: the call's own span says both."""
    ended = STAGE not in (span["attributes"] or {}) and "attempt" in (event["attributes"] or {})
    return ended or event["name"] == FIRST_TOKEN_EVENT


def _told_with_it(span: Json, events: Sequence[Json]) -> Json | None:
    if STAGE not in (span["attributes"] or {}) or not events:
        return None
    return events[0] if len(events) == 1 or events[0]["t_ms"] <= TOGETHER_MS else None


def _decision(span: Json, event: Json, t_ms: float, depth: int) -> Step:
    inputs = event["attributes"] or {}
    stage = str((span["attributes"] or {}).get(STAGE, ""))
    said = words.sentence(stage, event["name"], inputs)
    if (stage, event["name"]) == ("retry", "wait") and inputs.get("wait_s") is not None:
        return Step("wait", "", said, t_ms, float(inputs["wait_s"]) * 1000, depth)
    return Step("decision", "", said, t_ms, None, depth)


def _called(attempt: Json) -> Step:
    kind: Kind = "call" if attempt["status"] == "ok" else "failed call"
    name = f"{attempt['target']} {attempt['model'] or ''}".strip()
    began_ms, length_ms = attempt["t_ms"] or 0.0, attempt["duration_ms"] or 0.0
    return Step(kind, name, _call_words(attempt), began_ms, length_ms, 1, attempt["n"])


def of_call(attributes: Json) -> dict[str, Any]:
    """A call's span in the words of the record."""
    cost = attributes.get("gen_ai.usage.cost")
    return {
        "n": attributes.get("gauntlet.attempt.number"),
        "target": attributes.get("gen_ai.provider.name"),
        "model": attributes.get("gen_ai.request.model"),
        "status": attributes.get("gauntlet.attempt.status"),
        "upstream_status": attributes.get("http.response.status_code"),
        "input_tokens": attributes.get("gen_ai.usage.input_tokens"),
        "output_tokens": attributes.get("gen_ai.usage.output_tokens"),
        "first_token_ms": attributes.get("gauntlet.attempt.first_token_ms"),
        "cost_nano_usd": None if cost is None else round(cost * 1e9),
        "exact": attributes.get("gauntlet.attempt.exact", True),
    }


def _call_words(call: Json) -> str:
    """Outcome, tokens, time to the first token and cost of one call."""
    ended = "answered" if call["status"] == "ok" else str(call["status"] or "").replace("_", " ")
    status = call["upstream_status"]
    parts = [f"attempt {call['n']}: {ended}" if call["n"] is not None else ended]
    if status is not None and call["status"] != "ok":
        parts[0] += f", status {status}"
    elif call["status"] != "ok":
        parts[0] += ", no status"
    if call["first_token_ms"] is not None:
        parts.append(f"first token after {call['first_token_ms']:,.0f} ms")
    if call["input_tokens"] or call["output_tokens"]:
        about = "" if call["exact"] else "about "
        parts.append(f"{about}{call['input_tokens'] or 0:,} tokens in, {call['output_tokens'] or 0:,} out")
        parts.append("no known price" if call["cost_nano_usd"] is None else usd(call["cost_nano_usd"]))
    return "; ".join(part for part in parts if part)


def usd(nano_usd: int) -> str:
    """To the microdollar, which is what a person compares; the books show every digit."""
    return f"${nano_usd / 1e9:,.6f}"


def _moment(span: Json) -> datetime:
    return datetime.fromisoformat(span["start_time"])
