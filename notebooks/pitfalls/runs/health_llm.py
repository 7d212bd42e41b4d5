"""Pitfall 7, a health check that calls the LLM: calls when nobody is there, and restarts when the provider is down.

First nobody asks anything; then the provider is down while people ask. A supervisor probes /health all the time, and
restarts what fails. Read `../watchdog.py` next: the supervisor.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from notebooks.pitfalls import counting
from notebooks.pitfalls.load import Clock, Due, moments, send_all
from notebooks.pitfalls.result import Check, Figure, Findings, Mark, Strip
from notebooks.pitfalls.rig import Side
from notebooks.pitfalls.simulator import Fault, Simulator
from notebooks.pitfalls.stage import Seen, Stage, doubts
from notebooks.pitfalls.watchdog import Watchdog

QUIET = 0.35
"""The share of the load's time in which nobody asks."""
QUESTIONS = 120
"""In the outage."""
TAKES_S = 0.05
STATUS = 503
HOUR_S = 3600
PERIOD_S = 10
"""Kubernetes' default `periodSeconds` of a probe, for which the calls of an hour are told."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen, and what the watchdog did: `quiet_probes` while nobody asked, restarts as (from, to)."""

    seen: Seen
    quiet_probes: int
    restarts: Sequence[tuple[float, float]]


class Run:
    """The run."""

    def variables(self, for_s: float) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def planned(self, for_s: float) -> Mapping[str, str]:
        """How often /health is asked."""
        return {"period": str(PERIOD_S)}

    async def __call__(self, stage: Stage, client: aiohttp.ClientSession) -> Findings:
        """Quiet, then an outage under load."""
        for_s = stage.for_s
        down_s = QUIET * for_s
        dues = [
            Due(at_s, "chat", "/chat", {"text": "Is anybody there?"})
            for at_s in moments(stage.seed, QUESTIONS, down_s, for_s)
        ]
        outage = Fault("anthropic", "status", down_s, for_s, STATUS)

        async def one(side: Side) -> Watched:
            simulator = Simulator(side.simulator_url, client)
            await simulator.takes(TAKES_S)
            await simulator.plan([outage], stage.seed)
            clock, began_t = Clock(), time.time()
            (app,) = side.apps
            dog = Watchdog(app, client, clock)
            watching = asyncio.create_task(dog.watch())
            try:
                answers = await send_all(client, clock, dues, lambda: dog.url, for_s + 1)
            finally:
                watching.cancel()
                await asyncio.wait([watching])
            seen = Seen(answers, await simulator.calls(began_t), for_s)
            return Watched(seen, sum(probe < down_s for probe in dog.probes), dog.restarts)

        stage.say(f"nobody asks for {down_s:.1f} s; then an outage, and {QUESTIONS} questions to each form …")
        return _findings(await stage.each(one), down_s, for_s)


def _findings(watched: Mapping[str, Watched], down_s: float, for_s: float) -> Findings:
    seen = {form: what.seen for form, what in watched.items()}
    probes = {form: what.quiet_probes for form, what in watched.items()}
    quiet = {form: sum(call.start_s < down_s for call in what.calls) for form, what in seen.items()}
    per_hour = {form: quiet[form] / max(probes[form], 1) * HOUR_S / PERIOD_S for form in watched}
    restarts = {form: float(len(what.restarts)) for form, what in watched.items()}
    answered = {form: counting.share_ok(what.answers) for form, what in seen.items()}
    billed = {form: sum(call.billed_usd for call in what.calls if call.start_s < down_s) for form, what in seen.items()}
    usd = {form: billed[form] / max(probes[form], 1) * HOUR_S / PERIOD_S * 24 * 30 for form in watched}
    marks = [Mark(f"provider: {STATUS}", down_s, for_s)]
    marks += [
        Mark("restart", begun, min(back, for_s), form)
        for form, what in watched.items()
        for begun, back in what.restarts
        if begun < for_s
    ]
    none_probed = tuple(f"{form}: /health was not probed once" for form, count in probes.items() if not count)
    return Findings(
        load=f"nobody for {down_s:.1f} s, then {QUESTIONS} questions while the provider answers "
        f"{STATUS}; a supervisor probes /health",
        figures=(
            Figure("calls_per_hour", "calls an hour at no users", "", per_hour),
            Figure("usd_per_month", "USD a month for them", "USD", usd),
            Figure("restarts", "restarts in the outage", "", restarts),
            Figure("answered_percent", "got an answer, of the outage's people", "%", answered),
        ),
        strip=Strip(
            "people who got an answer",
            "%",
            {form: counting.share_per_bin(what.answers, for_s) for form, what in seen.items()},
            for_s,
            tuple(marks),
            top=100.0,
        ),
        checks=(
            Check(f"before makes {quiet['before']} calls for {probes['before']} probes", quiet["before"] > 0),
            Check("after makes none", quiet["after"] == 0),
            Check(f"restarts of before: {restarts['before']:.0f}", restarts["before"] >= 1),
            Check("restarts of after: none", restarts["after"] == 0),
            Check("after answers more people", (answered["after"] or 0) > (answered["before"] or 0)),
        ),
        doubts=(*doubts(seen), *none_probed),
        notes=(
            f"The calls of an hour are the measured calls per probe times {HOUR_S // PERIOD_S} probes.",
            "An answer here is also the honest message that there is none just now.",
        ),
    )
