"""What the simulated model knows by itself: short notes on running LLM calls in production (DESIGN section 5).

They are used only when a prompt brings no context of its own, so that a first question on an empty workbench gets an
answer that means something. Read `answers.py` next: it picks from these.
"""

from __future__ import annotations

NOTES: tuple[str, ...] = (
    (
        "Retries need jitter because clients that failed together would otherwise come back together: random waits "
        "spread the second wave, so a provider that is recovering is not knocked over again."
    ),
    (
        "Exponential back-off doubles the upper bound of the wait after each failed attempt, up to a cap; with full "
        "jitter the wait itself is drawn between zero and that bound."
    ),
    (
        "A retry budget limits retries to a small share of all requests, so that an outage does not multiply the "
        "load exactly when the provider can bear it least."
    ),
    (
        "A circuit breaker counts consecutive failures and opens at its threshold: calls then fail at once instead "
        "of waiting, and after a cool-down a single probe decides whether it closes again."
    ),
    (
        "A half-open circuit breaker admits one probe for the whole fleet; if every worker sent its own probe, a "
        "recovering provider would meet the full load at once."
    ),
    (
        "A cache answers a repeated question without a provider call; its key must cover the tenant, the model and "
        "every parameter that changes the answer, or one customer reads the answer of another."
    ),
    (
        "Single-flight lets one request compute a missing cache entry while the same requests wait for it, so a "
        "hundred equal questions cost one provider call."
    ),
    (
        "A stale answer, marked as stale, is often better than an error: keep cache entries longer than they are "
        "fresh and serve them when every provider is down."
    ),
    (
        "A rate limit is best kept as a token bucket: tokens refill at a steady rate, a burst may spend what has "
        "been saved, and an empty bucket answers 429 with the time to wait."
    ),
    (
        "A 429 with Retry-After is no failure of the provider: stop sending until the time is over, for all "
        "workers, and let another provider answer meanwhile."
    ),
    (
        "An idempotency key makes a side effect safe to retry: the server stores the first response under the key "
        "and replays it, so a payment whose response was lost is not made twice."
    ),
    (
        "A timeout must exist for connecting, for the first token, for the pause between tokens and for the whole "
        "call; without one a silent provider holds the request for ever."
    ),
    (
        "A deadline is shared by all attempts of one request: each attempt gets only what is left, so retries "
        "cannot turn five seconds into twenty."
    ),
    (
        "A fallback is a ladder: the next provider, a smaller model, a stale answer, and at last an honest message "
        "with the time at which it is worth trying again."
    ),
    (
        "Back-pressure refuses work early: a bound on requests in flight answers 503 at once, while an unbounded "
        "queue makes everyone wait and then fail."
    ),
    (
        "A bulkhead gives each provider its own limit of calls in flight, so one slow provider cannot take every "
        "connection and drag the healthy ones down."
    ),
    (
        "Streaming shows the first token early, but after the first token a failure cannot be hidden: the client "
        "must be told that the answer is broken, never shown a truncated answer as complete."
    ),
    (
        "A hedged request sends a second copy when the first is slower than usual and takes whichever answers "
        "first; both are billed, so hedging needs a budget."
    ),
    (
        "Tail latency decides how a service feels: with many calls per page almost every user meets the slowest "
        "percent, so watch p99 and not the mean."
    ),
    (
        "Tracing gives every request one id that travels through all stages, so that a slow or failed answer can be "
        "explained by the attempt that caused it."
    ),
    (
        "Token cost is counted per attempt, also for failed and cancelled ones, because a provider bills the input "
        "and every token it generated, whether or not anyone read them."
    ),
    (
        "Graceful degradation means that a dead dependency removes a feature and not the answer: without retrieval "
        "answer from the conversation, without the session store answer without memory."
    ),
    (
        "Load shedding under overload drops optional work first, such as reranking, then the least important "
        "requests, so that the rest still finishes in time."
    ),
)
