"""Signatures: what the library of the scheme verifies, a secret per tenant, and two while one is being changed."""

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from service.settings import WebhookSettings
from service.tracks.webhook_sign import Signer

NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
BODY = '{"type":"job.completed","timestamp":"2026-01-01T00:00:00Z","data":{"id":"ü"}}'


def headers(signer: Signer, tenant: str = "acme", body: str = BODY, now_s: float | None = None) -> dict[str, str]:
    return signer.headers(tenant=tenant, message_id="msg_1", body=body, now_s=now_s or time.time())


def test_the_library_verifies_what_is_signed() -> None:
    signer = Signer(WebhookSettings(secret=NEW))
    (secret,) = signer.secrets("acme")
    assert Webhook(secret).verify(BODY, headers(signer))["data"] == {"id": "ü"}


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_part_counts(header: str) -> None:
    signer = Signer(WebhookSettings(secret=NEW))
    changed = {**headers(signer), header: {"webhook-timestamp": str(int(time.time()) + 1)}.get(header, "v1,AAAA")}
    with pytest.raises(WebhookVerificationError):
        Webhook(signer.secrets("acme")[0]).verify(BODY, changed)


def test_a_tenants_secret_is_its_own() -> None:
    signer = Signer(WebhookSettings(secret=NEW))
    assert signer.secrets("acme") != signer.secrets("globex")
    with pytest.raises(WebhookVerificationError):
        Webhook(signer.secrets("globex")[0]).verify(BODY, headers(signer, "acme"))


def test_while_the_secret_is_changed_receivers_with_either_are_content() -> None:
    before, during = Signer(WebhookSettings(secret=OLD)), Signer(WebhookSettings(secret=NEW, previous_secret=OLD))
    new, old = during.secrets("acme")
    assert [old] == before.secrets("acme")
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers(during))
    assert Webhook(old).verify(BODY, headers(before))
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY, headers(before))


def test_an_old_message_is_refused() -> None:
    signer = Signer(WebhookSettings(secret=NEW))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(signer.secrets("acme")[0]).verify(BODY, headers(signer, now_s=time.time() - 301))
