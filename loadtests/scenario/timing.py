"""A scenario made shorter or longer: every phase in proportion, none below its `at_least_s`. Read `arrivals.py` next.

What the service's own times need (a cool-down of 30 s) is not shortened with it: phases say so by `at_least_s`.
"""

from loadtests.scenario.model import Fault, Phase, Scenario


def lasting(scenario: Scenario, seconds: float) -> Scenario:
    """The scenario in about so many seconds: its faults keep their places within their phases."""
    factor = _factor(scenario.phase, seconds)
    return scenario.model_copy(update={"phase": tuple(_stretched(phase, factor) for phase in scenario.phase)})


def times(scenario: Scenario, factor: float) -> Scenario:
    """The scenario with so many times the arrivals or users."""
    return scenario.model_copy(update={"phase": tuple(_louder(phase, factor) for phase in scenario.phase)})


def _factor(phases: tuple[Phase, ...], seconds: float) -> float:
    """What to multiply by, so that with the lower bounds the sum is as asked, if that can be."""
    bounded: set[str] = set()
    while True:
        free = [phase for phase in phases if phase.name not in bounded]
        left_s = seconds - sum(phase.shortest_s for phase in phases if phase.name in bounded)
        if not free:
            return 0.0
        factor = max(left_s, 0.0) / sum(phase.for_s for phase in free)
        below = {phase.name for phase in free if phase.for_s * factor < phase.shortest_s}
        if not below:
            return factor
        bounded |= below


def _stretched(phase: Phase, factor: float) -> Phase:
    for_s = max(phase.for_s * factor, phase.shortest_s)
    scale = for_s / phase.for_s
    return phase.model_copy(update={"for_s": for_s, "fault": tuple(_moved(fault, scale) for fault in phase.fault)})


def _moved(fault: Fault, scale: float) -> Fault:
    for_s = None if fault.for_s is None else fault.for_s * scale
    return fault.model_copy(update={"at_s": fault.at_s * scale, "for_s": for_s})


def _louder(phase: Phase, factor: float) -> Phase:
    rate = None if phase.rate_per_s is None else tuple(rate * factor for rate in phase.rates)
    users = None if phase.users is None else tuple(max(round(count * factor), 1) for count in phase.crowd)
    return phase.model_copy(update={"rate_per_s": rate, "users": users, "at_once": round(phase.at_once * factor)})
