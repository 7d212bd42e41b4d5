"""One file per page, each with `show()`. Read `live.py` first."""

from . import checklist, cost, experiments, gauntlet, live, request

__all__ = ["checklist", "cost", "experiments", "gauntlet", "live", "request"]
