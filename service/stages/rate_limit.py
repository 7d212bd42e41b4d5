"""Rate limit: token buckets per user and per tenant, in requests and in tokens, over all workers.

One atomic script reserves a request and an estimate of its tokens; at the end the estimate is settled to the real
usage. 429 with Retry-After and RateLimit headers (IETF draft). Per user, because limits per IP address fail behind NAT
(chapter, section 7). Next: ``fallback.py``.
"""

import math

from ..clock import Clock
from ..errors import RateLimited, StoreUnavailable
from ..settings import RateLimitSettings
from ..store.guard import Store
from ..store.script import Script
from ..store.settle import Settle
from .ask import Ask, Next, Outcome, Reply
from .bucket import Buckets, Verdict
from .call import estimated_tokens


class RateLimit:
    """The stage."""

    name = "rate_limit"

    def __init__(self, settings: RateLimitSettings, *, store: Store, settle: Settle, clock: Clock) -> None:
        self._settings = settings
        self._script = Script(store, __package__, "rate_limit")
        self._settle = settle
        self._clock = clock
        self._local = Buckets(settings)
        limits = (settings.tenant, settings.user)
        self._limits = tuple(n for b in limits for n in (b.requests_per_min, b.burst, b.tokens_per_min))
        user = settings.user
        self._policy = f'"user";q={user.burst};w={math.ceil(user.burst * 60 / user.requests_per_min)}'

    async def __call__(self, ask: Ask, go_on: Next) -> Reply:
        """Reserve and go on, or raise RateLimited with the seconds until it would be allowed."""
        estimate = self._estimate(ask)
        verdict, fleet = await self._take(ask, estimate)
        # Seconds until the user's bucket is full again, which is when all of the quota is back.
        missing = self._settings.user.burst - verdict.requests_left
        refill_s = math.ceil(missing * 60 / self._settings.user.requests_per_min)
        ask.limits["RateLimit-Policy"] = self._policy
        ask.limits["RateLimit"] = f'"user";r={max(verdict.requests_left, 0)};t={refill_s}'
        decision = "allowed" if verdict.allowed else "refused"
        ask.report(
            self.name,
            decision,
            requests_left=verdict.requests_left,
            tokens_left=verdict.tokens_left,
            estimate=estimate,
            buckets="fleet" if fleet else "worker",
            **({} if verdict.allowed else {"short": verdict.which, "wait_s": round(verdict.wait_s, 3)}),
        )
        if not verdict.allowed:
            refusal = RateLimited(
                f"the {verdict.which.replace('_', ' bucket for ')} is empty; wait {verdict.wait_s:.1f} s "
                "or send less at once",
                retry_after_s=verdict.wait_s,
                bucket=verdict.which,
            )
            refusal.headers = ask.limits
            raise refusal
        try:
            reply = await go_on(ask)
        except BaseException:
            self._give_back(ask, estimate, fleet)
            raise

        def ended(_: Reply, outcome: Outcome, error: BaseException | None) -> None:
            self._give_back(ask, estimate, fleet)

        reply.on_end(ended)
        return reply

    def _estimate(self, ask: Ask) -> int:
        """Tokens to reserve: the text, and half of what may be answered (answers seldom use all they may)."""
        characters = sum(len(m.content) for m in ask.messages) + len(ask.system or "")
        return estimated_tokens(characters) + ask.max_tokens // 2

    async def _take(self, ask: Ask, estimate: int) -> tuple[Verdict, bool]:
        try:
            allowed, which, wait_ms, requests, tokens, _ = await self._script(
                _keys(ask), "take", estimate, *self._limits
            )
        except StoreUnavailable:
            return self._local.take(ask.tenant, ask.user, estimate, self._clock.monotonic()), False
        return Verdict(bool(allowed), which.decode(), int(wait_ms) / 1000, int(requests), int(tokens)), True

    def _give_back(self, ask: Ask, estimate: int, fleet: bool) -> None:
        used = ask.usage.input_tokens + ask.usage.output_tokens
        if fleet:
            self._settle.post(self._script(_keys(ask), "settle", estimate, *self._limits, used), self.name)
        else:
            self._local.settle(ask.tenant, ask.user, estimate, used, self._clock.monotonic())


def _keys(ask: Ask) -> tuple[str, str]:
    return f"limit:{{{ask.tenant}}}", f"limit:{{{ask.tenant}}}:{ask.user}"
