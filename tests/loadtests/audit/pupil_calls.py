"""How the pupil calls its providers: time limit, attempts, circuit, the next one.

Read `test_refutations.py` next: what must be said of it.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import aiohttp

CALL_SHARE = 0.75
"""Of the deadline, for one call."""
ATTEMPTS, ENDLESS = 2, 30
FAILURES, COOLDOWN_S = 3, 1.0
RETRIED = frozenset({408, 429, 500, 502, 503, 504})


class Failed(Exception):
    """A call that failed; `status` None: no answer."""

    def __init__(self, status: int | None) -> None:
        self.status = status


@dataclass
class Circuit:
    """Of one provider, in this process."""

    failures: int = 0
    opened_s: float = 0.0

    def lets_through(self, now_s: float) -> bool:
        if self.failures < FAILURES:
            return True
        if now_s - self.opened_s < COOLDOWN_S:
            return False
        self.opened_s = now_s  # one probe
        return True

    def heard(self, well: bool, now_s: float) -> None:
        self.failures = 0 if well else self.failures + 1
        if self.failures == FAILURES:
            self.opened_s = now_s


@dataclass
class Calls:
    """`providers`: name -> base URL, the first one first; `flaws` are those that it has now."""

    providers: dict[str, str]
    http: aiohttp.ClientSession
    flaws: set[str] = field(default_factory=set)
    deadline_s: float = 2.0
    failed_over: bool = False
    _circuits: dict[str, Circuit] = field(default_factory=dict)

    def begin_anew(self, flaws: set[str], deadline_s: float) -> None:
        """With these flaws, and all circuits closed."""
        self.flaws, self.deadline_s, self._circuits, self.failed_over = flaws, deadline_s, {}, False

    async def first_that_answers(self, messages: list[Any]) -> str | None:
        """The answer of the first provider that gives one."""
        names = list(self.providers)
        for name in names[:1] if "single_provider" in self.flaws else names:
            circuit = self._circuits.setdefault(name, Circuit())
            attempts = ENDLESS if "endless_retries" in self.flaws else 1 if "no_retry" in self.flaws else ATTEMPTS
            for _ in range(attempts):
                if "no_breaker" not in self.flaws and not circuit.lets_through(time.monotonic()):
                    break
                try:
                    reply = await self.call(name, messages)
                except Failed as error:
                    callers = error.status is not None and error.status not in RETRIED
                    if not callers:
                        circuit.heard(well=False, now_s=time.monotonic())
                    elif "retries_400" not in self.flaws:
                        return None
                else:
                    circuit.heard(well=True, now_s=time.monotonic())
                    self.failed_over = name != names[0]
                    return reply
        return None

    async def call(self, name: str, messages: list[Any]) -> str:
        """One call. Raises Failed."""
        path, model = ("/v1/messages", "claude-opus-4-7") if name == "anthropic" else ("/chat/completions", "gpt-5.5")
        url, body = self.providers[name] + path, {"model": model, "max_tokens": 200, "messages": messages}
        headers = {"Authorization": "Bearer key", "x-api-key": "key", "anthropic-version": "2023-06-01"}
        if "blocking" in self.flaws:
            document = _blocking(url, body, headers, self.deadline_s)
        else:
            waits_forever = self.flaws & {"no_timeout", "abandons"}
            timeout = aiohttp.ClientTimeout(None if waits_forever else self.deadline_s * CALL_SHARE)
            try:
                async with self.http.post(url, json=body, headers=headers, timeout=timeout) as response:
                    document = await response.json()
            except (aiohttp.ClientError, TimeoutError, ValueError):
                raise Failed(None) from None
            if response.status != 200:
                raise Failed(response.status)
        if name == "anthropic":
            return str(document["content"][0]["text"])
        return str(document["choices"][0]["message"]["content"])


def _blocking(url: str, body: Any, headers: dict[str, str], timeout_s: float) -> Any:
    """What a synchronous library does to an event loop."""
    headers = {**headers, "Content-Type": "application/json"}
    try:
        asked = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - our own URL
        with urllib.request.urlopen(asked, timeout=timeout_s) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            raise Failed(error.code) from None
    except OSError:
        raise Failed(None) from None
