"""What can be measured of a run, by name: the words that expectations use.

Each measure takes the requests of the phases, callers and kind that an expectation names, and the calls that reached
the providers in these phases (`scope.py`), and gives a number, or None where there is nothing to measure. Shares are
from 0 to 1. What is done after the answer is measured in `later_measures.py`. Read `judge.py` next.
"""

import math
from collections import Counter
from collections.abc import Callable

from loadtests.books.client import Entry
from loadtests.books.ledger import Call
from loadtests.verdict import later_measures
from loadtests.verdict.scope import Measure, Scope, percentile, share_of

NANO_USD = 1e9
HANDBOOK = "handbook"
RETRIEVAL = ("retrieval", "embeddings", "rerank")
"""How reasons begin that say what an answer from the handbook had to do without."""


def _answered(scope: Scope) -> list[Entry]:
    """Whole answers that are one: the honest message is a 503, or a stream that says so."""
    return [entry for entry in scope.entries if entry.outcome == "answered" and entry.source != "message"]


def _success(scope: Scope) -> float | None:
    """Of those that were not refused as the caller's own fault (4xx), or for want of room in his bucket."""
    asked = [entry for entry in scope.entries if entry.outcome != "refused"]
    return share_of(len(_answered(scope)), len(asked))


def _outcome_share(*outcomes: str) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return share_of(sum(entry.outcome in outcomes for entry in scope.entries), len(scope.entries))

    return read


def _status_share(status: int) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return share_of(sum(entry.status == status for entry in scope.entries), len(scope.entries))

    return read


def _source_share(*sources: str) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return share_of(sum(entry.source in sources for entry in scope.entries), len(scope.entries))

    return read


def _honest(scope: Scope) -> float | None:
    """Of those who got no answer and were not refused: who was told so in the honest message."""
    without = [e for e in scope.entries if e.source == "message" or e.outcome not in ("answered", "refused")]
    return share_of(sum(entry.source == "message" for entry in without), len(without))


def _degraded(scope: Scope) -> float | None:
    answered = _answered(scope)
    return share_of(sum(bool(entry.degraded) for entry in answered), len(answered))


def _latency(share: float) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return percentile((entry.duration_ms for entry in _answered(scope)), share)

    return read


def _json_latency(share: float) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return percentile((entry.duration_ms for entry in _answered(scope) if not entry.stream), share)

    return read


def _any_latency(share: float) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return percentile((entry.duration_ms for entry in scope.entries), share)

    return read


def _first_token(share: float) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return percentile((e.first_token_ms for e in _answered(scope) if e.first_token_ms is not None), share)

    return read


def _calls(scope: Scope) -> float | None:
    return float(len(scope.calls))


def _good_calls(scope: Scope) -> float | None:
    return float(sum(_well(call) for call in scope.calls))


def _amplification(scope: Scope) -> float | None:
    """Calls for each request, of those that needed a provider at all: cache and followers need none."""
    called = {call.request_id for call in scope.calls}
    return len(scope.calls) / len(called) if called else None


def _refused_calls(scope: Scope) -> float | None:
    return share_of(sum(call.status == 429 for call in scope.calls), len(scope.calls))


def _usd_per_1000(scope: Scope) -> float | None:
    return (
        sum(call.billed_nano_usd for call in scope.calls) / NANO_USD / len(scope.entries) * 1000
        if scope.entries
        else None
    )


def _charges_per_order(scope: Scope) -> float | None:
    """The most that any key was charged; the service's own key stands for the client's.

    Charges without a key cannot be told apart: they are spread evenly over the orders.
    """
    counted = Counter(charge.idempotency_key for charge in scope.whole.charges)
    orders = len({entry.key for entry in scope.entries})
    keyless = counted.pop(None, 0) / max(orders, 1)
    return max(keyless, *map(float, counted.values()), 0.0) if scope.entries else None


def _charges_beyond(scope: Scope) -> float | None:
    """By how much the charges differ from the orders that were told they were paid: somebody paid without knowing, or
    was told without paying.
    """
    paid = {entry.key for entry in scope.entries if entry.outcome == "answered"}
    return float(abs(len(scope.whole.charges) - len(paid))) if scope.entries else None


