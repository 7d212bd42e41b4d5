"""The load generator: Locust, driven by a scenario's arrivals. Read `locustfile.py` next.

It is a process of its own, or several (Locust's master and workers); files in the run's folder tell it what to do and
what it did: `job.json`, `control.json`, `client.jsonl`, `beats.jsonl`.
"""

from pathlib import Path


def locustfile_path() -> Path:
    """What to give to `locust -f`."""
    return Path(__file__).with_name("locustfile.py")
