"""Questions to backends that nobody waits long for: each is open until its answer, and one that hangs holds up none.

Whoever refreshes a page asks what is new, waits for less than a second, and hears the rest at a later refresh. Read
`rollup.py` next: what a second is.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from ..backends.http import Away, Backend, Refused

WAIT_S = 0.8
OVERDUE_S = 3.0
"""A refresh waits so long for an answer; who has not given one after the longer time is away, and not waited for."""


@dataclass(slots=True)
class _Question:
    """A question that runs in a thread; `asked_s` on the monotonic clock."""

    backend: Backend
    take: Callable[[Any], None]
    future: Future[Any]
    asked_s: float

    @property
    def is_overdue(self) -> bool:
        return time.monotonic() - self.asked_s > OVERDUE_S


class Questions:
    """Those that one feed asks, by name; not for several threads at once."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._open: dict[str, _Question] = {}
        """Name -> the question that is not answered yet."""
        self.amiss: dict[str, Away | Refused] = {}
        """Name -> why its last answer is none."""

    def ask(self, name: str, backend: Backend, question: Callable[[], Any], take: Callable[[Any], None]) -> None:
        """Ask, unless the last question of this name is still open; `take` gets the answer in `hear`."""
        if name not in self._open:
            self._open[name] = _Question(backend, take, self._threads.submit(question), time.monotonic())

    def hear(self, wait_s: float = WAIT_S) -> None:
        """Take what was answered in time; who is away or refused stays so until the next real answer."""
        wait([asked.future for asked in self._open.values() if not asked.is_overdue], wait_s)
        for name, asked in list(self._open.items()):
            if not asked.future.done():
                if asked.is_overdue:
                    self.amiss[name] = Away(asked.backend.name, asked.backend.url, "it takes too long")
                continue
            del self._open[name]
            self.amiss.pop(name, None)
            try:
                asked.take(asked.future.result())
            except (Away, Refused) as error:
                self.amiss[name] = error
            except Exception as error:  # noqa: BLE001 - whatever a lie led to: pages go on
                why = f"its answer is not what was expected: {error!r}"
                self.amiss[name] = Away(asked.backend.name, asked.backend.url, why)

    @property
    def away(self) -> tuple[Away, ...]:
        """Who does not answer."""
        return tuple(one for one in self.amiss.values() if isinstance(one, Away))

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Who will not."""
        return tuple(one for one in self.amiss.values() if isinstance(one, Refused))
