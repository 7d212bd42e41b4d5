"""What the Cost page asks the collector: one bill per range, and today's budgets. Read `cost_words.py` next.

Money is integer nano-USD from the store to the last sum; it becomes USD where it is written out. The answers are kept
for a few seconds and shared by all open pages, so that ten of them cost the collector no more than one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..backends.all import backends
from ..feed import switches
from ..feed.picture import Mark
from ..feed.rollup import ENDPOINTS

ASKS = "(" + ", ".join(f"'{endpoint}'" for endpoint in ENDPOINTS) + ")"
PAYMENTS = "payments"
"""The provider of refunds: it takes no tokens, so its calls are no part of this bill."""

NANO = 10**9
KEPT_S = 4
LONGEST_KEPT_S = 20
MOST_ROWS = 200
"""Rows of one breakdown, those that cost most; a load test may have thousands of tenants."""
MOST_REQUESTS = 20
GONE_S = 60
"""A worker that has been silent this long beside the others has ended: what it last knew of a budget is old."""

now_s: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Range:
    """How far back, how wide a bar of the chart is, and how long a bill is kept, in seconds."""

    words: str
    length_s: int
    bar_s: int
    kept_s: int


RANGES = (
    Range("5 min", 300, 5, 4),
    Range("15 min", 900, 15, 4),
    Range("1 h", 3600, 60, 8),
    Range("24 h", 86_400, 1200, 20),
)

BREAKDOWNS = ("endpoint", "route", "model", "tenant")


@dataclass(frozen=True, slots=True)
class Bill:
    """A range's money in nano-USD: by time and purpose, by each of BREAKDOWNS, and its most expensive requests.

    Of the columns `calls`, `unpriced` and `answered` are counts; `asked` is what chats cost, without jobs and runs;
    `more` is what providers may bill beyond `spent` for attempts that ended early, at most. `marks` are the
    switches of stages. `since` and `until` are UTC; `first` is the oldest entry's time, None where there is none.
    """

    since: pd.Timestamp
    until: pd.Timestamp
    first: pd.Timestamp | None
    over_time: pd.DataFrame
    marks: list[Mark]
    breakdowns: dict[str, pd.DataFrame]
    expensive: pd.DataFrame

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked."""
        return self.first is None

    def total(self, column: str) -> int:
        """The sum of a column."""
        return int(self.over_time[column].sum())

    def spent_on(self, *purposes: str) -> int:
        """What was spent for these purposes."""
        return int(self.over_time.loc[self.over_time["purpose"].isin(purposes), "spent"].sum())

    @property
    def length_s(self) -> float:
        """Seconds of the range in which there was something: from the first request, at least a minute."""
        first = self.since if self.first is None else self.first
        return max(float((self.until - first).total_seconds()), 60.0)


_IN_RANGE = '"time" >= $since AND "time" < $until'
_SUMS = (
    "calls",
    "spent",
    "failed",
    "abandoned",
    "unpriced",
    "more",
    "input_tokens",
    "output_tokens",
    "saved",
    "answered",
    "asked",
)

_BILL = f"""
WITH entry AS (
  SELECT "time", purpose, endpoint, route, target AS provider, model, tenant, 1 AS calls, cost_nano_usd AS spent,
    CASE purpose WHEN 'retry' THEN cost_nano_usd END AS failed,
    CASE purpose WHEN 'abandoned' THEN cost_nano_usd END AS abandoned,
    (cost_nano_usd IS NULL)::INTEGER AS unpriced,
    CASE WHEN NOT exact THEN greatest(most_nano_usd - coalesce(cost_nano_usd, 0), 0) END AS more,
    input_tokens, output_tokens, 0 AS saved, 0 AS answered,
    CASE WHEN endpoint IN {ASKS} THEN cost_nano_usd END AS asked
  FROM attempts WHERE {_IN_RANGE} AND target <> '{PAYMENTS}'
  UNION ALL
  SELECT "time", NULL, endpoint, route, provider, model, tenant, 0, 0, 0, 0, 0, 0, 0, 0, saved_nano_usd,
    (outcome IN ('answered', 'degraded'))::INTEGER, 0
  FROM requests WHERE {_IN_RANGE} AND endpoint IN {ASKS}
),
bar AS (SELECT *, time_bucket(INTERVAL '$bar_s seconds', "time") AS bar FROM entry),
part AS (
  SELECT
    CASE 0 WHEN grouping(bar) THEN 'time' WHEN grouping(endpoint) THEN 'endpoint' WHEN grouping(route) THEN 'route'
      WHEN grouping(model) THEN 'model' ELSE 'tenant' END AS part,
    bar, purpose, coalesce(endpoint, route, model || ' · ' || provider, tenant) AS name,
    min("time") AS first, {", ".join(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in _SUMS)}
  FROM bar GROUP BY GROUPING SETS ((bar, purpose), (endpoint), (route), (provider, model), (tenant))
)
FROM part
QUALIFY part = 'time' OR row_number() OVER (PARTITION BY part ORDER BY spent DESC, saved DESC) <= {MOST_ROWS}
ORDER BY part, bar, spent DESC, saved DESC, name"""  # noqa: S608 - our own names; times are put in as numbers

