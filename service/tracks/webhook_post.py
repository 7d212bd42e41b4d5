"""One try to deliver a message: what it may take of time and memory, and what its answer means.

Each try has a connection of its own, to the addresses that were just checked: no redirects, no proxies from the
environment, no cookies, no compressed answers, and of the answer's body no more than a little. What went wrong is told
in a few words of ours, never in the receiver's. Next: ``webhook_hosts.py``.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import aiohttp

from ..clock import Clock
from ..errors import Overloaded
from ..llm.sdk import retry_hint_s
from ..settings import WebhookSettings
from .webhook_target import Pinned, Target, TargetRefused, Targets

MOST_READ = 4096
READ_S = 1.0
"""Bytes of an answer's body that are read, and for how long, so that a small one ends its connection in order."""
MOST_OF_HEADERS = 8190
ABSURD_S = 10 * 86_400.0
"""A Retry-After beyond this is nonsense; one between this and the setting counts as the setting."""
GONE = 410
ASKS_TO_WAIT = (429, 503)
USER_AGENT = "gauntlet-webhooks/1"

Error = Literal["target", "connection", "timeout", "status", "gone"]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try. ``status`` is None where no answer came; ``error`` is None when the message was taken."""

    status: int | None
    error: Error | None
    wait_s: float | None = None
    """What the receiver asked for, bounded."""


class Poster:
    """Posts to receivers. ``tls`` replaces the system's trust, for tests."""

    def __init__(
        self, settings: WebhookSettings, targets: Targets, *, clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._targets = targets
        self._clock = clock
        self._tls = tls

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, tenant: str = "") -> Tried:
        """Check the target and post to it, for a tenant; whatever happens there is an outcome."""
        end_s = self._clock.monotonic() + self._settings.timeout_s
        try:
            async with self._clock.timeout_at(end_s):
                target = await self._targets.check(url, tenant)
            async with self._session(target) as session:
                async with self._clock.timeout_at(end_s):
                    response = await session.post(target.url, data=body, headers=headers, allow_redirects=False)
                tried = self._judge(response)
                if tried.error is None:
                    await self._read_a_little(response)
                response.close()
                return tried
        except TargetRefused:
            return Tried(None, "target")
        except (TimeoutError, Overloaded):
            return Tried(None, "timeout")
        except (aiohttp.ClientError, OSError, ValueError):  # ValueError: headers that aiohttp cannot read
            return Tried(None, "connection")

    def _session(self, target: Target) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Pinned(target), use_dns_cache=False, force_close=True, limit=1, ssl=self._tls or True
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            max_line_size=MOST_OF_HEADERS,
            max_field_size=MOST_OF_HEADERS,
            headers={"User-Agent": USER_AGENT, "Content-Type": "application/json", "Accept-Encoding": "identity"},
        )

    async def _read_a_little(self, response: aiohttp.ClientResponse) -> None:
        """Of a 2xx's body: whoever breaks off or drips here has taken the message all the same."""
        try:
            async with self._clock.timeout_at(self._clock.monotonic() + READ_S):
                await response.content.read(MOST_READ)
        except (aiohttp.ClientError, OSError):
            return

    def _judge(self, response: aiohttp.ClientResponse) -> Tried:
        """2xx is taken, 410 wants no more of them; all else, a redirect too, is a failure."""
        status = response.status
        if 200 <= status < 300:
            return Tried(status, None)
        if status == GONE:
            return Tried(status, "gone")
        wait_s = None
        if status in ASKS_TO_WAIT:
            hint_s = retry_hint_s(response.headers, now_s=self._clock.time(), max_s=ABSURD_S)
            wait_s = None if hint_s is None else min(hint_s, self._settings.retry_after_max_s)
        return Tried(status, "status", wait_s)
