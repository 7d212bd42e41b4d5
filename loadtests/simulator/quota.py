"""Requests and tokens per minute of each provider: two token buckets with true headers (DESIGN section 5).

A bucket holds one minute's worth and refills steadily. A call is admitted when one request and its input tokens are
there; its output tokens are taken when they are generated, so the token bucket may go below zero and the next calls
wait. A prompt larger than the whole bucket is admitted when the bucket is full. Without a quota the headers tell a
large one that is never reached. Read `exchange.py` next: it asks for admission.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from .errors import Headers, RefusalError
from .faults import Target

UNLIMITED_REQUESTS_PER_MIN = 100_000
UNLIMITED_TOKENS_PER_MIN = 100_000_000

_PerMinute = Annotated[int, Field(ge=1, le=1_000_000_000)]


class TargetQuota(BaseModel):
    """The body of `PUT /sim/quota`: limits per minute of a target; null lifts a limit."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    target: Target
    requests_per_min: _PerMinute | None = None
    tokens_per_min: _PerMinute | None = None


class Bucket:
    """A token bucket of one minute's worth; `limit` None never runs empty."""

    __slots__ = ("_level", "_updated", "limit", "size")

    def __init__(self, limit: int | None, unlimited: int) -> None:
        self.limit = limit
        self.size = limit or unlimited
        self._level = float(self.size)
        self._updated = time.monotonic()

    def level(self) -> float:
        """Return what is in the bucket now; below 0 when more was used than there was."""
        if self.limit is not None:
            now = time.monotonic()
            self._level = min(self.size, self._level + (now - self._updated) * self.size / 60)
            self._updated = now
        return self._level

    def wait_s(self, need: float) -> float:
        """Return the seconds until `need` is there; 0 when it is there now."""
        return max(0.0, (min(need, self.size) - self.level()) * 60 / self.size)

    def take(self, amount: float) -> None:
        """Take `amount` out."""
        if self.limit is not None:
            self._level -= amount


class Quota:
    """Both buckets of a target."""

    def __init__(self, requests_per_min: int | None = None, tokens_per_min: int | None = None) -> None:
        self.requests = Bucket(requests_per_min, UNLIMITED_REQUESTS_PER_MIN)
        self.tokens = Bucket(tokens_per_min, UNLIMITED_TOKENS_PER_MIN)

    def exhausted(self) -> Self:
        """Return the same limits with empty buckets: what the headers of a forced 429 tell."""
        empty = type(self)(self.requests.size, self.tokens.size)
        for bucket in (empty.requests, empty.tokens):
            # A second's worth below empty, so that nothing has come back when the headers are written.
            bucket.take(bucket.size * 61 / 60)
        return empty

    def describe(self) -> dict[str, int | None]:
        """Return the limits and what is left of them, null where there is no limit."""
        left = {
            name: None if bucket.limit is None else max(0, int(bucket.level()))
            for name, bucket in (("requests_left", self.requests), ("tokens_left", self.tokens))
        }
        return {"requests_per_min": self.requests.limit, "tokens_per_min": self.tokens.limit, **left}

    def admit(self, input_tokens: int) -> None:
        """Take one request and its input tokens.

        Raises RefusalError (rate_limit, with `retry-after` and `retry-after-ms`) and takes nothing when one is missing.
        """
        if self.requests.limit is None and self.tokens.limit is None:
            return
        wait_requests, wait_tokens = self.requests.wait_s(1), self.tokens.wait_s(input_tokens)
        wait_s = max(wait_requests, wait_tokens)
        if wait_s > 0:
            what = "requests" if wait_requests >= wait_tokens else "tokens"
            limit = self.requests.limit if what == "requests" else self.tokens.limit
            headers = [
                (b"retry-after", b"%d" % math.ceil(wait_s)),
                (b"retry-after-ms", b"%d" % math.ceil(wait_s * 1000)),
            ]
            message = f"Rate limit reached: {limit} {what} per minute. Please try again in {wait_s:.3f}s."
            raise RefusalError("rate_limit", message, headers=headers)
        self.requests.take(1)
        self.tokens.take(input_tokens)

    def spend(self, output_tokens: int) -> None:
        """Take the tokens that the model generates."""
        self.tokens.take(output_tokens)


def anthropic_headers(quota: Quota) -> Headers:
    """Return the `anthropic-ratelimit-*` headers; resets are RFC 3339 times at which the bucket is full again."""
    headers: Headers = []
    now = time.time()
    buckets = (quota.requests, quota.tokens, quota.tokens, quota.tokens)
    for name, bucket in zip((b"requests", b"tokens", b"input-tokens", b"output-tokens"), buckets, strict=True):
        prefix = b"anthropic-ratelimit-" + name
        headers += [
            (prefix + b"-limit", b"%d" % bucket.size),
            (prefix + b"-remaining", b"%d" % max(0, int(bucket.level()))),
            (prefix + b"-reset", _rfc3339(math.ceil(now + bucket.wait_s(bucket.size)))),
        ]
    return headers


def openai_headers(quota: Quota) -> Headers:
    """Return the `x-ratelimit-*` headers; resets are durations such as `120ms`, `1s` or `6m0s`."""
    headers: Headers = []
    for name, bucket in ((b"requests", quota.requests), (b"tokens", quota.tokens)):
        headers += [
            (b"x-ratelimit-limit-" + name, b"%d" % bucket.size),
            (b"x-ratelimit-remaining-" + name, b"%d" % max(0, int(bucket.level()))),
            (b"x-ratelimit-reset-" + name, _duration(bucket.wait_s(bucket.size)).encode()),
        ]
    return headers


@lru_cache(maxsize=256)
def _rfc3339(t: int) -> bytes:
    return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
