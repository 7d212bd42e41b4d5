"""Drills: a hidden incident under load, a player who finds and mends it, and a score. Read `drill.py` next.

played = play(named(str(SCENARIO)), places, Options(seed=7), screen, seed=7)
"""

from loadtests.drill.debrief import debrief, document
from loadtests.drill.desk import Screen
from loadtests.drill.drill import SCENARIO, Played, play

__all__ = ["SCENARIO", "Played", "Screen", "debrief", "document", "play"]