def _orders_done(scope: Scope) -> float | None:
    keys = {entry.key for entry in scope.entries}
    return share_of(len({entry.key for entry in scope.entries if entry.outcome == "answered"}), len(keys))


def _cited(scope: Scope) -> float | None:
    answered = [entry for entry in _answered(scope) if entry.kind == HANDBOOK]
    return share_of(sum(bool(entry.cited) for entry in answered), len(answered))


def _retrieval_degraded(scope: Scope) -> float | None:
    answered = [entry for entry in _answered(scope) if entry.kind == HANDBOOK]
    without = [entry for entry in answered if any(reason.startswith(RETRIEVAL) for reason in entry.degraded)]
    return share_of(len(without), len(answered))


def _back_after(scope: Scope) -> float | None:
    """Seconds from the end of the target's last fault to its next call that ended well; infinity when none came."""
    ends = [band.until for band in scope.whole.bands if scope.target in (None, band.target)]
    if not ends:
        return None
    healed = max(ends)
    well = (
        call.ended for call in scope.whole.calls if call.target == scope.target and _well(call) and call.t >= healed
    )
    return min(well, default=math.inf) - healed


def _well(call: Call) -> bool:
    return call.status == 200 and call.completed


MEASURES = {
    "success_share": Measure(_success, "share", "whole answers, of those not refused as the caller's own fault"),
    "refused_share": Measure(_outcome_share("refused"), "share", "requests refused with a 4xx"),
    "limited_share": Measure(_status_share(429), "share", "requests refused with 429 by the service's own limits"),
    "shed_share": Measure(_status_share(503), "share", "requests answered with 503"),
    "failed_share": Measure(
        _outcome_share("failed", "lost", "broken"), "share", "5xx, broken streams, lost connections"
    ),
    "broken_share": Measure(_outcome_share("broken", "lost"), "share", "streams and connections that broke"),
    "honest_share": Measure(_honest, "share", "who got no answer and was told so, of all who got none"),
    "degraded_share": Measure(_degraded, "share", "answers that did not come as wished"),
    "cached_share": Measure(_source_share("cache", "shared"), "share", "requests answered without a call of their own"),
    "stale_share": Measure(_source_share("stale"), "share", "requests answered with a stale answer"),
    "p50_ms": Measure(_latency(0.50), "ms", "time to the whole answer, from when it was due"),
    "p95_ms": Measure(_latency(0.95), "ms", "time to the whole answer, from when it was due"),
    "p99_ms": Measure(_latency(0.99), "ms", "time to the whole answer, from when it was due"),
    "json_p99_ms": Measure(_json_latency(0.99), "ms", "the same of answers that are not streamed"),
    "any_p99_ms": Measure(_any_latency(0.99), "ms", "time to whatever came: an answer, a refusal, a failure"),
    "first_token_p95_ms": Measure(_first_token(0.95), "ms", "time to a stream's first token, from when it was due"),
    "first_token_p99_ms": Measure(_first_token(0.99), "ms", "time to a stream's first token, from when it was due"),
    "calls": Measure(_calls, "count", "calls that reached the provider", from_ledger=True),
    "good_calls": Measure(_good_calls, "count", "calls that the provider answered well", from_ledger=True),
    "amplification": Measure(_amplification, "ratio", "calls per request that needed any", from_ledger=True),
    "refused_calls_share": Measure(
        _refused_calls, "share", "calls that the provider refused with 429", from_ledger=True
    ),
    "usd_per_1000": Measure(_usd_per_1000, "usd", "what the providers bill for 1,000 requests", from_ledger=True),
    "charges_per_order": Measure(_charges_per_order, "count", "the most that one order was charged", from_ledger=True),
    "charges_beyond": Measure(
        _charges_beyond, "count", "difference of charges and orders told that they are paid", from_ledger=True
    ),
    "orders_done_share": Measure(_orders_done, "share", "orders that were told that they are paid"),
    "cited_share": Measure(_cited, "share", "answers to questions of the handbook that cite passages of it"),
    "retrieval_degraded_share": Measure(
        _retrieval_degraded, "share", "of those, who say that a part of retrieval was left out"
    ),
    **later_measures.MEASURES,
    "back_after_s": Measure(_back_after, "s", "from the end of a fault to the first good call", from_ledger=True),
}
"""By name."""

NEED_TARGET = ("back_after_s",)
