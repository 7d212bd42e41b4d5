"""Pitfall 1, everything is synchronous: answers per second of one worker, and what /health feels of it.

More people ask at once than FastAPI has threads (40, AnyIO's default). Read `no_cache.py` next.
"""

from collections.abc import Mapping

import aiohttp

from notebooks.pitfalls import counting
from notebooks.pitfalls.load import Due, moments
from notebooks.pitfalls.result import Check, Figure, Findings, Strip
from notebooks.pitfalls.stage import Seen, Stage, doubts, under_load

AT_ONCE = 70
"""So many would be waiting for the provider if nothing held them back."""
THREADS = 40
LONGEST_ANSWER_S = 2.0
PROBE_S = 0.25
CHAT, HEALTH = "chat", "health"


class Run:
    """The run."""

    def variables(self, for_s: float) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def planned(self, for_s: float) -> Mapping[str, str]:
        """The arrivals and what an answer takes."""
        takes_s = _takes_s(for_s)
        return {"rate": f"{AT_ONCE / takes_s:.0f}", "takes": f"{takes_s:g}", "threads": str(THREADS)}

    async def __call__(self, stage: Stage, client: aiohttp.ClientSession) -> Findings:
        """Questions at a steady rate, and a look at /health four times a second."""
        takes_s = _takes_s(stage.for_s)
        until_s = stage.for_s + takes_s
        count = round(AT_ONCE / takes_s * stage.for_s)
        asked = [
            Due(at_s, CHAT, "/chat", {"text": "Why do retries need jitter?"})
            for at_s in moments(stage.seed, count, 0, stage.for_s)
        ]
        # From when questions are under way: an idle worker is always healthy.
        probes = [Due(number * PROBE_S, HEALTH, "/health") for number in range(1, int(stage.for_s / PROBE_S))]
        seen = await under_load(stage, client, [*asked, *probes], latency_s=takes_s, until_s=until_s)
        return _findings(seen, count, takes_s, stage.for_s, until_s)


def _takes_s(for_s: float) -> float:
    return min(LONGEST_ANSWER_S, for_s / 2)


def _findings(seen: Mapping[str, Seen], count: int, takes_s: float, for_s: float, until_s: float) -> Findings:
    per_s, p50, health, open_at_once = {}, {}, {}, {}
    waiting: dict[str, set[str]] = {CHAT: set(), HEALTH: set()}
    for form, what in seen.items():
        spans = counting.open_spans(what.calls, until_s)
        # None can come before `takes_s`, so they come in `for_s` seconds from then on.
        per_s[form] = sum(answer.ok for answer in what.of(CHAT)) / for_s
        p50[form] = counting.quantile([answer.waited_s * 1000 for answer in what.of(CHAT)], 0.5)
        health[form] = counting.quantile([answer.waited_s * 1000 for answer in what.of(HEALTH)], 0.5)
        open_at_once[form] = float(counting.at_once(spans))
        for kind, forms in waiting.items():
            if 2 * sum(answer.ok for answer in what.of(kind)) < len(what.of(kind)):
                forms.add(form)
    slow, right = health["blocking"], health["after"]
    return Findings(
        load=f"{count} questions in {for_s:g} s; an answer takes {takes_s:g} s",
        figures=(
            Figure("answers_per_s", "answers per second", "", per_s),
            Figure("chat_p50_ms", "median wait for an answer", "ms", p50, frozenset(waiting[CHAT])),
            Figure("health_p50_ms", "median wait for /health", "ms", health, frozenset(waiting[HEALTH])),
            Figure("at_once", "calls at once at the provider", "", open_at_once),
        ),
        strip=Strip(
            "calls at once at the provider",
            "",
            {
                form: counting.open_per_bin(counting.open_spans(what.calls, until_s), until_s)
                for form, what in seen.items()
            },
            until_s,
        ),
        checks=(
            Check(f"blocking has {open_at_once['blocking']:.0f} call at once", open_at_once["blocking"] == 1),
            Check(
                f"before has {open_at_once['before']:.0f}, for it has {THREADS} threads",
                open_at_once["before"] <= THREADS,
            ),
            Check(f"after has {open_at_once['after']:.0f}", open_at_once["after"] > THREADS),
            Check("after answers ten times as many as blocking", per_s["after"] >= 10 * per_s["blocking"]),
            Check(
                "/health waits ten times as long in blocking",
                slow is not None and right is not None and slow >= 10 * right,
            ),
        ),
        doubts=doubts(seen),
    )
