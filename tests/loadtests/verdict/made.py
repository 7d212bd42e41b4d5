"""Runs that are made up, the same each time: an outage of the primary under a steady load, and what a run without a
stage would look like. Reports and charts are tested on them."""

from __future__ import annotations

import random

from loadtests.books.client import Entry, Outcome
from loadtests.books.ledger import Call
from loadtests.scenario.model import Expectation, Fault, Mix, Phase, Scenario
from loadtests.verdict.evidence import Band, Change, Evidence, Generator, Window
from loadtests.verdict.judge import judge
from loadtests.verdict.told import Told

BEGAN = 1_760_000_000.0

EXPECTED = (
    Expectation(measure="success_share", at_least=0.99, why="an outage of one provider is not one of ours"),
    Expectation(measure="p95_ms", at_most=2_500, during=("outage",), why="people wait no longer than for a page"),
    Expectation(measure="p99_ms", at_most=600, during=("calm",), why="without faults answers come at once"),
    Expectation(
        measure="calls", at_most=100, during=("outage",), target="anthropic", why="nobody knocks at a dead door"
    ),
    Expectation(measure="back_after_s", at_most=40, target="anthropic", why="the primary is used again when it can be"),
)


def outage(*, rate_per_s: float = 40, calm_s: float = 60, outage_s: float = 120, after_s: float = 120) -> Scenario:
    """Calm, the primary dies, the primary is back."""
    dead = Fault(target="anthropic", fault="status", params={"status": 503})
    return Scenario(
        name="outage",
        title="The primary dies and comes back",
        about="The first provider answers every call with 503. The circuit opens, the second provider takes over.",
        short_s=30,
        mix=Mix(),
        phase=(
            Phase(name="calm", for_s=calm_s, rate_per_s=rate_per_s, say="All is well."),
            Phase(name="outage", for_s=outage_s, rate_per_s=rate_per_s, fault=(dead,), say="The primary is down."),
            Phase(name="after", for_s=after_s, rate_per_s=(rate_per_s, rate_per_s / 2), say="It is back."),
        ),
        expect=EXPECTED,
    )


def windows(scenario: Scenario) -> list[Window]:
    """The phases of a run that began at BEGAN and kept to its plan."""
    found, at = list[Window](), BEGAN
    for phase in scenario.phase:
        found.append(Window(phase.name, at, at + phase.for_s))
        at += phase.for_s
    return found


def evidence(scenario: Scenario, *, seed: int = 7, breaker: bool = True, ledger: bool = True) -> Evidence:
    """What such a run leaves behind; without a breaker every request tries the dead provider three times."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    phases = windows(scenario)
    fault = next(window for window in phases if window.name == "outage")
    trips, heals = fault.since + 1.5, fault.until + 12
    entries, calls = list[Entry](), list[Call]()

    def call(t: float, target: str, name: str, attempt: int, status: int | None, lasts_s: float) -> None:
        tokens = chance.randint(60, 400) if status == 200 else 0
        done = status == 200 and chance.random() > 0.01
        calls.append(
            Call(len(calls) + 1, t, target, name, attempt, "m", status, 40, tokens, tokens * 15_000, done, lasts_s)
        )

    for number, t in enumerate(_arrivals(scenario, phases, chance)):
        name = f"req-{number}"
        waits_s, answer_s = 0.004, chance.lognormvariate(-1.2, 0.3)
        source, outcome, status = "live", "answered", 200
        is_dead = fault.since <= t < fault.until
        is_open = breaker and trips <= t < heals
        if chance.random() < 0.35:
            source, answer_s = "cache", 0.003
        elif is_dead or is_open:
            probes = 1 if is_open and number % 200 == 0 else 0
            tries = probes if is_open else 3
            for attempt in range(tries):
                waits_s += 0.05 + (0.2 * 2**attempt * chance.random() if tries > 1 else 0)
                call(t + waits_s, "anthropic", name, attempt + 1, 503 if chance.random() > 0.05 else None, 0.05)
            lucky = chance.random()
            source = "provider" if lucky < 0.93 else "stale" if lucky < 0.96 else "message"
            if source == "provider":
                call(t + waits_s, "openai", name, 1, 200 if chance.random() > 0.03 else 429, answer_s)
            if source == "message":
                outcome, status = "failed", 503
            if not breaker and lucky > 0.6:
                outcome, status, source = "failed", 503, "message" if lucky > 0.8 else ""
        else:
            call(t + waits_s, "anthropic", name, 1, 200, answer_s)
        if chance.random() < 0.01:
            outcome, status, source = "refused", 429, ""
        streams = chance.random() < 0.4 and outcome == "answered"
        took_ms = (waits_s + answer_s) * 1000
        entries.append(_entry(name, t, took_ms, status, outcome, source, waits_s * 1000 + 80 if streams else None))
    changes = [Change(trips, "anthropic", "open")] if breaker else []
    for probe in range(int((heals - trips) / 30)):
        at = trips + 30 * (probe + 1)
        changes += [Change(at, "anthropic", "half_open"), Change(at + 1.5, "anthropic", "open")]
    changes = [*changes, Change(heals - 2, "anthropic", "half_open"), Change(heals, "anthropic", "closed")]
    return Evidence(
        began=phases[0].since,
        ended=phases[-1].until,
        phases=phases,
        entries=entries,
        calls=calls if ledger else (),
        bands=[Band("anthropic", "anthropic: status 503", fault.since, fault.until)],
        changes=changes if breaker else (),
        generator=Generator(sent=len(entries), late=3, latest_ms=312.0, busy=0.41),
        has_ledger=ledger,
    )


def _entry(
    name: str, t: float, took_ms: float, status: int, outcome: str, source: str, first_token_ms: float | None
) -> Entry:
    came: Outcome = "answered" if outcome == "answered" else "refused" if outcome == "refused" else "failed"
    is_degraded = source in ("provider", "stale")
    return Entry(
        request_id=name,
        t=t,
        duration_ms=took_ms,
        endpoint="/chat",
        status=status,
        outcome=came,
        stream=first_token_ms is not None,
        first_token_ms=first_token_ms,
        source=source or None,
        degraded=("primary_open",) if is_degraded else (),
        kind="faq",
        callers="acme",
    )


def _arrivals(scenario: Scenario, phases: list[Window], chance: random.Random) -> list[float]:
    found = list[float]()
    for phase, window in zip(scenario.phase, phases, strict=True):
        t = window.since
        while True:
            done = (t - window.since) / phase.for_s
            t += chance.expovariate(phase.rates[0] + (phase.rates[1] - phase.rates[0]) * done)
            if t >= window.until:
                break
            found.append(t)
    return found


def told(label: str = "all stages", scenario: Scenario | None = None, **how: bool) -> Told:
    """The whole run, judged."""
    scenario = scenario or outage()
    seen = evidence(scenario, **how)
    return Told(
        label=label,
        scenario=scenario,
        seed=7,
        evidence=seen,
        verdict=judge(scenario, seen, books="balanced" if seen.has_ledger else "not judged"),
        command="gauntlet load outage --seed 7",
        facts={"run": "20251009T085320-outage", "gauntlet": "0.1.0", "python": "3.11.7"},
    )


def nothing() -> Told:
    """A run that ended before it began."""
    scenario = outage()
    seen = Evidence(began=BEGAN, ended=BEGAN, phases=(), entries=())
    return Told("nothing", scenario, 7, seen, judge(scenario, seen, books="not judged"))