_SHOWN = """"time", request_id, trace_id, unpriced, tenant, endpoint, model, outcome, input_tokens, output_tokens"""
_EXPENSIVE = f"""
WITH priced AS (
  SELECT {_SHOWN}, cost_nano_usd AS spent FROM requests WHERE {_IN_RANGE} AND cost_nano_usd > 0
  ORDER BY spent DESC LIMIT {MOST_REQUESTS}
),
-- A request with a call of unknown price has no sum of its own: that of its other calls counts.
partly AS (SELECT {_SHOWN} FROM requests WHERE {_IN_RANGE} AND unpriced > 0),
known AS (
  SELECT request_id, trace_id, sum(cost_nano_usd)::BIGINT AS spent FROM attempts
  WHERE {_IN_RANGE} AND request_id IN (SELECT request_id FROM partly) GROUP BY ALL
)
FROM priced UNION ALL SELECT partly.*, spent FROM partly JOIN known USING (request_id, trace_id) WHERE spent > 0
ORDER BY spent DESC, "time" DESC LIMIT {MOST_REQUESTS}"""  # noqa: S608

_SWITCHES = switches.SQL.format(condition='"time" < $until')

_BUDGETS = f"""
WITH told AS (
  SELECT name, instance, attributes, max("time") AS seen, arg_max(value, "time")::BIGINT AS nano FROM metric_points
  WHERE name IN ('gauntlet.budget.spent', 'gauntlet.budget.limit')
    AND "time" >= date_trunc('day', make_timestamp($until_us)) AND "time" < make_timestamp($until_us)
  GROUP BY ALL
),
named AS (SELECT *, attributes ->> 'gauntlet.tenant' AS tenant, attributes ->> 'gauntlet.state' AS state FROM told),
-- A tenant's state is a label: of a worker's series the newest holds.
spent AS (
  SELECT tenant, instance, max(seen) AS seen, arg_max(nano, seen) AS known, arg_max(state, seen) AS state
  FROM named WHERE name = 'gauntlet.budget.spent' GROUP BY ALL
),
-- Each worker knows the fleet's sum as of its own last request: the largest of the living ones is the newest.
living AS (SELECT * FROM spent QUALIFY seen >= max(seen) OVER (PARTITION BY tenant) - INTERVAL {GONE_S} SECOND),
most AS (SELECT tenant, arg_max(nano, seen) AS most FROM named WHERE name = 'gauntlet.budget.limit' GROUP BY ALL)
SELECT tenant, max(known) AS spent, any_value(most) AS "limit", arg_max(state, known) AS state, max(seen) AS seen
FROM living JOIN most USING (tenant) GROUP BY tenant ORDER BY max(known) / greatest(any_value(most), 1) DESC, tenant
"""  # noqa: S608


def bill(collector_url: str, chosen: Range) -> Bill:
    """The bill of a range that ends now. `collector_url` is what answers are kept by. Raises Away and Refused."""
    return _bill(collector_url, chosen, int(now_s() // chosen.kept_s))


@st.cache_data(ttl=LONGEST_KEPT_S, show_spinner=False, max_entries=16)
def _bill(collector_url: str, chosen: Range, turn: int) -> Bill:
    """Whoever asks in the same `turn` of some seconds gets the same answer."""
    until_s = now_s()
    since_us, until_us = round((until_s - chosen.length_s) * 1e6), round(until_s * 1e6)

    def ask(query: str) -> pd.DataFrame:
        query = query.replace("$since", f"make_timestamp({since_us})").replace("$until", f"make_timestamp({until_us})")
        return backends().collector.sql(query.replace("$bar_s", str(chosen.bar_s)))

    rows = ask(_BILL)
    over_time = rows.loc[rows["part"] == "time"]
    return Bill(
        since=pd.Timestamp(since_us, unit="us"),
        until=pd.Timestamp(until_us, unit="us"),
        first=None if over_time.empty else over_time["first"].min(),
        over_time=over_time[["bar", "purpose", *_SUMS]].reset_index(drop=True),
        marks=switches.marks_of(switches.rows_of(ask(_SWITCHES))),
        breakdowns={part: _breakdown(rows.loc[rows["part"] == part]) for part in BREAKDOWNS},
        expensive=ask(_EXPENSIVE),
    )


def _breakdown(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows by name, without those in which nothing happened, such as questions that were refused at the door."""
    happened = (rows["calls"] > 0) | (rows["answered"] > 0)
    named = rows.loc[happened, ["name", *_SUMS]].reset_index(drop=True)
    named["name"] = named["name"].fillna("none")
    return named


@st.cache_data(ttl=KEPT_S, show_spinner=False, max_entries=4)
def budgets(collector_url: str) -> pd.DataFrame:
    """`tenant`, `spent` and `limit` (nano-USD, today), `state`, `seen` (UTC). Raises Away and Refused."""
    return backends().collector.sql(_BUDGETS.replace("$until_us", str(round(now_s() * 1e6))))


def newest() -> pd.Timestamp | None:
    """When something was asked last (UTC), None for never. Raises Away and Refused."""
    at = backends().collector.sql(f'SELECT max("time") AS at FROM requests WHERE endpoint IN {ASKS}')["at"].iloc[0]  # noqa: S608
    return None if pd.isna(at) else at
