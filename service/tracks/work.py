"""What a track asks of its own accord: one step is one question through the same stages as any request's.

Next: ``jobs.py``.
"""

from collections.abc import Callable

from ..gateway.auth import Caller
from ..gateway.context import Context
from ..own_work import Steps
from ..stages.ask import Ask
from ..stages.chain import Next
from ..stages.reply import Reply
from .queue import delivery

NO_ANSWER = 503


class Work:
    """Of one process."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def ask(
        self,
        *,
        endpoint: str,
        step_id: str,
        tenant: str,
        user: str,
        traceparent: str | None,
        make: Callable[[Context], Ask],
        chain: Next,
    ) -> Reply:
        """One step: what ``make`` makes, sent through ``chain``, and the whole reply.

        ``step_id`` names the step for good; ``traceparent`` the request it is done for. Raises what the chain raises.
        """
        number, caller = delivery.get(), Caller(tenant, user)
        begun = self._steps.begin(endpoint=endpoint, step_id=step_id, number=number, caller=caller, link=traceparent)
        async with begun as context:
            context.ask = make(context)
            reply = context.reply = await chain(context.ask)
            reply.end("whole")
            context.status = NO_ANSWER if reply.source == "message" else 200
            return reply
