"""How a webhook proves whose it is: the Standard Webhooks scheme, with a secret per tenant.

Message id, time stamp and body are signed with HMAC-SHA256 by the library ``standardwebhooks``. A tenant's secret is
derived from the service's, so that a tenant who knows its own cannot sign for another; while the service's is being
changed, messages bear a signature by the old one too (``webhooks.previous_secret``). Next: ``webhook_target.py``.
"""

import base64
import hmac
from datetime import UTC, datetime

from standardwebhooks import Webhook

from ..settings import WebhookSettings

DERIVATION = b"gauntlet webhook secret of tenant "
PREFIX = "whsec_"
TENANT_HEADER = "gauntlet-tenant"
"""Says to a receiver of several tenants which secret to verify with; it is not signed, and need not be: with another
tenant's secret the signature is wrong."""


class Signer:
    """Secrets and signatures."""

    def __init__(self, settings: WebhookSettings) -> None:
        given = [settings.secret, *([settings.previous_secret] if settings.previous_secret else [])]
        self._masters = [base64.b64decode(secret.removeprefix(PREFIX) + "==") for secret in given]

    def secrets(self, tenant: str) -> list[str]:
        """The tenant's signing secrets as its receivers take them, the present one first."""
        keys = (hmac.digest(master, DERIVATION + tenant.encode(), "sha256") for master in self._masters)
        return [PREFIX + base64.b64encode(key).decode() for key in keys]

    def headers(self, *, tenant: str, message_id: str, body: str, now_s: float) -> dict[str, str]:
        """The headers of one try; ``now_s`` in Unix seconds."""
        # Aware and in UTC, for the library takes whatever it is given for UTC.
        at = datetime.fromtimestamp(int(now_s), UTC)
        signatures = (Webhook(secret).sign(message_id, at, body) for secret in self.secrets(tenant))
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now_s)),
            "webhook-signature": " ".join(signatures),
            TENANT_HEADER: tenant,
        }
