"""One run of load from its beginning to its verdict. Read `conductor.py` next.

finished = conduct(scenario, places, Options(seed=7), Hooks(progress=print))
"""

from loadtests.conduct.conductor import BrokenOff, Hooks, conduct
from loadtests.conduct.places import Places, Refused
from loadtests.conduct.session import Finished, Options

__all__ = ["BrokenOff", "Finished", "Hooks", "Options", "Places", "Refused", "conduct"]
