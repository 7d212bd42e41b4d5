"""Pitfall 2, no cache: calls and USD for a thousand questions of which nine in ten are of ten kinds.

The chapter's figure: 90 % of the questions of an FAQ are the same ones. Read `blind_retries.py` next.
"""

import random
from collections.abc import Mapping

import aiohttp

from notebooks.pitfalls import counting
from notebooks.pitfalls.load import Due, moments
from notebooks.pitfalls.result import Check, Figure, Findings, Strip
from notebooks.pitfalls.stage import Seen, Stage, doubts, under_load

RATE_PER_S = 100
TAKES_S = 0.1
PATIENCE_S = 10.0
"""After the last question; a bound that only a very busy machine meets."""
COMMON = 0.9
FAQ = (
    "Why do retries need jitter?",
    "What does a circuit breaker do?",
    "What is a bulkhead?",
    "What is an idempotency key?",
    "When is a stale answer better than an error?",
    "What is single-flight?",
    "What does Retry-After tell me?",
    "Why does a call need a timeout?",
    "What is back-pressure?",
    "What is a retry budget?",
)
PER = 1000


class Run:
    """The run."""

    def variables(self, for_s: float) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def planned(self, for_s: float) -> Mapping[str, str]:
        """How many of the questions are common ones."""
        return {"common": f"{COMMON * 100:.0f}", "kinds": str(len(FAQ))}

    async def __call__(self, stage: Stage, client: aiohttp.ClientSession) -> Findings:
        """Questions as people ask them."""
        count, until_s = round(RATE_PER_S * stage.for_s), stage.for_s + PATIENCE_S
        texts = questions(stage.seed, count)
        dues = [
            Due(at_s, "chat", "/chat", {"text": text})
            for at_s, text in zip(moments(stage.seed, count, 0, stage.for_s), texts, strict=True)
        ]
        seen = await under_load(stage, client, dues, latency_s=TAKES_S, until_s=until_s)
        return _findings(seen, count, len(set(texts)), stage.for_s)


def questions(seed: int, count: int) -> list[str]:
    """Nine in ten of the FAQ, the others asked once."""
    draw = random.Random(seed)  # noqa: S311 - questions, not secrets
    return [
        draw.choice(FAQ) if draw.random() < COMMON else f"What would order {number} cost me with a bulkhead?"
        for number in range(count)
    ]


def _findings(seen: Mapping[str, Seen], count: int, different: int, for_s: float) -> Findings:
    calls = {form: len(what.calls) * PER / count for form, what in seen.items()}
    usd = {form: sum(call.billed_usd for call in what.calls) * PER / count for form, what in seen.items()}
    p50 = {
        form: counting.quantile([answer.waited_s * 1000 for answer in what.answers], 0.5) for form, what in seen.items()
    }
    answered = {form: counting.share_ok(what.answers) for form, what in seen.items()}
    scaled = "" if count == PER else f", told per {PER:,}"
    return Findings(
        load=f"{count:,} questions in {for_s:g} s{scaled}; {different} of them differ",
        figures=(
            Figure("calls_per_1000", f"calls per {PER:,} questions", "", calls),
            Figure("usd_per_1000", f"USD per {PER:,} questions", "USD", usd),
            Figure("p50_ms", "median wait for an answer", "ms", p50),
            Figure("answered_percent", "answered", "%", answered),
        ),
        strip=Strip(
            "calls per second at the provider",
            "/s",
            {form: counting.rate_per_bin([call.start_s for call in what.calls], for_s) for form, what in seen.items()},
            for_s,
        ),
        checks=(
            Check(f"before pays for {calls['before']:.0f} of {PER:,}", calls["before"] >= 0.95 * PER),
            Check(f"after pays for {calls['after']:.0f}", calls["after"] <= 0.5 * calls["before"]),
            Check("after costs less than half", usd["after"] <= 0.5 * usd["before"]),
        ),
        doubts=doubts(seen),
    )
