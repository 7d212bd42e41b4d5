"""What the layer does of its own accord: vectors of passages that nobody waits for, as steps of own work.

So its calls and its cost are in the books, and nobody's loss. Next: ``corpus.py``.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..clock import Clock
from ..gateway.context import Context
from ..llm.routes import Route, Rung
from ..own_work import Steps
from ..settings import EMBEDDINGS
from ..stages.ask import Ask

ENDPOINT = "/corpus"


class OwnWork:
    """Makes the ``Ask`` of a piece of work."""

    def __init__(self, model: str, *, steps: Steps, clock: Clock) -> None:
        self._model = model
        self._steps = steps
        self._clock = clock

    @asynccontextmanager
    async def begin(self, within_s: float) -> AsyncIterator[Ask]:
        """A piece of work that may take ``within_s``."""
        async with self._steps.begin(endpoint=ENDPOINT, step_id=f"corpus/{uuid.uuid4()}") as context:
            context.ask = ask_of_work(context, self._model, within_s=within_s, clock=self._clock)
            yield context.ask


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
