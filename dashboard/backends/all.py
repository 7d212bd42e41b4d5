"""The three together, one of each per process: pages of all sessions share their connections. Read `http.py` next."""

from dataclasses import dataclass
from functools import cache

from ..settings import Settings, current
from .collector import Collector
from .service import Service
from .simulator import Simulator


@dataclass(frozen=True, slots=True)
class Backends:
    """Collector, service and simulator."""

    collector: Collector
    service: Service
    simulator: Simulator


@cache
def backends_of(settings: Settings) -> Backends:
    """Those at the addresses of these settings."""
    return Backends(
        Collector("collector", settings.collector),
        Service("service", settings.service),
        Simulator("simulator", settings.simulator),
    )


def backends() -> Backends:
    """Those of this process."""
    return backends_of(current())
