"""Budget: what a tenant may spend in a day (UTC) at the providers, in integer nano-USD.

It is kept by the rate limit's one script, in the tenant's hash slot: ``take`` reads what was spent today, ``settle``
adds what the request has cost, failed attempts included; so it costs no round trip of its own. A warning comes as a
header (and a metric) from a share of the budget on; whether an exhausted one stops anything is a setting. What holds:

- Cost is known when a request has ended, so those in flight at once may overshoot by what they cost together.
- An attempt without a known price counts nothing, and is counted itself: ``unpriced``.
- A cache hit spends nothing and does not come here, so it is answered whatever was spent.
- While Redis is away each worker goes on from what it saw last, and tells Redis what it spent when that is back; what
  was under way when it went may then count twice.

The header is a structured field (RFC 9651): ``Budget: "tenant";limit=5000000000;spent=1234000;state=ok``, both in
nano-USD; ``state`` is ``ok``, ``warning`` or ``exhausted``, and ``;unpriced=2`` follows where there are such. It is as
of the answer's begin, for a whole answer with its own cost. Next: ``rate_limit.lua``.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..clock import Clock
from ..errors import BudgetExhausted, BudgetExhaustedToday
from ..llm.prices import NANO_USD
from ..observability.pii import safe_name
from ..settings import BudgetSettings
from .ask import Attempt

DAY_S = 86_400
MOST_TENANTS = 10_000
"""Tenants remembered per worker; the longest unseen is forgotten first, as it is in Redis anyway."""
MOST_TOLD = 20
"""Tenants in a snapshot: those that spent most."""
MOST_SHOWN = 10**15 - 1
"""The largest integer of a structured field."""
State = Literal["ok", "warning", "exhausted"]


@dataclass(slots=True, frozen=True)
class Standing:
    """A tenant's budget and what is gone of it, in nano-USD; attempts without a price; seconds until the next day."""

    limit: int
    spent: int
    unpriced: int
    day_left_s: int
    state: State

    def header(self) -> str:
        """As ``Budget`` shows it."""
        unpriced = f";unpriced={self.unpriced}" if self.unpriced else ""
        return f'"tenant";limit={self.limit};spent={min(self.spent, MOST_SHOWN)};state={self.state}{unpriced}'

    def inputs(self) -> dict[str, float | str]:
        """What the decision was made from."""
        unpriced = {"budget_unpriced": self.unpriced} if self.unpriced else {}
        return {
            "budget_spent_usd": self.spent / NANO_USD,
            "budget_usd": self.limit / NANO_USD,
            "budget_state": self.state,
            **unpriced,
        }


@dataclass(slots=True)
class _Seen:
    """What this worker knows of a tenant's day: the fleet's sum when last heard of, and what Redis was not told yet."""

    day: int
    spent: int = 0
    unpriced: int = 0
    owed: int = 0
    owed_unpriced: int = 0


