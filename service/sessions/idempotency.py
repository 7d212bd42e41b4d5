"""Idempotency: a side effect happens once, however often and from wherever it is asked for.

400 without a key, 409 while the first is in flight, 422 for the same key with another body, else the stored response
again (IETF draft of the Idempotency-Key header, and Stripe's practice): per caller, 24 hours. 2xx and final declines
are stored; an ambiguous failure frees the key but keeps its body's fingerprint. The claim has an owner and a lease, so
a worker killed between charge and record blocks nobody; the key sent downstream depends on caller and key only, so
whoever goes on charges once. Chapter, section 5. Next: ``../tracks/refund.py``.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..clock import Clock
from ..errors import BadRequest, Conflict, GauntletError, Unprocessable
from ..settings import SessionSettings
from ..store.guard import Store
from ..store.script import Script

MOST_CHARACTERS = 255


@dataclass(slots=True, frozen=True)
class Outcome:
    """What is stored: status and body, byte for byte; ``replayed`` when it comes from the store."""

    status: int
    body: bytes
    replayed: bool = False


class Idempotency:
    """The records of all callers."""

    def __init__(self, settings: SessionSettings, *, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._script = Script(store, __package__, "idempotency")

    async def once(
        self, tenant: str, user: str, key: str | None, body: bytes, effect: Callable[[str], Awaitable[Outcome]]
    ) -> Outcome:
        """Run ``effect`` with the downstream key, or replay what it brought before.

        ``effect`` raises for an ambiguous failure, which frees the key. Raises BadRequest, Conflict, Unprocessable and
        StoreUnavailable (then the effect was not begun).
        """
        if not key:
            raise BadRequest(
                "the Idempotency-Key header is missing; send one you keep for this operation, such as a UUID"
            )
        if len(key) > MOST_CHARACTERS or not key.isprintable():
            raise BadRequest(f"the Idempotency-Key must be at most {MOST_CHARACTERS} printable characters")
        name = hashlib.sha256(f"{tenant}\0{user}\0{key}".encode()).hexdigest()
        owner, fingerprint = uuid.uuid4().hex, hashlib.sha256(body).hexdigest()
        verdict, status, stored, left_ms = await self._do("begin", name, owner, fingerprint)
        if verdict == b"other_body":
            raise Unprocessable("this Idempotency-Key was used with another body; use a new key for a new operation")
        if verdict == b"busy":
            raise Conflict(
                "a request with this Idempotency-Key is in flight; wait, then send it again to get its response",
                retry_after_s=max(int(left_ms) / 1000, 0.1),
            )
        if verdict == b"replay":
            return Outcome(int(status), stored, replayed=True)
        renewing = asyncio.create_task(self._keep(name, owner, fingerprint))
        try:
            outcome = await effect(name)
        except BaseException as error:
            if isinstance(error, GauntletError):
                await self._try("free", name, owner, fingerprint)
            raise
        finally:
            renewing.cancel()
        # Not stored is no loss: the claim's lease runs out, and the downstream key replays the effect.
        await self._try("finish", name, owner, fingerprint, str(outcome.status), outcome.body)
        return outcome

    async def _keep(self, name: str, owner: str, fingerprint: str) -> None:
        while True:
            await self._clock.sleep(self._settings.idempotency_lease_s / 3)
            await self._try("renew", name, owner, fingerprint)

    async def _try(self, op: str, name: str, owner: str, fingerprint: str, *rest: str | bytes) -> None:
        await asyncio.gather(self._do(op, name, owner, fingerprint, *rest), return_exceptions=True)

    async def _do(self, op: str, name: str, owner: str, fingerprint: str, *rest: str | bytes) -> list[bytes]:
        lease_ms = round(self._settings.idempotency_lease_s * 1000)
        ttl_ms = round(self._settings.idempotency_ttl_s * 1000)
        answer: list[bytes] = await self._script(
            (f"idempotency:{{{name}}}",), op, owner, fingerprint, lease_ms, ttl_ms, *rest
        )
        return answer
