"""Pitfall 3, blind retries: calls per question in an outage, the wave after it, and calls for a request that is wrong.

Both retry; the difference is what, how often, when, and with what bound. Read `single_provider.py` next.
"""

from collections.abc import Mapping

import aiohttp

from notebooks.pitfalls import counting
from notebooks.pitfalls.load import Due, moments
from notebooks.pitfalls.result import Check, Figure, Findings, Mark, Strip
from notebooks.pitfalls.simulator import Fault
from notebooks.pitfalls.stage import Seen, Stage, doubts, under_load

RATE_PER_S = 20
TAKES_S = 0.1
DOWN_FROM, DOWN_TO = 0.125, 0.625
"""Shares of the load's time."""
STATUS = 503
MODEL = "claude-opus-4-7"
"""Its outage: what is wrong is asked of another, which is well and refuses it, so that the two are told apart."""
WRONG = 4
WRONG_BODY = {"text": "Say nothing.", "max_tokens": 0, "model": "claude-haiku-5-5"}
SAVED = (
    "Retrying long enough does save the questions of a short outage. Bounded retries give up sooner: what then saves "
    "the question is somewhere else to go, which is pitfall 4."
)
CHAT, BAD = "chat", "bad"
WAVE_S = 1.0
"""The wave after recovery is told for the fullest second."""


class Run:
    """The run."""

    def variables(self, for_s: float) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def planned(self, for_s: float) -> Mapping[str, str]:
        """How long the provider is down."""
        return {"down": f"{(DOWN_TO - DOWN_FROM) * for_s:.1f}"}

    async def __call__(self, stage: Stage, client: aiohttp.ClientSession) -> Findings:
        """An outage in the middle of a steady load, and four requests that no provider would take."""
        for_s = stage.for_s
        down_s, up_s, until_s = DOWN_FROM * for_s, DOWN_TO * for_s, for_s + 1
        count = round(RATE_PER_S * for_s)
        dues = [
            Due(at_s, CHAT, "/chat", {"text": "What is a retry budget?"})
            for at_s in moments(stage.seed, count, 0, for_s)
        ]
        dues += [Due(0.0, BAD, "/chat", WRONG_BODY) for _ in range(WRONG)]
        outage = Fault("anthropic", "status", down_s, up_s - down_s, STATUS, MODEL)
        seen = await under_load(stage, client, dues, latency_s=TAKES_S, until_s=until_s, faults=[outage])
        return _findings(seen, count, (down_s, up_s), for_s, until_s)


def amplification(seen: Seen, down_s: float, up_s: float) -> float:
    """Calls per question of the outage: all but one for each of the other questions, which need no second one."""
    chats = seen.of(CHAT)
    hit = counting.due_between(chats, down_s, up_s)
    calls = [call for call in seen.calls if call.status != 400]
    return (len(calls) - (len(chats) - len(hit))) / len(hit)


def fullest(moments_s: list[float], from_s: float, to_s: float) -> float:
    """The most calls that began within WAVE_S, of those between the two moments."""
    within = [moment for moment in moments_s if from_s <= moment < to_s]
    return float(counting.at_once([(moment, moment + WAVE_S) for moment in within]))


def _findings(
    seen: Mapping[str, Seen], count: int, outage: tuple[float, float], for_s: float, until_s: float
) -> Findings:
    down_s, up_s = outage
    starts = {form: [call.start_s for call in what.calls] for form, what in seen.items()}
    calls = {form: amplification(what, down_s, up_s) for form, what in seen.items()}
    wave = {form: fullest(moments_s, up_s, until_s) for form, moments_s in starts.items()}
    wrong = {form: sum(call.status == 400 for call in what.calls) / WRONG for form, what in seen.items()}
    hit = {form: counting.due_between(what.of(CHAT), down_s, up_s) for form, what in seen.items()}
    waits = {
        form: counting.quantile([answer.waited_s * 1000 for answer in answers], 0.5) for form, answers in hit.items()
    }
    answered = {form: counting.share_ok(answers) for form, answers in hit.items()}
    return Findings(
        load=f"{count} questions in {for_s:g} s; the provider answers {STATUS} from {down_s:.1f} s to {up_s:.1f} s",
        figures=(
            Figure("calls_per_question", "calls per question of the outage", "", calls),
            Figure("wave_per_s", "most calls in a second after it", "", wave),
            Figure("calls_per_400", "calls per wrong request (400)", "", wrong),
            Figure("wait_p50_ms", "median wait in the outage", "ms", waits),
            Figure("answered_percent", "answered, of the outage's questions", "%", answered),
        ),
        strip=Strip(
            "calls per second at the provider",
            "/s",
            {form: counting.rate_per_bin(moments_s, until_s) for form, moments_s in starts.items()},
            until_s,
            (Mark(f"{STATUS}", down_s, up_s),),
        ),
        checks=(
            Check(f"before makes {calls['before']:.1f} calls per question of the outage", calls["before"] >= 2),
            Check(f"after makes {calls['after']:.1f}", calls["after"] <= 1.6),
            Check(f"before tries a wrong request {wrong['before']:.0f} times, after once", _tells(wrong)),
        ),
        doubts=doubts(seen),
        notes=(
            "An outage that lasts longer brings before to 12: four attempts, each of three calls of the SDK.",
            SAVED,
        ),
    )


def _tells(wrong: Mapping[str, float]) -> bool:
    return wrong["before"] >= 2 and wrong["after"] == 1
