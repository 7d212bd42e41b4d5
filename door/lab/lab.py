"""How a lab begins, lives over the cells of a notebook, and ends (DESIGN section 1). Read `wires.py` next.

A `with` block cannot span cells. So the block of the first cell hands the lab over: after `lab.keep()` leaving the
block ends nothing, and the lab lives until the kernel ends, the cell is run again, or `lab.end()`. However the kernel
ends, kill -9 included, no process of it is left: the kernel of the operating system ends the parts with their starter
(Linux).
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType

from door import plan
from door import workbench as benches
from door.errors import DoorError
from door.lab.breaking import Breaking
from door.workbench import Workbench

NOTHING: Mapping[str, object] = MappingProxyType({})
SEED = 7


class Lab(Breaking):
    """A whole stack in one hand; its methods are those of the classes it is made of."""

    def __init__(self, running: Workbench, seed: int, hand_over: Callable[[], ExitStack]) -> None:
        super().__init__(running, seed)
        self._hand_over = hand_over
        self._end: ExitStack | None = None
        self._note_latencies()
        self._begin()

    def keep(self) -> None:
        """Live on when the block is left. One lab is kept at a time: another that was kept before is ended."""
        global _kept
        if self._end is not None:
            return
        if _kept is not None:
            _kept.end()
        self._end = self._hand_over()
        atexit.register(self.end)
        _kept = self

    def end(self) -> None:
        """End every process of a lab that was kept, and delete its state. A second time nothing happens."""
        global _kept
        if self._end is None:
            raise DoorError("this lab is its block's; leaving the block ends it")
        self._end.close()
        atexit.unregister(self.end)
        _kept = None if _kept is self else _kept

    def __repr__(self) -> str:
        return f"<lab: service {self.urls['service']}, simulator {self.urls['simulator']}>"


_kept: Lab | None = None


@contextmanager
def workbench(
    *,
    settings: Mapping[str, object] = NOTHING,
    workers: int = plan.DEFAULT_WORKERS,
    dashboard: bool = False,
    seed: int = SEED,
) -> Iterator[Lab]:
    """The whole stack on free ports, in a home of its own; ended when the block is left, unless it is kept.

    `settings` are the service's, by their names in the README: `{"breaker.cooldown_s": 2}`. `seed` decides whom faults
    with a `share` meet. Raises PartFailed when a part does not start, with the reason that it told.
    """
    variables = {variable(name): str(value) for name, value in settings.items()}
    with ExitStack() as block:
        running = block.enter_context(
            benches.workbench(os.environ, dashboard=dashboard, workers=workers, service_env=variables)
        )
        yield Lab(running, seed, block.pop_all)


def variable(setting: str) -> str:
    """`breaker.cooldown_s` is GAUNTLET_BREAKER__COOLDOWN_S."""
    return "GAUNTLET_" + setting.upper().replace(".", "__")
