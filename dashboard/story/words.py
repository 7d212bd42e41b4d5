"""What a stage decided, in words: one sentence per decision, made of the inputs that it was taken from.

A record knows the decision only, a span its inputs too; so each part of a sentence in brackets is left out where an
input is missing. Pages and the command line show the same sentences, so nothing of either is imported. Read `steps.py`
next, where they are put in order.
"""

import re
from collections.abc import Mapping, Sequence

SENTENCES: dict[tuple[str, str], str] = {
    ("cache", "hit"): "a stored answer[, {age_s:s} old]",
    ("cache", "miss"): "no fresh answer is stored[: {why}][{stale:if}; a stale one is at hand]",
    ("cache", "bypass"): "neither read nor stored[: {why}]",
    ("cache", "wait"): "waits for the answer to the same question[: {why}]",
    ("cache", "waited"): "waits no longer[: {why}]",
    ("cache", "shared"): "shares the answer to the same question[: {why}][, source {source:words}]",
    ("cache", "store"): "the answer was stored",
    ("cache", "not_stored"): "the answer was not stored[: source {source:words}, finish {finish}]",
    ("rate_limit", "allowed"): (
        "allowed[: {requests_left} requests and {tokens_left} tokens left][, {estimate} tokens reserved]"
        "[, buckets of the {buckets}]"
    ),
    ("rate_limit", "refused"): "refused[: the {short:words} bucket is empty][, again in {wait_s:s}]",
    ("fallback", "rung"): "tries[ rung {rung}:][ {provider}][ {model}][ ({why:words})][{last:if}, the last rung]",
    ("fallback", "skip"): "skips[ rung {rung}:][ {model}][, because {why:words}]",
    ("fallback", "failed"): "rung failed[: {provider}][ {model}][, {reason:words}]",
    ("fallback", "larger_context"): "looks for a rung that reads more[: {reason:words}]",
    ("fallback", "stale"): "answers with a stale one[, {age_s:s} old][, because {reasons:words}]",
    ("fallback", "message"): "answers with the honest message[, because {reasons:words}][; again in {retry_after_s:s}]",
    ("fallback", "all_misconfigured"): "no provider takes our keys or model names[: {reasons:words}]",
    ("retry", "attempt"): "attempt[ {attempt} of {of}][, budget {budget_left} left]",
    ("retry", "wait"): (
        "waited[ {wait_s:ms}][: full jitter of {jitter_of_s:ms}, Retry-After absent]"
        "[: Retry-After of {retry_after_s:ms} and a spread][, budget {budget_left} left][, after {after:cause}]"
    ),
    ("retry", "not_retryable"): "no retry[: {after:words} would only happen again]",
    ("retry", "attempts_used"): "no retry: all[ {of}] attempts are used[, the last one failed with {after:words}]",
    ("retry", "next_rung_instead"): (
        "no retry here, the next rung instead[: {after:words}][ asks for a wait of {retry_after_s:ms}]"
    ),
    ("retry", "no_time"): "no retry: a wait[ of {wait_s:ms}] would pass the deadline[, {left_s:ms} are left]",
    ("retry", "no_budget"): "no retry: the budget is used up[, {budget_left} left]",
    ("breaker", "closed"): "closed[ for {provider}][, {failures} failed in a row]",
    ("breaker", "open"): "open[ for {provider}][ after {failures} failures][: not called, probe in {probe_in_s:s}]",
    ("breaker", "half_open"): "half-open[ for {provider}]: not called, another request probes",
    ("breaker", "probe"): "half-open[ for {provider}][ after {failures} failures]: this request probes",
    ("breaker", "paused"): "paused[ for {provider}][: not called, its Retry-After ends in {left_s:s}]",
    ("bulkhead", "held"): "holds a slot[: {held} of {limit}][ for {provider}]",
    ("bulkhead", "full"): "full[: all {limit} slots][ for {provider}][ are taken]",
    ("retrieval", "found"): "found[ {passages} passages][ by {mode:words}][: {ids}]",
    ("retrieval", "words_only"): "searches by words only[: embeddings {reason:words}]",
    ("retrieval", "not_reranked"): (
        "the fused order stays[: rerank {reason:words}][: {why:words}][, {pressure} of what the worker takes]"
    ),
    ("retrieval", "fewer"): "gives the model[ {passages} of {of} passages][: pressure {pressure}]",
    ("retrieval", "none"): "nothing was searched[: {why:words}][, {reason}][, {pressure} of what the worker takes]",
    ("call", "ok"): "answered[: {provider}][ {model}][, call {attempt} in all][, in {duration_ms:num} ms]",
    ("call", "cancelled"): "ended by us[: {provider}][ {model}][, call {attempt} in all][, after {duration_ms:num} ms]",
}
"""(stage, decision) -> sentence; `[…]` is left out where an input in it is missing or false. `{x:s}` are seconds,
`{x:ms}` seconds shown as milliseconds, `{x:num}` is rounded, `{x:words}` a code in words, `{x:cause}` one that a wait
followed, `{x:if}` only a condition."""

CAUSES = {"unavailable": "unavailable (only a 429's Retry-After counts)"}
"""A 5xx may carry a Retry-After too, which the service does not read: to say no more than absent would mislead."""

OFF = "switched off, stepped over"
CALL_FAILED = (
    "failed with {decision:words}[: {provider}][ {model}][, call {attempt} in all][, after {duration_ms:num} ms]"
)

_PART = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"\{(\w+)(?::(\w+))?\}")


def sentence(stage: str, decision: str, inputs: Mapping[str, object]) -> str:
    """What the stage decided and from what, without a full stop; any decision has words, also one unknown here."""
    if decision == "off":
        return OFF
    template = SENTENCES.get((stage, decision))
    if template is None and stage == "call":
        template, inputs = CALL_FAILED, {**inputs, "decision": decision}
    if template is None:
        listed = ", ".join(f"{name} {_shown(value, None)}" for name, value in inputs.items())
        return f"{decision.replace('_', ' ')}{f': {listed}' if listed else ''}"
    return _filled(
        _PART.sub(lambda part: _filled(part[1], inputs) if _has_all(part[1], inputs) else "", template), inputs
    )


def _has_all(part: str, inputs: Mapping[str, object]) -> bool:
    given = (inputs.get(name) for name, _ in _NAME.findall(part))
    return all(value is not None and value is not False for value in given)


def _filled(text: str, inputs: Mapping[str, object]) -> str:
    return _NAME.sub(lambda found: _shown(inputs.get(found[1]), found[2]), text)


def _shown(value: object, unit: str | None) -> str:
    if unit == "if":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if unit == "ms":
            return f"{value * 1000:,.0f} ms"
        if unit == "s":
            return f"{value:.3g} s" if value < 60 else f"{value:,.0f} s"
        return f"{value:,.0f}" if unit == "num" or float(value).is_integer() else f"{value:,.4g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_shown(item, unit) for item in value)
    if unit == "cause":
        return CAUSES.get(str(value), str(value).replace("_", " "))
    return str(value).replace("_", " ") if unit == "words" else str(value)
