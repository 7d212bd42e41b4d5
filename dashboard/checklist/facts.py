"""What the items look at: counts by SQL, the answers of `/health` and `/ready`, stages, charges. Read `items.py` next.

Each fact is asked for when an item needs it, and once. Whoever is away raises Away, and only the items that need them
feel it. Sums over a long range are kept cheap: what no count can tell is read from the newest rows only.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from string import Template
from typing import Any

import orjson
import pandas as pd  # type: ignore[import-untyped]

from ..backends.all import Backends
from ..backends.http import Away, Refused, shaped
from ..feed.rollup import ENDPOINTS

PAYMENTS = "payments"
NEWEST_REQUESTS = 20_000
NEWEST_RECORDS = 2000
NEWEST_CHARGES = 2000
PERSONAL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}|\b[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}\b"
"""E-mail addresses and IBANs by their form: what nobody of ours writes."""
_SAME = {
    "asks": "(" + ", ".join(f"'{endpoint}'" for endpoint in ENDPOINTS) + ")",
    "payments": PAYMENTS,
    "newest_requests": NEWEST_REQUESTS,
    "newest_records": NEWEST_RECORDS,
    "personal": PERSONAL,
}


@dataclass(frozen=True, slots=True)
class Probe:
    """An answer of `/health` or `/ready`: its status, its JSON, and how long it took as measured here."""

    status: int
    document: dict[str, Any]
    took_ms: float


@dataclass
class Facts:
    """Of the last `range_s` seconds; every property raises Away or Refused. Counts are of chats, or say of what."""

    backends: Backends
    range_s: int
    admin_key: str | None
    now_s: Callable[[], float] = time.time
    away: dict[str, Away] = field(default_factory=dict)

    @cached_property
    def calls(self) -> dict[str, Any]:
        """Calls to LLM providers: `calls`, `longest_ms` of those not streamed, `timed_out`."""
        return self._row("""
            SELECT count(*) AS calls, max(duration_ms) FILTER (first_token_ms IS NULL) AS longest_ms,
              count(*) FILTER (status = 'timed_out') AS timed_out
            FROM attempts WHERE "time" >= $since AND target <> '$payments'""")

    @cached_property
    def decisions(self) -> dict[tuple[str, str], int]:
        """(stage, decision) -> how often, over all requests."""
        rows = self._rows('SELECT stage, decision, count(*) AS n FROM decisions WHERE "time" >= $since GROUP BY ALL')
        return {(row.stage, row.decision): int(row.n) for row in rows.itertuples()}

    @cached_property
    def opened(self) -> dict[str, int]:
        """Provider -> how often its circuit opened; every worker tells of it, so the most that one told."""
        rows = self._rows("""
            SELECT provider, max(n) AS n FROM (
              SELECT provider, instance, count(*) AS n FROM breaker_events
              WHERE "time" >= $since AND state = 'open' GROUP BY ALL
            ) GROUP BY provider ORDER BY provider""")
        return {row.provider: int(row.n) for row in rows.itertuples()}

    @cached_property
    def deadline_s(self) -> float | None:
        """The longest deadline among the newest traces."""
        found = self._row("""
            SELECT max(TRY_CAST(attributes ->> 'gauntlet.deadline_s' AS DOUBLE)) AS s FROM (
              SELECT attributes FROM spans
              WHERE start_time >= $since AND kind = 'server' AND attributes ->> 'http.route' IN $asks
              ORDER BY start_time DESC LIMIT 200)""")["s"]
        return None if pd.isna(found) else float(found)

    @cached_property
    def requests(self) -> dict[str, Any]:
        """`asked`, `answered`, `cached` (or shared), `elsewhere` (another provider or model), `limited…`, `workers`."""
        return self._row("""
            SELECT count(*) AS asked, count(*) FILTER (outcome IN ('answered', 'degraded')) AS answered,
              count(*) FILTER (source IN ('cache', 'shared') AND outcome IN ('answered', 'degraded')) AS cached,
              count(*) FILTER (source IN ('provider', 'smaller_model')) AS elsewhere,
              count(*) FILTER (error = 'rate_limited') AS limited,
              count(DISTINCT (tenant, "user")) FILTER (error = 'rate_limited') AS limited_users,
              count(DISTINCT instance) AS workers
            FROM requests WHERE "time" >= $since AND endpoint IN $asks""")

    @cached_property
    def others_served(self) -> int:
        """Users who were answered within half a minute of the newest 429, and not refused themselves in that time."""
        return int(
            self._row("""
            WITH asked AS (
              SELECT "time", tenant, "user", error = 'rate_limited' AS refused,
                outcome IN ('answered', 'degraded') AS served
              FROM requests WHERE "time" >= $since AND endpoint IN $asks
            ),
            newest AS (SELECT max("time") AS at FROM asked WHERE refused),
            near AS (
              SELECT tenant, "user", bool_or(coalesce(refused, false)) AS refused, bool_or(served) AS served
              FROM asked, newest
              WHERE "time" BETWEEN newest.at - INTERVAL 30 SECOND AND newest.at + INTERVAL 30 SECOND GROUP BY ALL
            )
            SELECT count(*) FILTER (served AND NOT refused) AS n FROM near""")["n"]
        )

    @cached_property
    def refunds(self) -> dict[str, Any]:
        """`asked`, `keys` (distinct ones that reached the payments provider), `replayed`, `keyless` (refused, 400)."""
        return self._row("""
            SELECT count(*) AS asked, count(DISTINCT charge_key) AS keys, count(*) FILTER (replayed) AS replayed,
              count(*) FILTER (status = 400) AS keyless
            FROM requests WHERE "time" >= $since AND endpoint = '/refund'""")

    @cached_property
    def charges(self) -> dict[str, int]:
        """Key -> how often money moved for it, by the simulator's ledger, its newest rows."""
        simulator = self.backends.simulator
        state = self._asked(simulator.state)
        last = shaped(simulator, lambda: int(state["last_seq"]))
        since = str(max(last - NEWEST_CHARGES, 0))
        ledger = self._asked(lambda: simulator.ask("GET", "/sim/ledger", query={"since": since}))
        return dict(Counter(shaped(simulator, lambda: [str(row["idempotency_key"]) for row in ledger["charges"]])))

    @cached_property
    def threads(self) -> dict[str, Any]:
        """Among the newest traces: `threads`, `continued` (of more than one turn), `moved` (over several workers)."""
        return self._row("""
            WITH newest AS (
              SELECT attributes, instance FROM spans
              WHERE start_time >= $since AND kind = 'server' ORDER BY start_time DESC LIMIT $newest_requests
            ),
            thread AS (
              SELECT attributes ->> 'gen_ai.conversation.id' AS id, count(*) AS turns,
                count(DISTINCT instance) AS workers
              FROM newest GROUP BY 1
            )
            SELECT count(*) AS threads, count(*) FILTER (turns > 1) AS continued, count(*) FILTER (workers > 1) AS moved
            FROM thread WHERE id IS NOT NULL""")

    @cached_property
    def at_once(self) -> int:
        """The most chats under way at one time in one worker, among the newest."""
        found = self._row("""
            WITH newest AS (
              SELECT instance, "time", duration_ms FROM requests WHERE "time" >= $since AND endpoint IN $asks
              ORDER BY "time" DESC LIMIT $newest_requests
            ),
            change AS (
              SELECT instance, "time" AS moment, 1 AS step FROM newest
              UNION ALL
              SELECT instance, "time" + to_microseconds((duration_ms * 1000)::BIGINT), -1 FROM newest
            ),
            level AS (SELECT sum(step) OVER (PARTITION BY instance ORDER BY moment, step) AS n FROM change)
            SELECT max(n)::BIGINT AS n FROM level""")["n"]
        return 0 if pd.isna(found) else int(found)

    @cached_property
    def newest(self) -> dict[str, Any] | None:
        """The newest chat of a known user: `request_id`, `tenant`, `user`, `time`, `of_user` (how many there are)."""
        rows = self._rows("""
            WITH newest AS (
              SELECT request_id, tenant, "user", "time" FROM requests
              WHERE "time" >= $since AND endpoint IN $asks AND "user" IS NOT NULL ORDER BY "time" DESC LIMIT 1
            )
            SELECT newest.*, (
              SELECT count(*) FROM requests AS r
              WHERE r."time" >= $since AND r."user" = newest."user" AND r.tenant = newest.tenant
            ) AS of_user FROM newest""")
        return None if rows.empty else dict(rows.to_dict("records")[0])

    def trace(self, request_id: str) -> dict[str, Any] | None:
        """All that is known of a request; None when it is not found."""
        try:
            found: dict[str, Any] = self._asked(lambda: self.backends.collector.trace(request_id))
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return found

    @cached_property
    def bypassed(self) -> int:
        """Times that the cache stood aside because a question may hold personal data, in the kept traces."""
        return int(
            self._row("""
            SELECT count(*) AS n FROM stage_decisions WHERE "time" >= $since AND stage = 'cache' AND decision = 'bypass'
              AND contains(inputs ->> 'why', 'personal data')""")["n"]
        )

    @cached_property
    def personal(self) -> dict[str, Any]:
        """Of the newest log records and spans: how many were `read`, and in how many is something `found`."""
        return self._row("""
            WITH record AS (
              SELECT concat_ws(' ', body, attributes::VARCHAR) AS said FROM log_records
              WHERE "time" >= (SELECT min("time") FROM
                (SELECT "time" FROM log_records WHERE "time" >= $since ORDER BY "time" DESC LIMIT $newest_records))
              UNION ALL
              SELECT concat_ws(' ', status_message, attributes::VARCHAR, events::VARCHAR) FROM spans
              WHERE start_time >= (SELECT min(start_time) FROM (SELECT start_time FROM spans
                WHERE start_time >= $since ORDER BY start_time DESC LIMIT $newest_records))
            )
            SELECT count(*) AS read, count(*) FILTER (regexp_matches(said, '$personal')) AS found FROM record""")

    @cached_property
    def health(self) -> Probe:
        """What `/health` says."""
        return self._probe("/health")

    @cached_property
    def ready(self) -> Probe:
        """What `/ready` says."""
        return self._probe("/ready")

    @property
    def providers(self) -> dict[str, str]:
        """LLM provider -> its circuit's state, by `/ready`."""
        return {
            row["provider"]: row["state"]
            for row in self.ready.document.get("providers", ())
            if row["provider"] != PAYMENTS
        }

    @cached_property
    def off(self) -> frozenset[str] | None:
        """Stages that are switched off; None where it cannot be known (the service is away, or wants another key)."""
        if self.admin_key is None:
            return None
        key = self.admin_key
        try:
            stages = self._asked(lambda: self.backends.service.stages(key))
        except (Away, Refused):
            return None
        return frozenset(name for name, on in stages.items() if not on)

    def _rows(self, query: str) -> pd.DataFrame:
        """The rows of a query, in which `$since` and the like stand for what is the same for all."""
        since_us = round((self.now_s() - self.range_s) * 1e6)
        filled = Template(query).substitute(_SAME, since=f"make_timestamp({since_us})")
        return self._asked(lambda: self.backends.collector.sql(filled))

    def _row(self, query: str) -> dict[str, Any]:
        row: dict[str, Any] = self._rows(query).to_dict("records")[0]
        return row

    def _probe(self, path: str) -> Probe:
        service, began_s = self.backends.service, time.perf_counter()
        response = self._asked(lambda: service.response("GET", path, also=(503,)))
        took_ms = (time.perf_counter() - began_s) * 1000
        try:
            document = orjson.loads(response.data)
        except orjson.JSONDecodeError as error:
            raise Away(service.name, service.url, f"what came from {path} is no JSON") from error
        return Probe(response.status, document, took_ms)

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """The answer; who is away is remembered, to be named once on the page."""
        try:
            return ask()
        except Away as error:
            self.away[error.name] = error
            raise
