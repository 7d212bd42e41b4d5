"""Work of our own, outside of any request: each step of it is told and booked as a request is.

A step's record has the method WORK and an id of UUID version 8, made from the step and the delivery of its task, so
that the books know it from what clients asked. Its trace is its own and links to the request that it is done for,
which ended long ago. Next: ``tracks/work.py``.
"""

import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from .clock import Clock
from .errors import GauntletError
from .gateway.auth import Caller
from .gateway.context import Context, current

METHOD = "WORK"
NOBODY = Caller("", "")


class Steps:
    """Of one process. ``ended`` is told of every step, as of requests."""

    def __init__(self, ended: Callable[[Context], None], *, captures: bool, clock: Clock) -> None:
        self._ended = ended
        self._captures = captures
        self._clock = clock

    @asynccontextmanager
    async def begin(
        self, *, endpoint: str, step_id: str, number: int = 1, caller: Caller = NOBODY, link: str | None = None
    ) -> AsyncIterator[Context]:
        """One step, in its ``number``-th delivery; ``step_id`` names it for good, ``link`` the request it is for."""
        context = Context(
            request_id(step_id, number),
            f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01",
            None,
            self._clock.monotonic(),
            self._clock.time(),
            METHOD,
            caller,
            endpoint=endpoint,
            captures=self._captures,
            link=link,
            step=step_id,
        )
        token = current.set(context)
        try:
            yield context
        except GauntletError as error:
            context.error, context.status = error.code, error.status
            raise
        except Exception:
            context.error, context.status = GauntletError.code, GauntletError.status
            raise
        else:
            context.status = context.status or 200
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
