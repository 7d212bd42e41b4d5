"""Pitfall 4, a single provider: who is answered while it is down. Read `memory_session.py` next."""

from collections.abc import Mapping

import aiohttp

from notebooks.pitfalls import counting
from notebooks.pitfalls.load import Due, moments
from notebooks.pitfalls.result import Check, Figure, Findings, Mark, Strip
from notebooks.pitfalls.simulator import Fault
from notebooks.pitfalls.stage import Seen, Stage, doubts, under_load

QUESTIONS = 240
TAKES_S = 0.1
PATIENCE_S = 10.0
"""After the last question; a bound that only a very busy machine meets."""
DOWN_FROM, DOWN_TO = 0.25, 0.75
"""Shares of the load's time."""
STATUS = 529


class Run:
    """The run."""

    def variables(self, for_s: float) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def planned(self, for_s: float) -> Mapping[str, str]:
        """Nothing."""
        return {}

    async def __call__(self, stage: Stage, client: aiohttp.ClientSession) -> Findings:
        """Anthropic is overloaded in the middle half."""
        for_s = stage.for_s
        down_s, up_s, until_s = DOWN_FROM * for_s, DOWN_TO * for_s, for_s + PATIENCE_S
        dues = [
            Due(at_s, "chat", "/chat", {"text": "What is a fallback?"})
            for at_s in moments(stage.seed, QUESTIONS, 0, for_s)
        ]
        outage = Fault("anthropic", "status", down_s, up_s - down_s, STATUS)
        seen = await under_load(stage, client, dues, latency_s=TAKES_S, until_s=until_s, faults=[outage])
        return _findings(seen, (down_s, up_s), for_s)


def _findings(seen: Mapping[str, Seen], outage: tuple[float, float], for_s: float) -> Findings:
    down_s, up_s = outage
    hit = {form: counting.due_between(what.answers, down_s, up_s) for form, what in seen.items()}
    in_outage = {form: counting.share_ok(answers) for form, answers in hit.items()}
    overall = {form: counting.share_ok(what.answers) for form, what in seen.items()}
    elsewhere = {form: float(sum(call.target != "anthropic" for call in what.calls)) for form, what in seen.items()}
    before, after = in_outage["before"] or 0.0, in_outage["after"] or 0.0
    return Findings(
        load=f"{QUESTIONS} questions in {for_s:g} s; Anthropic answers {STATUS} from {down_s:.1f} s to {up_s:.1f} s",
        figures=(
            Figure("availability_percent", "answered, of the outage's questions", "%", in_outage),
            Figure("overall_percent", "answered, of all questions", "%", overall),
            Figure("elsewhere", "calls to the second provider", "", elsewhere),
        ),
        strip=Strip(
            "answered",
            "%",
            {form: counting.share_per_bin(what.answers, for_s) for form, what in seen.items()},
            for_s,
            (Mark(f"Anthropic: {STATUS}", down_s, up_s),),
            top=100.0,
        ),
        checks=(
            Check(f"before answers {before:.0f} % of the outage's questions", before <= 50),
            Check(f"after answers {after:.0f} %", after >= 95),
            Check(
                "after does so by calls to the second provider (ledger)",
                elsewhere["after"] > 0 and elsewhere["before"] == 0,
            ),
        ),
        doubts=doubts(seen),
    )
