"""What a report says of a run in words: when, how the load was put on, what was broken. Read `report.py` next."""

from datetime import UTC, datetime

from loadtests.scenario.model import Fault, Phase
from loadtests.verdict.evidence import Evidence, Window
from loadtests.verdict.told import Told


def when(told: Told) -> str:
    """Scenario, seed, begin and length."""
    evidence = told.evidence
    began = datetime.fromtimestamp(evidence.began, UTC)
    named = f"Scenario {told.scenario.name}. " if told.scenario.name else ""
    return f"{named}Seed {told.seed}. Began {began:%Y-%m-%d %H:%M:%S} UTC, took {_lasting(evidence)}."


def _lasting(evidence: Evidence) -> str:
    lasts_s = evidence.ended - evidence.began
    return f"{lasts_s:,.0f} s" if lasts_s < 600 else f"{lasts_s / 60:,.1f} minutes"


def generator(evidence: Evidence) -> str:
    """How the load generator fared."""
    how = evidence.generator
    processes = "Its process" if how.processes == 1 else f"The busiest of its {how.processes} processes"
    late = f"{how.late:,} late, the latest by {how.latest_ms:,.0f} ms" if how.late else "none late"
    if how.latest_ms and not how.late:
        late += f" (the latest by {how.latest_ms:,.0f} ms)"
    return (
        f"The load generator sent {how.sent:,} requests and could not send {how.not_sent:,}; {late}. "
        f"{processes} used {how.busy:.0%} of a core."
    )


def books(told: Told) -> str:
    """What the books of the three parties say of each other."""
    if not told.evidence.has_ledger:
        return "Nobody simulated the providers here: what reached them is not known."
    if told.verdict is None:
        return ""
    said = f": {told.verdict.books_said}" if told.verdict.books_said else ""
    return f"The books of client, service and providers: {told.verdict.books}{said}."


def reading(evidence: Evidence) -> str:
    """How the charts are read, and what is not in them."""
    later = sum(call.t >= evidence.ended for call in evidence.calls)
    after = f" {later:,} calls that began after the end are not drawn." if later else ""
    return (
        "Time since the run's beginning. Orange bands: something was broken. Dotted verticals: a phase ends "
        f"and the next begins. Areas are stacked from the bottom in the order of their legends.{after}"
    )


def load(phase: Phase) -> str:
    """Such as `40 requests per second`, `from 10 to 100 users`."""
    said = []
    for (first, last), unit in ((phase.rates, "requests per second"), (phase.crowd, "users")):
        if first == last and first:
            said.append(f"{first:,g} {unit}")
        elif first != last:
            said.append(f"from {first:,g} to {last:,g} {unit}")
    if phase.at_once:
        said.append(f"{phase.at_once:,} at once")
    return ", ".join(said)


TOUCHES_S = 0.1
"""A fault ends with its phase, to the millisecond or so: what is shorter belongs to the neighbour."""


def broken(evidence: Evidence, window: Window, phase: Phase | None) -> str:
    """The faults that were active in a phase; what was planned where none was."""
    said = dict[str, list[str]]()
    for band in evidence.bands:
        since, until = max(band.since, window.since), min(band.until, window.until)
        if until - since > TOUCHES_S:
            is_all = until - since > 0.98 * (window.until - window.since)
            span = "" if is_all else f" ({since - evidence.began:,.0f} to {until - evidence.began:,.0f} s)"
            said.setdefault(band.label, []).append(span)
    if said:
        return "; ".join(
            label + (spans[0] if len(spans) == 1 else f" ({len(spans)} times)") for label, spans in said.items()
        )
    return "; ".join(f"planned, but not seen: {_fault(fault)}" for fault in phase.fault) if phase else ""


def _fault(fault: Fault) -> str:
    params = "".join(f" {value}" if name == fault.fault else f" {name} {value}" for name, value in fault.params.items())
    share = f", {fault.share:.0%} of the calls" if fault.share < 1 else ""
    return f"{fault.target}: {fault.fault}{params}{share}"
