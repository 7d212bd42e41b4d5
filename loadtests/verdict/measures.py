"""What can be measured of a run, by name: the words that expectations use.

Each measure takes the requests of the phases, callers and kind that an expectation names, and the calls that reached
the providers in these phases, and gives a number, or None where there is nothing to measure. Shares are from 0 to 1.
A request belongs to the phase in which it was due, a call to that in which it began. Read `judge.py` next.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from loadtests.books.client import Entry
from loadtests.books.ledger import Call
from loadtests.scenario.model import EFFECTS, LLM_TARGETS, REFUND_PATH, WORKER, Expectation
from loadtests.verdict import later, steps
from loadtests.verdict.evidence import Evidence, Window

NANO_USD = 1e9
PAYMENTS = "payments"
HANDBOOK = "handbook"
RETRIEVAL = ("retrieval", "embeddings", "rerank")
"""How reasons begin that say what an answer from the handbook had to do without."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expectation is about: the requests and calls of its phases, and the whole run beside them."""

    entries: Sequence[Entry]
    calls: Sequence[Call]
    windows: Sequence[Window]
    target: str | None
    whole: Evidence


@dataclass(frozen=True, slots=True)
class Measure:
    """`read` gives the value; `unit` is `share`, `ms`, `s`, `count`, `ratio` or `usd`. `from_ledger`: needs one."""

    read: Callable[[Scope], float | None]
    unit: str
    words: str
    from_ledger: bool = False


def scope_of(evidence: Evidence, expected: Expectation) -> Scope:
    """The part of a run that an expectation is about; without phases all of it, what came after the last one too."""
    windows = [window for window in evidence.phases if window.name in expected.during]
    if not expected.during:
        windows = [Window("", -math.inf, math.inf)]
    entries = [
        entry
        for entry in evidence.entries
        if _inside(entry.t, windows)
        and expected.callers in (None, entry.callers)
        and expected.kind in (None, entry.kind)
        and (expected.kind in EFFECTS or not is_effect(entry))
    ]
    targets = (expected.target,) if expected.target else LLM_TARGETS
    calls = [call for call in evidence.calls if call.target in targets and _inside(call.t, windows)]
    return Scope(entries, calls, windows, expected.target, evidence)


def is_effect(entry: Entry) -> bool:
    """Whether it is no question, so that measures of answers leave it out."""
    return entry.kind in EFFECTS or entry.endpoint == REFUND_PATH


def percentile(values: Iterable[float], share: float) -> float | None:
    """The nearest-rank percentile; None without values."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else None


def _inside(t: float, windows: Sequence[Window]) -> bool:
    return any(window.since <= t < window.until for window in windows)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _answered(scope: Scope) -> list[Entry]:
    """Whole answers that are one: the honest message is a 503, or a stream that says so."""
    return [entry for entry in scope.entries if entry.outcome == "answered" and entry.source != "message"]


def _success(scope: Scope) -> float | None:
    """Of those that were not refused as the caller's own fault (4xx), or for want of room in his bucket."""
    asked = [entry for entry in scope.entries if entry.outcome != "refused"]
    return _share(len(_answered(scope)), len(asked))


def _outcome_share(*outcomes: str) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return _share(sum(entry.outcome in outcomes for entry in scope.entries), len(scope.entries))

    return read


def _status_share(status: int) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return _share(sum(entry.status == status for entry in scope.entries), len(scope.entries))

    return read


def _source_share(*sources: str) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        return _share(sum(entry.source in sources for entry in scope.entries), len(scope.entries))

    return read


def _honest(scope: Scope) -> float | None:
    """Of those who got no answer and were not refused: who was told so in the honest message."""
    without = [e for e in scope.entries if e.source == "message" or e.outcome not in ("answered", "refused")]
    return _share(sum(entry.source == "message" for entry in without), len(without))


def _degraded(scope: Scope) -> float | None:
    answered = _answered(scope)
    return _share(sum(bool(entry.degraded) for entry in answered), len(answered))


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
    return _share(sum(call.status == 429 for call in scope.calls), len(scope.calls))


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
    return _share(len({entry.key for entry in scope.entries if entry.outcome == "answered"}), len(keys))


