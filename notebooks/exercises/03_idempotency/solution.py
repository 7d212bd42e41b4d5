"""One way to do exercise 3: a claim that one request wins and loses by itself, and a record that outlives it."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import redis.asyncio as redis

DAY_S = 24 * 3600
FREE = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"
"""Only whoever still holds the claim may drop it; compared and deleted in one step."""


class PaymentError(Exception):
    """A charge brought no document: the payments provider answered a status other than 200, or not at all (None)."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class Charge(Protocol):
    """One call to the payments provider, which moves money once per `key`."""

    async def __call__(self, amount: int, currency: str, key: str | None = None) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Response:
    """What a caller gets; `replayed` when it is the answer of an earlier request."""

    status: int
    body: dict[str, Any]
    replayed: bool = False


class Endpoint:
    """POST /payments of one replica."""

    def __init__(self, store: redis.Redis, charge: Charge, *, lease_s: float = 30.0) -> None:
        self._store, self._charge, self._lease_ms = store, charge, round(lease_s * 1000)

    async def pay(self, caller: str, key: str | None, body: Mapping[str, Any]) -> Response:
        """Charge `body["amount"]` in `body["currency"]` once per caller and key, however often this is asked."""
        if not key:
            return Response(400, {"error": "send an Idempotency-Key that you keep for this payment"})
        name, asked = _hash([caller, key]), _hash(body)
        record, claim = f"idempotency:{name}", json.dumps({"asked": asked, "owner": uuid.uuid4().hex})
        there: Any = await self._store.set(record, claim, nx=True, get=True, px=self._lease_ms)
        if there is not None:
            return _again(json.loads(there), asked)
        try:
            response = await self._charged(body, downstream_key=name)
        except PaymentError as error:  # the money may have moved: the next try finds out, by the same downstream key
            await self._store.eval(FREE, 1, record, claim)
            return Response(502, {"error": f"no word of the payments provider ({error}); try again with this key"})
        await self._store.set(record, json.dumps({"asked": asked, "answer": asdict(response)}), ex=DAY_S)
        return response

    async def _charged(self, body: Mapping[str, Any], downstream_key: str) -> Response:
        """What is final: a charge, or a decline. Raises PaymentError for everything else."""
        try:
            return Response(200, await self._charge(body["amount"], body["currency"], key=downstream_key))
        except PaymentError as error:
            if error.status != 402:
                raise
            return Response(402, {"error": "the card was declined"})


def _again(there: dict[str, Any], asked: str) -> Response:
    """The answer to whoever comes second."""
    if there["asked"] != asked:
        return Response(422, {"error": "this key was used with another body; take a new key for a new payment"})
    if "answer" not in there:
        return Response(409, {"error": "a request with this key is in flight; try again in a moment"})
    return replace(Response(**there["answer"]), replayed=True)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
