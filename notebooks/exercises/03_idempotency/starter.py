"""Exercise 3: a payment endpoint that charges once.

`gauntlet learn check 3` judges this file by the money that moves at the payments provider. Change what you like, but
keep the names and parameters of what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import redis.asyncio as redis


class PaymentError(Exception):
    """A charge brought no document: the payments provider answered a status other than 200, or not at all (None)."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class Charge(Protocol):
    """One call to the payments provider, which moves money once per `key` (and at each call without one).

    It answers the charge's document. Raises PaymentError, with 402 when the card is declined for good.
    """

    async def __call__(self, amount: int, currency: str, key: str | None = None) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Response:
    """What a caller gets; `replayed` when it is the answer of an earlier request."""

    status: int
    body: dict[str, Any]
    replayed: bool = False


class Endpoint:
    """POST /payments of one replica. All replicas share `store`, a Valkey (decode_responses is on: str comes back)."""

    def __init__(self, store: redis.Redis, charge: Charge, *, lease_s: float = 30.0) -> None:
        """`lease_s`: how long a request that never ends may keep others from going on; may be a part of a second."""
        self._store, self._charge = store, charge

    async def pay(self, caller: str, key: str | None, body: Mapping[str, Any]) -> Response:
        """Charge `body["amount"]` in `body["currency"]`. `key` is the Idempotency-Key header, None without it."""
        charged = await self._charge(body["amount"], body["currency"])
        return Response(200, charged)
