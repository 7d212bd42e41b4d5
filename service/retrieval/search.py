"""One search of the index for a request: within its time, and behind a circuit where a server holds the index.

In the worker's own memory there is nothing that a circuit could spare. Next: ``index.py``.
"""

from ..clock import Clock
from ..errors import ProviderError, TimedOut, Unavailable
from ..settings import INDEX
from ..stages.ask import Ask
from ..stages.chain import Stage, compose
from ..stages.reply import Reply
from .embeddings import Vector
from .index import Hit, Index, Mode
from .upstream import within

MODEL = "qdrant"


class Search:
    """Searches of one worker. ``fair_s``: a server that had less time than this is not judged by a time-out."""

    def __init__(self, index: Index, *, breaker: Stage, fair_s: float, clock: Clock) -> None:
        self._index = index
        self._breaker = breaker
        self._fair_s = fair_s
        self._clock = clock

    async def of(
        self, ask: Ask, text: str, vector: Vector | None, mode: Mode, limit: int, until_s: float
    ) -> tuple[list[Hit], Mode]:
        """As ``Index.search``, by ``until_s``. Raises ProviderError."""
        found: list[tuple[list[Hit], Mode]] = []

        async def call(_: Ask) -> Reply:
            began_s = self._clock.monotonic()
            try:
                async with self._clock.timeout_at(until_s):
                    found.append(await self._index.search(text, vector, mode, limit))
            except TimeoutError:
                late = TimedOut("the index gave no answer in time", provider=INDEX, phase="total")
                late.counts = until_s - began_s >= self._fair_s
                raise late from None
            except Exception as error:  # a server's library raises many kinds, and none may reach the caller
                raise Unavailable(
                    f"the index failed: {type(error).__name__}: {error!s:.200}", provider=INDEX
                ) from error
            return Reply(source="live", provider=INDEX, model=MODEL, text="")

        asked = within(ask, INDEX, MODEL, until_s)
        try:
            reply = await (compose([self._breaker], call) if self._index.on_server else call)(asked)
        except ProviderError as error:
            ask.report("index", error.code)
            raise
        reply.end("whole")
        return found[0]
