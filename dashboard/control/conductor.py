"""The scenario of this process: at most one at a time, the same for all who look. Read `scenarios.py` next.

It ends with the process. A dashboard that is killed leaves a child whose output nobody reads: that one ends by itself
at its next line.
"""

import atexit
import threading
import time
from collections.abc import Callable
from functools import cache

from ..settings import current
from . import command
from .child import Child, Patience
from .command import Scenario

END_WITHIN_S = 8.0
"""The supervisor waits longer than that for the dashboard."""

HEARD_WITHIN_S = 3.0
"""Progress comes each second: after this time it has the scale that was asked for, or will not have it."""

STARTING = threading.Lock()
"""Who starts load holds it and looks whether other load runs: two at once would measure each other."""


class CannotStart(Exception):
    """Nothing was started; the words, Markdown, say why."""


class Conductor:
    """Starts, scales and stops; what it last started is there until the next start. For any thread."""

    def __init__(self, patience: Patience | None = None) -> None:
        self.patience = patience
        self.scenario: Scenario | None = None
        self.child: Child | None = None
        self._scale = 1.0
        self._scaled_s = -HEARD_WITHIN_S

    @property
    def runs(self) -> bool:
        """Whether a scenario runs."""
        return self.child is not None and self.child.runs

    @property
    def title(self) -> str:
        """Of what was last started."""
        return self.scenario.title if self.scenario else ""

    def start(self, scenario: Scenario, *, is_short: bool, unless: Callable[[], bool] = lambda: False) -> None:
        """Start it, unless one runs or other load does. Raises CannotStart."""
        settings = current()
        if why := command.why_not(settings):
            raise CannotStart(why)
        with STARTING:
            if self.runs or unless():
                return
            words = command.run_words(scenario.name, scenario.short_s if is_short else None, settings)
            try:
                child = Child(command.command(*words), command.environment(settings), command.ROOT, self.patience)
            except OSError as error:
                raise CannotStart(f"`gauntlet load` cannot be started ({error.strerror})") from error
            self.scenario, self.child, self._scaled_s = scenario, child, -HEARD_WITHIN_S

    def scale(self, factor: float) -> None:
        """Send so many times the planned rate."""
        if self.child is not None:
            self._scale, self._scaled_s = factor, time.monotonic()
            self.child.scale(factor)

    def scale_for(self, told: float) -> float:
        """The scale to show: what it tells, or what it was just asked for and cannot have told yet."""
        return self._scale if time.monotonic() < self._scaled_s + HEARD_WITHIN_S else told

    def end(self) -> None:
        """End what runs: the process ends."""
        if self.child is not None and self.child.runs:
            self.child.end(END_WITHIN_S)


@cache
def conductor() -> Conductor:
    """The one of this process."""
    conductor = Conductor()
    atexit.register(conductor.end)
    return conductor
