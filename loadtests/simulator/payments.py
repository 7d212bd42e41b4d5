"""The payments provider: `POST /v1/charges` and `POST /v1/refunds` with Idempotency-Key (DESIGN section 5).

Same key and body: the stored response again, with `Idempotency-Replayed: true`, final declines too. Same key, other
body: 409 `idempotency_error`. Without a key each call moves money. What a call does happens in one step, so many calls
at once with one key move money once. A fault that strikes after the work (`cut`, `charge_then_drop`, …) leaves the
money moved: the classic ambiguous failure. Read `control.py` next.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from .asking import api_key, refuse_invalid_key
from .call import Ask, Work
from .errors import Headers, RefusalError, payments_shape
from .ledger import Ledger
from .models import Document
from .quota import Quota, openai_headers

MAX_KEYS = 100_000
"""Idempotency keys remembered; the oldest are forgotten."""

MAX_KEY_LENGTH = 255
LARGEST_AMOUNT = 1_000_000
"""Amounts above this, in minor units, are declined for good."""


class Vault:
    """The stored outcome of each idempotency key: (fingerprint of the request, document, status)."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._stored: OrderedDict[tuple[str, str], tuple[bytes, dict[str, Any], int]] = OrderedDict()

    def find(self, account: str, key: str) -> tuple[bytes, dict[str, Any], int] | None:
        """Return what is stored under a key of an account."""
        return self._stored.get((account, key))

    def store(self, account: str, key: str, fingerprint: bytes, document: dict[str, Any], status: int) -> None:
        """Remember an outcome."""
        self._stored[account, key] = (fingerprint, document, status)
        if len(self._stored) > MAX_KEYS:
            self._stored.popitem(last=False)


class MoneyEndpoint:
    """What charges and refunds share; subclasses say how the object looks and how a decline is called."""

    target = "payments"
    path: str
    shape = staticmethod(payments_shape)
    request_id_header = b"request-id"
    prefix: str
    decline_code: str
    required: tuple[str, ...] = ()

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def quota_headers(self, quota: Quota) -> Headers:
        """Return the `x-ratelimit-*` headers."""
        return openai_headers(quota)

    def parse(self, headers: Mapping[bytes, bytes], document: dict[str, Any]) -> Ask:
        """Check the fields and the key. Raises RefusalError."""
        refuse_invalid_key(headers)
        key = headers.get(b"idempotency-key")
        if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
            raise RefusalError("invalid_request", f"Idempotency-Key: 1 to {MAX_KEY_LENGTH} characters", code="bad_key")
        amount = document.get("amount")
        if type(amount) is not int or amount < 1:
            message = "amount: Input should be an integer greater than 0, in minor units"
            raise RefusalError("invalid_request", message, param="amount", code="parameter_invalid")
        for name in ("currency", *self.required):
            if not isinstance(document.get(name), str) or not document[name]:
                message = f"{name}: Input should be a string that is not empty"
                raise RefusalError("invalid_request", message, param=name, code="parameter_missing")
        fields = {
            "document": document,
            "account": api_key(headers),
            "key": None if key is None else key.decode("latin-1"),
        }
        return Ask(None, fields=fields)

    def perform(self, ask: Ask, seq: int, seed: int) -> Work:
        """Move the money, or replay what this key did before. Raises RefusalError for a key used for another body."""
        given, account, key = ask.fields["document"], ask.fields["account"], ask.fields["key"]
        fingerprint = sha256(self.path.encode() + orjson.dumps(given, option=orjson.OPT_SORT_KEYS)).digest()
        stored = None if key is None else self._vault.find(account, key)
        if stored is None:
            document, status = self._outcome(given, key, seq)
            if key is not None:
                self._vault.store(account, key, fingerprint, document, status)
            return Document(document, {"id": None}, status)
        if stored[0] != fingerprint:
            message = "Keys for idempotent requests can only be used with the parameters they were first used with."
            raise RefusalError("conflict", message, code="idempotency_key_reused")
        replay = Document(stored[1], {"id": None}, stored[2])
        replay.headers = [(b"idempotency-replayed", b"true")]
        return replay

    def _outcome(self, given: dict[str, Any], key: str | None, seq: int) -> tuple[dict[str, Any], int]:
        if given["amount"] > LARGEST_AMOUNT:
            decline = RefusalError(
                "billing", f"amount: more than {LARGEST_AMOUNT} is declined.", code=self.decline_code
            )
            return payments_shape(decline, ""), decline.status
        self._vault.ledger.charge(key, given["amount"], given["currency"])
        made = {
            "id": f"{self.prefix}_sim{seq:012d}",
            "object": "charge" if self.prefix == "ch" else "refund",
            "amount": given["amount"],
            "currency": given["currency"],
            "status": "succeeded",
            "created": int(time.time()),
        }
        return {**made, **{name: given[name] for name in self.required}}, 200


class Charges(MoneyEndpoint):
    """`POST /v1/charges` `{amount, currency, …}`."""

    path = "/v1/charges"
    prefix = "ch"
    decline_code = "card_declined"


class Refunds(MoneyEndpoint):
    """`POST /v1/refunds` `{charge, amount, currency, …}`."""

    path = "/v1/refunds"
    prefix = "re"
    decline_code = "refund_declined"
    required = ("charge",)
