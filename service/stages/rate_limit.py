"""Rate limit: token buckets per user and per tenant, in requests and in tokens, over all workers.

One atomic script reserves a request and an estimate of its tokens; at the end the estimate is settled to the real
usage. 429 with Retry-After and RateLimit headers (IETF draft). Per user, because limits per IP address fail behind NAT
(chapter, section 7). The same script keeps the tenant's budget (``budget.py``). Next: ``fallback.py``.
"""

import math

from ..clock import Clock
from ..errors import GauntletError, RateLimited, StoreUnavailable
from ..settings import SEARCHERS, RateLimitSettings
from ..store.guard import Store
from ..store.script import Script
from ..store.settle import Settle
from .ask import Ask
from .bucket import Buckets, Levels, Verdict
from .budget import Budgets, Standing, spent_by
from .call import estimated_tokens
from .chain import Next
from .reply import Outcome, Reply

BUDGET = "budget"
"""What is short where it is none of the buckets."""


class RateLimit:
    """The stage."""

    name = "rate_limit"

    def __init__(
        self, settings: RateLimitSettings, *, budgets: Budgets, store: Store, settle: Settle, clock: Clock
    ) -> None:
        self._settings = settings
        self.budgets = budgets
        self.levels = Levels()
        self._script = Script(store, __package__, "rate_limit")
        self._settle = settle
        self._clock = clock
        store.on_return(self._tell_owed)
        self._local = Buckets(settings)
        limits = (settings.tenant, settings.user)
        self._limits = tuple(n for b in limits for n in (b.requests_per_min, b.burst, b.tokens_per_min))
        user = settings.user
        self._policy = f'"user";q={user.burst};w={math.ceil(user.burst * 60 / user.requests_per_min)}'

    async def __call__(self, ask: Ask, go_on: Next) -> Reply:
        """Reserve and go on, or raise RateLimited with the seconds until it would be allowed, or BudgetExhausted."""
        estimate = self._estimate(ask)
        verdict, standing, fleet = await self._take(ask, estimate)
        self.levels.see(ask.tenant, verdict)
        # Seconds until the user's bucket is full again, which is when all of the quota is back.
        missing = self._settings.user.burst - verdict.requests_left
        refill_s = math.ceil(missing * 60 / self._settings.user.requests_per_min)
        ask.limits["RateLimit-Policy"] = self._policy
        ask.limits["RateLimit"] = f'"user";r={max(verdict.requests_left, 0)};t={refill_s}'
        if standing is not None:
            ask.limits["Budget"] = standing.header()
        decision = "allowed" if verdict.allowed else "refused"
        ask.report(
            self.name,
            decision,
            requests_left=verdict.requests_left,
            tokens_left=verdict.tokens_left,
            estimate=estimate,
            buckets="fleet" if fleet else "worker",
            **(standing.inputs() if standing else {}),
            **({} if verdict.allowed else {"short": verdict.which, "wait_s": round(verdict.wait_s, 3)}),
        )
        if not verdict.allowed:
            refusal = self._refusal(verdict, standing)
            refusal.headers = ask.limits
            raise refusal
        # In other orders of the stages a request may pass here more than once: each bills its own attempts.
        already = len(ask.attempts)
        try:
            reply = await go_on(ask)
        except BaseException as error:
            self._give_back(ask, already, estimate, standing, fleet=fleet)
            if standing is not None and isinstance(error, GauntletError):
                error.headers["Budget"] = ask.limits["Budget"]
            raise

        def ended(_: Reply, outcome: Outcome, error: BaseException | None) -> None:
            ask.when_at_rest(lambda: self._give_back(ask, already, estimate, standing, fleet=fleet))

        reply.on_end(ended)
        return reply

    def _refusal(self, verdict: Verdict, standing: Standing | None) -> GauntletError:
        if standing is not None and verdict.which == BUDGET:
            return self.budgets.refusal(standing)
        return RateLimited(
            f"the {verdict.which.replace('_', ' bucket for ')} is empty; wait {verdict.wait_s:.1f} s "
            "or send less at once",
            retry_after_s=verdict.wait_s,
            bucket=verdict.which,
        )

    def _estimate(self, ask: Ask) -> int:
        """Tokens to reserve: the text, and half of what may be answered (answers seldom use all they may)."""
        characters = sum(len(m.content) for m in ask.messages) + len(ask.system or "")
        return estimated_tokens(characters) + ask.max_tokens // 2

    async def _take(self, ask: Ask, estimate: int) -> tuple[Verdict, Standing | None, bool]:
        """The verdict, the tenant's budget if it has one, and whether both are the fleet's or this worker's own."""
        stops_at = self.budgets.stops_at(ask.tenant)
        try:
            allowed, which, wait_ms, *left, spent, unpriced, day_left_s = await self._script(
                self._keys(ask.tenant, ask.user), "take", estimate, *self._limits, stops_at
            )
        except StoreUnavailable:
            standing, now_s = self.budgets.standing(ask.tenant), self._clock.monotonic()
            if standing is not None and 0 <= stops_at <= standing.spent:
                return self._local.refused(ask.tenant, ask.user, BUDGET, now_s), standing, False
            return self._local.take(ask.tenant, ask.user, estimate, now_s), standing, False
        verdict = Verdict(bool(allowed), which.decode(), int(wait_ms) / 1000, *map(int, left))
        return verdict, self.budgets.seen(ask.tenant, int(spent), int(unpriced), int(day_left_s)), True

    def _give_back(self, ask: Ask, already: int, estimate: int, standing: Standing | None, *, fleet: bool) -> None:
        """What was reserved and not used, and the bill of the attempts after the first ``already``."""
        attempts = ask.attempts[already:]
        # The buckets bound what models read and write: what a search reads for a question is the layer's doing.
        used = sum(
            attempt.usage.input_tokens + attempt.usage.output_tokens
            for attempt in attempts
            if attempt.provider not in SEARCHERS
        )
        cost, unpriced = spent_by(attempts)
        if standing is not None:
            ask.limits["Budget"] = self.budgets.with_cost(standing, cost, unpriced).header()
        if fleet:
            self._settle.post(self._bill(ask.tenant, ask.user, estimate, used, cost, unpriced), self.name)
            return
        self._local.settle(ask.tenant, ask.user, estimate, used, self._clock.monotonic())
        if standing is not None:
            self.budgets.owe(ask.tenant, cost, unpriced)

    async def _bill(self, tenant: str, user: str, estimate: int, used: int, cost: int, unpriced: int) -> None:
        keys = self._keys(tenant, user)
        if self.budgets.limit(tenant) is None:
            await self._script(keys, "settle", estimate, *self._limits, used, 0, 0)
            return
        owed, owed_unpriced = self.budgets.take_owed(tenant)
        cost, unpriced = cost + owed, unpriced + owed_unpriced
        try:
            *_, spent, count, day_left_s = await self._script(
                keys, "settle", estimate, *self._limits, used, cost, unpriced
            )
        except StoreUnavailable:
            self.budgets.owe(tenant, cost, unpriced)
            raise
        self.budgets.seen(tenant, int(spent), int(count), int(day_left_s))

    def _tell_owed(self) -> None:
        """The store is back: tell it what was spent meanwhile, in nobody's name."""
        for tenant in self.budgets.owing():
            self._settle.post(self._bill(tenant, "", 0, 0, 0, 0), self.name)

    def _keys(self, tenant: str, user: str) -> tuple[str, ...]:
        keys = f"limit:{{{tenant}}}", f"limit:{{{tenant}}}:{user}"
        return keys if self.budgets.limit(tenant) is None else (*keys, f"budget:{{{tenant}}}")
