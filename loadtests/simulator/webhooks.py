"""The receiver of webhooks: `POST /webhooks`, or any path below it (DESIGN section 5).

It does what a careful receiver does, and with code of its own, so that two implementations must agree: it checks the
signature of the Standard Webhooks scheme and the age of its time stamp, and takes each message id once. A message that
comes again is answered 200 as well, and noted as a duplicate; a wrong signature is 401. Faults of the target `webhooks`
strike before a message is taken (`status`, `reset`, `hang`, `bad_body` html and empty) or after it (all others: the
message was taken, and its sender does not hear of it). Read `control.py` next.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from .call import Ask, Call, Endpoint, Work
from .errors import Headers, RefusalError, payments_shape
from .exchange import Exchange
from .ledger import Ledger, Receipt
from .models import Document
from .quota import Quota, openai_headers
from .state import State

PATH = "/webhooks"
TENANT_HEADER = b"gauntlet-tenant"
DEFAULT_SECRET = "whsec_Z2F1bnRsZXQgd29ya2JlbmNoOiBwdWJsaWMgd2ViaG9vayBrZXkh"  # noqa: S105 - public on purpose
"""The workbench's; it is public, and the service refuses it in its live profile."""

DERIVATION = b"gauntlet webhook secret of tenant "
"""A tenant's key is HMAC-SHA256 of this and the tenant's name, under the service's secret."""

TOLERANCE_S = 300.0
"""How far a message's time stamp may be from now: an older one may be a replay."""

MAX_IDS = 100_000
"""Message ids remembered; the oldest are forgotten."""

MAX_TEXT = 200
"""Ids and names are cut to this length in the ledger, which keeps its memory bounded."""


class Verifier:
    """Whether a message is from who has the service's `secret`. Raises ValueError for one that is no secret."""

    def __init__(self, secret: str) -> None:
        try:
            self._master = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise ValueError("not whsec_ and base64") from error
        if not secret.startswith("whsec_") or not self._master:
            raise ValueError("not whsec_ and base64")

    def is_signed(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Whether one of the signatures is right, and the time stamp of now."""
        message_id, stamp = headers.get(b"webhook-id", b""), headers.get(b"webhook-timestamp", b"")
        if not message_id or not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE_S:
            return False
        key = hmac.digest(self._master, DERIVATION + headers.get(TENANT_HEADER, b""), hashlib.sha256)
        expected = base64.b64encode(hmac.digest(key, b"%b.%b.%b" % (message_id, stamp, body), hashlib.sha256))
        given = headers.get(b"webhook-signature", b"").split(b" ")
        return any(hmac.compare_digest(signature, b"v1," + expected) for signature in given)


class Deliveries:
    """The endpoint: takes a message that was verified, once."""

    target = "webhooks"
    path = PATH
    shape = staticmethod(payments_shape)
    request_id_header = b"x-request-id"

    def __init__(self) -> None:
        self._taken: OrderedDict[str, None] = OrderedDict()
        self.receipts: dict[int, Receipt] = {}
        """Those of the calls under way, by the number of their row."""

    def is_known(self, message_id: str) -> bool:
        """Whether a message was taken before."""
        return message_id in self._taken

    def quota_headers(self, quota: Quota) -> Headers:
        """Return the `x-ratelimit-*` headers."""
        return openai_headers(quota)

    def parse(self, headers: Mapping[bytes, bytes], document: dict[str, Any]) -> Ask:
        """Read the message. Raises RefusalError for one without a type."""
        if not isinstance(document.get("type"), str):
            raise RefusalError("invalid_request", "type: Input should be a string", param="type")
        return Ask(None, fields={"id": _text(headers.get(b"webhook-id"))})

    def perform(self, ask: Ask, seq: int, seed: int) -> Work:
        """Take the message. Raises RefusalError when its signature is wrong."""
        receipt = self.receipts[seq]
        if not receipt.verified:
            raise RefusalError("authentication", "The signature or the time stamp is wrong.")
        self._taken[ask.fields["id"]] = None
        if len(self._taken) > MAX_IDS:
            self._taken.popitem(last=False)
        return Document({"received": True, "duplicate": receipt.duplicate}, {"received": None})


class Receiver(Exchange):
    """The ASGI app of the listener: what arrives is in the ledger's `webhooks`, whatever its call then meets."""

    def __init__(self, state: State, secret: str) -> None:
        self._deliveries = Deliveries()
        super().__init__(state, {("POST", PATH): self._deliveries})
        self._ledger: Ledger = state.ledger
        self._verifier = Verifier(secret)

    def find(self, method: str, path: str) -> Endpoint | None:
        """Return the endpoint for `PATH` and whatever is below it."""
        if method == "POST" and (path == PATH or path.startswith(f"{PATH}/")):
            return self._deliveries
        return None

    def arrived(self, call: Call, headers: Mapping[bytes, bytes], body: bytes, document: Any) -> None:
        """Note the message before anything happens to its call."""
        row = call.row
        if not self.find("POST", row.endpoint):
            return
        told = document if isinstance(document, dict) else {}
        data = told.get("data")
        message_id = _text(headers.get(b"webhook-id"))
        receipt = Receipt(
            row,
            message_id=message_id,
            event=_named(told.get("type")),
            subject_id=_named(data.get("id")) if isinstance(data, dict) else None,
            verified=self._verifier.is_signed(headers, body),
            duplicate=message_id is not None and self._deliveries.is_known(message_id),
        )
        self._deliveries.receipts[row.seq] = receipt
        self._ledger.receive(receipt)

    def ended(self, call: Call) -> None:
        """Forget the receipt: the ledger has it."""
        self._deliveries.receipts.pop(call.row.seq, None)


def _text(header: bytes | None) -> str | None:
    return None if header is None else header[:MAX_TEXT].decode("latin-1")


def _named(value: object) -> str | None:
    return value[:MAX_TEXT] if isinstance(value, str) else None
