"""What the warm-up client asks, and as whom: questions that many ask, questions that nobody asked, a few demo callers.

The cache is to hit about half of the time and the limiter seldom to refuse, so that every chart moves and nothing is in
trouble. Read `client.py` next: it sends these.
"""

import math
import random
import string
from dataclasses import dataclass
from typing import Any

FAQ = (
    "why do retries need jitter?",
    "what does a circuit breaker do?",
    "how does a token bucket work?",
    "when is a stale answer better than an error?",
    "what is a bulkhead?",
    "why does a request need one deadline?",
    "what makes a refund safe to retry?",
    "what is tail latency?",
)
"""Asked by rank: the first twice as often as the second, three times as often as the third (Zipf)."""

OPEN = (
    "what should ticket {mark} say about retries?",
    "how would team {mark} notice that a provider is down?",
    "does plan {mark} need a retry budget?",
    "what would you check first in incident {mark}?",
)
FAQ_SHARE = 0.55

TENANTS = ("acme", "globex", "initech", "umbrella", "stark", "wayne")
USERS_PER_TENANT = 12
TENANT_BEARS_PER_S = 9.0
"""A tenant's bucket refills with 10 requests per second and a user's with 1: in turn, twelve users ask 0.75 each."""
FEWEST_TENANTS = 2

ENDPOINTS = (("/chat", 0.4), ("/chat/stream", 0.4), ("/v1/chat/completions", 0.2))
ROUTE = "default"


@dataclass(frozen=True, slots=True)
class Chat:
    """One chat to send: where, as whom, what; `streams` says whether the answer comes as server-sent events."""

    path: str
    key: str
    body: dict[str, Any]
    streams: bool


class Mix:
    """Chats without end. The same seed gives the same ones, but for the marks of two runs' own questions."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - questions, not secrets
        # Letters: many digits in a row would be taken for a telephone number, and not be kept in the cache.
        self._run = "".join(self._random.choices(string.ascii_lowercase, k=4))
        self._number = 0

    def next(self, rate_per_s: float) -> Chat:
        """The next chat of a load of so many per second: the more there are, the more tenants share them."""
        number, self._number = self._number, self._number + 1
        tenants = min(max(FEWEST_TENANTS, math.ceil(rate_per_s / TENANT_BEARS_PER_S)), len(TENANTS))
        turn, tenant = divmod(number, tenants)
        key = f"demo-{TENANTS[tenant]}-u{turn % USERS_PER_TENANT + 1:02d}"
        (path,) = self._random.choices([p for p, _ in ENDPOINTS], [share for _, share in ENDPOINTS])
        text = self._question(number)
        if path == "/v1/chat/completions":
            streams = self._random.random() < 0.5
            messages = [{"role": "user", "content": text}]
            return Chat(path, key, {"model": ROUTE, "messages": messages, "stream": streams}, streams)
        return Chat(path, key, {"text": text}, path == "/chat/stream")

    def _question(self, number: int) -> str:
        if self._random.random() < FAQ_SHARE:
            (asked,) = self._random.choices(FAQ, [1 / rank for rank in range(1, len(FAQ) + 1)])
            return asked
        return self._random.choice(OPEN).format(mark=f"{self._run}-{number}")