def _done(kind: str, *states: str) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        asked = later.asked(scope.whole.entries, kind, lambda entry: _inside(entry.t, scope.windows))
        ended = later.told(scope.whole.entries, states)
        return _share(sum(bool(subjects & ended) for subjects in asked.values()), len(asked))

    return read


def _paid_twice(scope: Scope) -> float | None:
    jobs = steps.of_jobs(_jobs(scope), scope.whole.calls)
    kills = steps.kills(scope.whole.bands, WORKER)
    return float(sum(steps.paid_again(some.values(), kills) for some in jobs.values())) if jobs else None


def _redelivered(scope: Scope) -> float | None:
    """The longest that a job which was at work when the worker was killed had to wait for its next call."""
    kills = steps.kills(scope.whole.bands, WORKER)
    ended = later.told(scope.whole.entries, later.ENDED)
    waits = [
        wait_s
        for job, some in steps.of_jobs(_jobs(scope), scope.whole.calls).items()
        for wait_s in steps.went_on_after(
            [call for calls in some.values() for call in calls], kills, ended=job in ended
        )
    ]
    return max(waits, default=None)


def _jobs(scope: Scope) -> set[str]:
    """The jobs that were asked for in these phases."""
    return later.subjects(e for e in scope.whole.entries if e.kind == "job" and _inside(e.t, scope.windows))


def _webhooks_delivered(scope: Scope) -> float | None:
    """Of what the client was told has ended, in these phases asked for: whose end a webhook told the receiver."""
    entries = [entry for entry in scope.whole.entries if _inside(entry.t, scope.windows)]
    ended = later.subjects(entries) & later.told(scope.whole.entries, later.ENDED)
    delivered = {
        webhook.subject_id for webhook in scope.whole.webhooks if webhook.is_taken and later.tells_end(webhook)
    }
    return _share(len(ended & delivered), len(ended))


def _webhook_ids(scope: Scope) -> float | None:
    ids = later.message_ids(scope.whole.webhooks)
    return max((float(len(some)) for some in ids.values()), default=None)


def _charges_per_approval(scope: Scope) -> float | None:
    """All charges of the run: it asks for no refund but by agents, and each of those needs an approval."""
    approvals, charges = later.approvals(scope.whole.entries), len(scope.whole.charges)
    if not approvals:
        return math.inf if charges else None
    return charges / approvals


def _cited(scope: Scope) -> float | None:
    answered = [entry for entry in _answered(scope) if entry.kind == HANDBOOK]
    return _share(sum(bool(entry.cited) for entry in answered), len(answered))


def _retrieval_degraded(scope: Scope) -> float | None:
    answered = [entry for entry in _answered(scope) if entry.kind == HANDBOOK]
    without = [entry for entry in answered if any(reason.startswith(RETRIEVAL) for reason in entry.degraded)]
    return _share(len(without), len(answered))


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
    "jobs_done_share": Measure(_done("job", "completed"), "share", "jobs that were told to be done, of all asked for"),
    "job_steps_paid_twice": Measure(
        _paid_twice,
        "count",
        "calls for steps of jobs that were done already, but for those at a kill",
        from_ledger=True,
    ),
    "redelivered_within_s": Measure(
        _redelivered, "s", "from a kill of the worker until a job that it met goes on, the longest", from_ledger=True
    ),
    "runs_done_share": Measure(
        _done("agent", "completed", "rejected"), "share", "the agent's runs that came to their end, of all asked for"
    ),
    "webhooks_delivered_share": Measure(
        _webhooks_delivered, "share", "of what has ended, whose end a webhook told the receiver", from_ledger=True
    ),
    "webhook_ids_per_job": Measure(
        _webhook_ids, "count", "the most ids that the messages of one event had", from_ledger=True
    ),
    "charges_per_approval": Measure(
        _charges_per_approval, "ratio", "charges for each refund of the agent that was approved", from_ledger=True
    ),
    "back_after_s": Measure(_back_after, "s", "from the end of a fault to the first good call", from_ledger=True),
}
"""By name."""

NEED_TARGET = ("back_after_s",)
