"""What a load scenario is: phases of load with faults, what is asked by whom, and what is expected (DESIGN section 5).

Scenarios are files in `loadtests/scenarios`. Read `model.py` next: what stands in one.
"""

from loadtests.scenario.arrivals import Arrival, Arrivals
from loadtests.scenario.files import ScenarioError, named, names
from loadtests.scenario.model import Expectation, Fault, Phase, Scenario
from loadtests.scenario.people import Caller

__all__ = [
    "Arrival",
    "Arrivals",
    "Caller",
    "Expectation",
    "Fault",
    "Phase",
    "Scenario",
    "ScenarioError",
    "named",
    "names",
]
