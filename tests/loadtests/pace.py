"""How fast this machine is now, for tests that put load on: the rates of the scenarios are for a machine of pace 1.

Machines with the same number of processors differ by more than three times, and what one of them bears is an overload
of another. So a slower one gets fewer runs at a time and less of what is meant to be too much; every bound stays.
"""

from __future__ import annotations

import subprocess
import sys

PROCESSORS = 2
WORK = """
import json, time
row = {"id": "0f3c", "values": list(range(40)), "words": {f"w{n}": n / 7 for n in range(40)}}
began = time.perf_counter()
for _ in range(20_000):
    json.loads(json.dumps(row))
print(time.perf_counter() - began)
"""
TAKES_S = 0.65
"""At pace 1: two processors of an idle server of 2024, each with its own share of the work."""


def measured() -> float:
    """1 for a machine of the usual pace, 0.5 for one that takes twice the time; some seconds."""
    together = [
        subprocess.Popen([sys.executable, "-c", WORK], stdout=subprocess.PIPE, text=True) for _ in range(PROCESSORS)
    ]
    return TAKES_S / max(float(process.communicate()[0]) for process in together)
