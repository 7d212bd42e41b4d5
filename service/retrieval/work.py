"""What the layer does of its own accord: vectors of passages that nobody waits for.

Each piece of such work has a record in the service's book as a request has one (method ``WORK``), so that its calls
and its cost are nobody's loss. Its id is a UUID of version 8, which no client sends. Next: ``corpus.py``.
"""

import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..clock import Clock
from ..errors import GauntletError
from ..gateway.context import Context
from ..llm.routes import Route, Rung
from ..settings import EMBEDDINGS
from ..stages.ask import Ask

METHOD, ENDPOINT = "WORK", "/corpus"
_VERSION, _VARIANT = 8, 0b10


class OwnWork:
    """Makes the ``Ask`` of a piece of work; ``ended`` is told of it (telemetry)."""

    def __init__(self, model: str, *, ended: Callable[[Context], None], clock: Clock) -> None:
        self._model = model
        self._ended = ended
        self._clock = clock

    @asynccontextmanager
    async def begin(self, within_s: float) -> AsyncIterator[Ask]:
        """A piece of work that may take ``within_s``."""
        clock = self._clock
        span = os.urandom(8).hex()
        context = Context(
            _id(),
            f"00-{os.urandom(16).hex()}-{span}-01",
            None,
            clock.monotonic(),
            clock.time(),
            METHOD,
            endpoint=ENDPOINT,
        )
        context.ask = ask_of_work(context, self._model, within_s=within_s, clock=clock)
        try:
            yield context.ask
            context.status = 200
        except GauntletError as error:
            context.status, context.error = error.status, error.code
            raise
        finally:
            context.ended_s = clock.monotonic()
            self._ended(context)


def ask_of_work(context: Context, model: str, *, within_s: float, clock: Clock) -> Ask:
    """A question to the embeddings API alone, for a request or for a piece of own work."""
    now = clock.monotonic()
    return Ask(
        request_id=context.request_id,
        tenant=context.caller.tenant,
        user=context.caller.user,
        route=Route(EMBEDDINGS, (Rung(EMBEDDINGS, model),), "error", within_s, 1),
        messages=(),
        clock=clock,
        started_s=context.started_s,
        deadline_s=now + within_s,
        traceparent=context.traceparent,
    )


def _id() -> str:
    number = int.from_bytes(os.urandom(16), "big")
    number = number & ~(0xF << 76) | (_VERSION << 76)
    number = number & ~(0b11 << 62) | (_VARIANT << 62)
    return str(uuid.UUID(int=number))
