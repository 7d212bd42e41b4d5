"""Pitfall 6, no timeout: how many wait when the provider hangs, and how many still do when it is well again.

Read `health_llm.py` next.
"""

from collections.abc import Mapping

import aiohttp

from notebooks.pitfalls import counting
from notebooks.pitfalls.load import Due, moments
from notebooks.pitfalls.result import Check, Figure, Findings, Mark, Strip
from notebooks.pitfalls.simulator import Fault
from notebooks.pitfalls.stage import Seen, Stage, doubts, under_load

QUESTIONS = 200
TAKES_S = 0.1
HANGS_FROM, HANGS_TO = 0.2, 0.8
"""Shares of the load's time."""
TIMEOUT = 0.1
"""Of the load's time: 1 s of 10."""
SDK_DEFAULT_S = 600


class Run:
    """The run."""

    def variables(self, for_s: float) -> Mapping[str, str]:
        """The bound of the form that has one."""
        return {"TIMEOUT_S": f"{TIMEOUT * for_s:g}"}

    def planned(self, for_s: float) -> Mapping[str, str]:
        """The rate and the hang."""
        return {"rate": f"{QUESTIONS / for_s:.0f}", "hang": f"{(HANGS_TO - HANGS_FROM) * for_s:g}"}

    async def __call__(self, stage: Stage, client: aiohttp.ClientSession) -> Findings:
        """A steady load; for six tenths of it the provider takes calls and says nothing."""
        for_s = stage.for_s
        silent_s, well_s, until_s = HANGS_FROM * for_s, HANGS_TO * for_s, for_s + 1
        dues = [
            Due(at_s, "chat", "/chat", {"text": "Why does a call need a timeout?"})
            for at_s in moments(stage.seed, QUESTIONS, 0, for_s)
        ]
        hang = Fault("anthropic", "hang", silent_s, well_s - silent_s)
        seen = await under_load(stage, client, dues, latency_s=TAKES_S, until_s=until_s, faults=[hang])
        return _findings(seen, (silent_s, well_s), for_s, until_s)


def _findings(seen: Mapping[str, Seen], hang: tuple[float, float], for_s: float, until_s: float) -> Findings:
    silent_s, well_s = hang
    spans = {form: counting.open_spans(what.calls, until_s) for form, what in seen.items()}
    in_flight = {form: float(counting.at_once(found)) for form, found in spans.items()}
    p99 = {
        form: counting.quantile([answer.waited_s * 1000 for answer in what.answers], 0.99)
        for form, what in seen.items()
    }
    waiting = {
        form: float(sum(answer.status is None and not answer.lost for answer in what.answers))
        for form, what in seen.items()
    }
    cut_off = frozenset(form for form, count in waiting.items() if count > 0.01 * QUESTIONS)
    return Findings(
        load=f"{QUESTIONS} questions in {for_s:g} s; from {silent_s:.1f} s to {well_s:.1f} s the provider takes calls "
        f"and says nothing",
        figures=(
            Figure("in_flight", "most calls in flight", "", in_flight),
            Figure("p99_ms", "p99 of the wait", "ms", p99, cut_off),
            Figure("still_waiting", f"still waiting {until_s - well_s:.1f} s after it", "", waiting),
        ),
        strip=Strip(
            "calls in flight",
            "",
            {form: counting.open_per_bin(found, until_s) for form, found in spans.items()},
            until_s,
            (Mark("hang", silent_s, well_s),),
        ),
        checks=(
            Check(f"before has {in_flight['before']:.0f} calls in flight", in_flight["before"] >= 0.5 * QUESTIONS),
            Check(f"after has {in_flight['after']:.0f}", in_flight["after"] <= 0.5 * in_flight["before"]),
            Check(f"{waiting['before']:.0f} of before still wait when it is over", waiting["before"] >= 1),
            Check("none of after does", waiting["after"] == 0),
        ),
        doubts=doubts(seen),
        notes=(f"Nobody was let wait longer than this run; the SDK's own bound is {SDK_DEFAULT_S} s, three times.",),
    )
