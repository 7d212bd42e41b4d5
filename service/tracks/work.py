"""Work of our own, outside of any request: each step of it is asked, told and booked as a request is.

A step's record has the method WORK and an id of UUID version 8, made from the step and the delivery of its task, so
that the books know it from what clients asked. Its trace is its own and links to the request that it is done for,
which ended long ago. Next: ``jobs.py``.
"""

import hashlib
import os
import uuid
from collections.abc import Callable

from ..clock import Clock
from ..errors import GauntletError
from ..gateway.auth import Caller
from ..gateway.context import Context, current
from ..stages.ask import Ask, Next, Reply
from .queue import delivery

METHOD = "WORK"
NO_ANSWER = 503


class Work:
    """Of one process. ``ended`` is told of every step, as of requests."""

    def __init__(self, ended: Callable[[Context], None], *, captures: bool, clock: Clock) -> None:
        self._ended = ended
        self._captures = captures
        self._clock = clock

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
        context = Context(
            request_id(step_id, delivery.get()),
            f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01",
            None,
            self._clock.monotonic(),
            self._clock.time(),
            METHOD,
            Caller(tenant, user),
            endpoint=endpoint,
            captures=self._captures,
            link=traceparent,
            step=step_id,
        )
        token = current.set(context)
        try:
            context.ask = make(context)
            reply = context.reply = await chain(context.ask)
            reply.end("whole")
        except GauntletError as error:
            context.error, context.status = error.code, error.status
            raise
        except Exception:
            context.error, context.status = GauntletError.code, GauntletError.status
            raise
        else:
            context.status = NO_ANSWER if reply.source == "message" else 200
            return reply
        finally:
            current.reset(token)
            context.ended_s = self._clock.monotonic()
            self._ended(context)


def request_id(step_id: str, number: int) -> str:
    """The id of a step in its ``number``-th delivery: UUID version 8 (RFC 9562, section 5.8)."""
    raw = bytearray(hashlib.sha256(f"{step_id}\0{number}".encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))
