"""Token buckets in a worker's memory: what the rate limit falls back on while Redis is away.

The same arithmetic as ``rate_limit.lua`` (a test holds the two together), for one worker instead of the fleet: a user
gets at most workers-times the limit while the store is away, and never none. ``Levels`` remembers what verdicts said of
the busiest tenants, for those who watch. Next: ``rate_limit.py``.
"""

from collections import OrderedDict
from dataclasses import dataclass

from ..settings import BucketSettings, RateLimitSettings

MOST_BUCKETS = 10_000
"""Callers remembered per worker; the longest unseen is forgotten first (its bucket is full again)."""


@dataclass(slots=True, frozen=True)
class Verdict:
    """``which`` bucket was short (empty when allowed), for how long, and what is left, the user's and the tenant's."""

    allowed: bool
    which: str
    wait_s: float
    requests_left: int
    tokens_left: int
    tenant_requests_left: int
    tenant_tokens_left: int


@dataclass(slots=True)
class _Bucket:
    requests: float
    tokens: float
    at_s: float

    def refill(self, limits: BucketSettings, now_s: float) -> None:
        since_s = now_s - self.at_s
        self.requests = min(limits.burst, self.requests + since_s * limits.requests_per_min / 60)
        self.tokens = min(limits.tokens_per_min, self.tokens + since_s * limits.tokens_per_min / 60)
        self.at_s = now_s


class Buckets:
    """Per user and per tenant, both or neither."""

    def __init__(self, settings: RateLimitSettings) -> None:
        self._limits = (("tenant", settings.tenant), ("user", settings.user))
        self._buckets: OrderedDict[tuple[str, ...], _Bucket] = OrderedDict()

    def take(self, tenant: str, user: str, tokens: int, now_s: float) -> Verdict:
        """Reserve one request and ``tokens``, or say which bucket is short and for how long."""
        wait_s, which = 0.0, ""
        both = self._both(tenant, user, now_s)
        for (scope, limits), bucket in zip(self._limits, both, strict=True):
            asked = min(tokens, limits.tokens_per_min)
            for kind, short_s in (
                ("requests", (1 - bucket.requests) * 60 / limits.requests_per_min),
                ("tokens", (asked - bucket.tokens) * 60 / limits.tokens_per_min),
            ):
                if short_s > wait_s:
                    wait_s, which = short_s, f"{scope}_{kind}"
        if not which:
            for (_, limits), bucket in zip(self._limits, both, strict=True):
                bucket.requests -= 1
                bucket.tokens -= min(tokens, limits.tokens_per_min)
        return _verdict(which, wait_s, both)

    def refused(self, tenant: str, user: str, which: str, now_s: float) -> Verdict:
        """The verdict on a request that something else refuses: nothing is taken."""
        return _verdict(which, 0.0, self._both(tenant, user, now_s))

    def settle(self, tenant: str, user: str, estimate: int, used: int, now_s: float) -> None:
        """Turn what was reserved for ``estimate`` tokens into what was ``used``, which may be more."""
        for (_, limits), bucket in zip(self._limits, self._both(tenant, user, now_s), strict=True):
            most = limits.tokens_per_min
            bucket.tokens = max(min(most, bucket.tokens + min(estimate, most) - used), -most)

    def _both(self, tenant: str, user: str, now_s: float) -> tuple[_Bucket, _Bucket]:
        tenants, users = self._limits
        return self._one((tenant,), tenants[1], now_s), self._one((tenant, user), users[1], now_s)

    def _one(self, key: tuple[str, ...], limits: BucketSettings, now_s: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(limits.burst, limits.tokens_per_min, now_s)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        bucket.refill(limits, now_s)
        return bucket


def _verdict(which: str, wait_s: float, both: tuple[_Bucket, _Bucket]) -> Verdict:
    tenant, user = both
    left = (user.requests, user.tokens, tenant.requests, tenant.tokens)
    return Verdict(not which, which, wait_s, *map(int, left))


class Levels:
    """What was left in the buckets of the busiest tenants, as last seen.

    Who those are, the space-saving algorithm says (Metwally, Agrawal, El Abbadi, 2005): a newcomer takes the place of
    the least counted, and its count.
    """

    def __init__(self, most: int = 20) -> None:
        self._most = most
        self._counted: dict[str, tuple[int, Verdict]] = {}

    def see(self, tenant: str, verdict: Verdict) -> None:
        """One more verdict."""
        count = self._counted[tenant][0] if tenant in self._counted else 0
        if not count and len(self._counted) >= self._most:
            least = min(self._counted, key=lambda name: self._counted[name][0])
            count = self._counted.pop(least)[0]
        self._counted[tenant] = (count + 1, verdict)

    def rows(self) -> list[tuple[str, str, int]]:
        """Tenant, bucket and what is left in it; ``user_…`` are those of the tenant's user that was seen last."""
        return [
            row
            for tenant, (_, verdict) in self._counted.items()
            for row in (
                (tenant, "user_requests", verdict.requests_left),
                (tenant, "user_tokens", verdict.tokens_left),
                (tenant, "tenant_requests", verdict.tenant_requests_left),
                (tenant, "tenant_tokens", verdict.tenant_tokens_left),
            )
        ]