class Budgets:
    """One worker's view of all tenants' budgets. ``pseudonym_key`` finds tenants whose names are not told."""

    def __init__(self, settings: BudgetSettings, *, pseudonym_key: str, clock: Clock) -> None:
        self._default = _nano(settings.usd_per_day)
        self._limits = {safe_name(pseudonym_key, name): _nano(usd) for name, usd in settings.tenants.items()}
        self._warn_share = settings.warn_share
        self._stop = settings.stop
        self._clock = clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def limit(self, tenant: str) -> int | None:
        """Nano-USD per day; None where the tenant has no budget."""
        return self._limits.get(tenant, self._default)

    def stops_at(self, tenant: str) -> int:
        """Nano-USD from which on nothing is allowed any more; -1: never."""
        limit = self.limit(tenant)
        return -1 if limit is None or self._stop == "none" else limit

    def seen(self, tenant: str, spent: int, unpriced: int, day_left_s: int) -> Standing | None:
        """What the fleet has spent, from Redis; None where the tenant has no budget."""
        if self.limit(tenant) is None:
            return None
        known = self._today(tenant)
        known.spent, known.unpriced = spent, unpriced
        return self._standing(tenant, known, day_left_s)

    def standing(self, tenant: str) -> Standing | None:
        """What this worker knows without Redis; None where the tenant has no budget."""
        if self.limit(tenant) is None:
            return None
        return self._standing(tenant, self._today(tenant), DAY_S - int(self._clock.time()) % DAY_S)

    def with_cost(self, standing: Standing, cost: int, unpriced: int) -> Standing:
        """The same after a request that cost so much."""
        spent = standing.spent + cost
        state = self._state(spent, standing.limit)
        return Standing(standing.limit, spent, standing.unpriced + unpriced, standing.day_left_s, state)

    def owe(self, tenant: str, cost: int, unpriced: int) -> None:
        """Redis could not be told of this."""
        known = self._today(tenant)
        known.owed += cost
        known.owed_unpriced += unpriced

    def owing(self) -> list[str]:
        """The tenants of whom Redis is still to be told something of today."""
        today = self._day()
        return [
            name for name, known in self._seen.items() if known.day == today and (known.owed or known.owed_unpriced)
        ]

    def take_owed(self, tenant: str) -> tuple[int, int]:
        """What Redis is still to be told of today, to be sent with the next settlement: nano-USD, attempts."""
        known = self._today(tenant)
        owed = known.owed, known.owed_unpriced
        known.owed = known.owed_unpriced = 0
        return owed

    def refusal(self, standing: Standing) -> BudgetExhausted:
        """The error that stops a request, with the status of the setting."""
        hours, minutes = divmod(-(-standing.day_left_s // 60), 60)
        text = (
            f"the budget of your tenant for today, {standing.limit / NANO_USD:g} USD, is spent; wait for the next day "
            f"(UTC), which begins in {hours} h {minutes:02} min, or have the budget raised; answers in the cache are "
            "still given"
        )
        if self._stop == "429":
            return BudgetExhaustedToday(text, retry_after_s=standing.day_left_s)
        return BudgetExhausted(text)

    def snapshot(self) -> list[tuple[str, int, int, State]]:
        """Today's tenant, spent, limit (nano-USD) and state, as this worker saw them last; who spent most first."""
        today = self._day()
        rows = [
            (tenant, now.spent, now.limit, now.state)
            for tenant, known in self._seen.items()
            if known.day == today
            for now in [self._standing(tenant, known, 0)]
        ]
        return sorted(rows, key=lambda row: -row[1])[:MOST_TOLD]

    def _standing(self, tenant: str, known: _Seen, day_left_s: int) -> Standing:
        limit, spent = self.limit(tenant) or 0, known.spent + known.owed
        return Standing(limit, spent, known.unpriced + known.owed_unpriced, day_left_s, self._state(spent, limit))

    def _state(self, spent: int, limit: int) -> State:
        if spent >= limit:
            return "exhausted"
        return "warning" if spent >= limit * self._warn_share else "ok"

    def _today(self, tenant: str) -> _Seen:
        today = self._day()
        known = self._seen.get(tenant)
        if known is None or known.day != today:
            known = self._seen[tenant] = _Seen(today)
            if len(self._seen) > MOST_TENANTS:
                self._seen.popitem(last=False)
        self._seen.move_to_end(tenant)
        return known

    def _day(self) -> int:
        return int(self._clock.time()) // DAY_S


def spent_by(attempts: Sequence[Attempt]) -> tuple[int, int]:
    """What the attempts have cost, in nano-USD, and how many of them have no known price."""
    costs = [attempt.cost_nano_usd for attempt in attempts]
    return sum(cost or 0 for cost in costs), sum(cost is None for cost in costs)


def _nano(usd: float | None) -> int | None:
    return None if usd is None else round(usd * NANO_USD)
