"""The grader: it runs a learner's file against probes, and judges what it did by what reached the simulator.

An exercise (notebooks/exercises/NN_name) brings probes; each is an async function of a `World` that asks the learner's
code for something, breaks what it needs, and says what it saw. Read `probe.py` next.
"""

from .probe import probe
from .world import World

__all__ = ["World", "probe"]
