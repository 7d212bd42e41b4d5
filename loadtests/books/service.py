"""The service's book: a record per request, and the lives of its workers, read from the collector by SQL.

The records are the bodies of log records (docs/telemetry.md). OTLP delivers at least once, so of copies that are equal
to the last character one is taken, and the others are counted. Read `ends.py` next:
what it says of jobs, runs and messages.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from loadtests.books import ends, wire
from loadtests.books.ends import AgentRun, Ends, Job, Message, quoted
from loadtests.books.errors import CannotJudge

PAGE_ROWS = 2_000
IDS_AT_ONCE = 500
MICROSECONDS = 1_000_000
LONGEST_S = 600.0
"""No request takes longer; its log record is of its arrival, or of its end."""

WHOSE = "the collector"
T = TypeVar("T")
DROPPED = "gauntlet.telemetry.dropped"
"""The metric in which a worker counts what it could not deliver; cumulative."""

SEARCHERS = ("embeddings", "rerank")
QUEUE = "gauntlet.queue.waiting"
"""The metric that only those tell who work through the queue."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to a provider. `most_nano_usd` is the most that it may be billed for where `exact` is false."""

    n: int
    target: str
    model: str | None
    status: str
    upstream_status: int | None
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int | None
    exact: bool
    most_nano_usd: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One request as the service answered it; `t` is its arrival in Unix seconds."""

    request_id: str
    instance: str
    t: float
    duration_ms: float
    endpoint: str
    status: int
    outcome: str
    tenant: str | None
    user: str | None
    source: str | None
    degraded: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int | None
    unpriced: int
    max_tokens: int | None
    charge_key: str | None
    replayed: bool
    attempts: tuple[Attempt, ...]
    step: str | None = None
    """Of own work: which step it is, of which job or run."""

    @property
    def ended(self) -> float:
        """Unix seconds."""
        return self.t + self.duration_ms / 1000

    @property
    def answering(self) -> Sequence[Attempt]:
        """The calls whose tokens its caller is told of: not those that searched, which show in the cost alone."""
        return [attempt for attempt in self.attempts if attempt.target not in SEARCHERS]


@dataclass(frozen=True, slots=True)
class Instance:
    """One worker process, times in Unix seconds: `stopped` is its orderly end, null when it told of none.

    `last_record` is the end of the last request whose record arrived, `last_sign` its newest telemetry of any kind.
    `works`: it works through the queue; false: it answers requests; null where it lived too short to tell.
    """

    id: str
    started: float
    stopped: float | None
    last_record: float
    last_sign: float
    works: bool | None = None


@dataclass(frozen=True, slots=True)
class ServiceBook:
    """The records, every instance that the collector knows, and the requests whose record was delivered again.

    `dropped` counts the log records that workers say they could not deliver; which ones they were nobody knows.
    """

    records: Sequence[Record] = ()
    instances: Sequence[Instance] = ()
    redelivered: Sequence[str] = ()
    dropped: int = 0
    messages: Sequence[Message] = ()
    runs: Sequence[AgentRun] = ()
    jobs: Sequence[Job] = ()

    def and_also(self, more: Iterable[Record]) -> "ServiceBook":
        """With these records too, those that are there already left out."""
        return replace(self, records=list(dict.fromkeys([*self.records, *more])))


_RECORD = TypeAdapter(Record)


@dataclass(slots=True)
class ServiceReader:
    """Reads the book from the collector at `url`. Every method raises CannotJudge."""

    url: str
    page_rows: int = PAGE_ROWS
    _redelivered: list[str] = field(default_factory=list, init=False)

    def read(self, since: float, until: float) -> ServiceBook:
        """The requests that arrived between two moments, Unix seconds."""
        self._redelivered = []
        first, last = int(since * MICROSECONDS), int((until + LONGEST_S) * MICROSECONDS)
        written = f"time between make_timestamp({first}) and make_timestamp({last})"
        records = [record for record in self._records(written) if since <= record.t <= until]
        ended = f"ended between {since!r} and {until + LONGEST_S!r}"
        return ServiceBook(
            records,
            list(self._instances()),
            self._redelivered,
            self._dropped(first),
            self._ends(ends.MESSAGES, f"t between {since!r} and {until!r}"),
            self._ends(ends.RUNS, ended),
            self._ends(ends.JOBS, ended),
        )

    def by_request(self, request_ids: Iterable[str]) -> list[Record]:
        """The records of these requests, whenever they arrived."""
        return self._by("request_id", request_ids)

    def by_charge_key(self, keys: Iterable[str]) -> list[Record]:
        """The records of the requests that sent these keys to the payments provider."""
        return self._by("charge_key", keys)

    def by_message(self, message_ids: Iterable[str]) -> list[Message]:
        """The ends of these messages, whenever they were."""
        return self._ends_by(ends.MESSAGES, "message_id", message_ids)

    def by_run_key(self, keys: Iterable[str]) -> list[AgentRun]:
        """The runs that sent these keys to the payments provider, whenever they ended."""
        return self._ends_by(ends.RUNS, "charge_key", keys)

    def _ends(self, kind: Ends[T], condition: str) -> list[T]:
        return ends.read(kind, condition, self._asked, self.page_rows)

    def _ends_by(self, kind: Ends[T], name: str, values: Iterable[str]) -> list[T]:
        return [
            one
            for listed in _listed(values)
            for one in self._ends(kind, f"{name} in ({', '.join(map(quoted, listed))})")
        ]

    def _by(self, name: str, values: Iterable[str]) -> list[Record]:
        found: list[Record] = []
        for some in _listed(values):
            listed = ", ".join(map(quoted, some))
            traces = f"select trace_id from requests where {name} in ({listed})"  # noqa: S608 - quoted
            found += (record for record in self._records(f"trace_id in ({traces})") if getattr(record, name) in some)
        return found

    def _records(self, condition: str) -> Iterator[Record]:
        """Page by page, in the order of their log records; the place in that order is where the next page begins."""
        seen: dict[tuple[str, str], set[int]] = {}
        after = (-1, "")
        more = True
        while more:
            answer = self._asked(
                "select epoch_us(time) as logged, coalesce(span_id, '') as span, instance, body "  # noqa: S608 - quoted
                f"from log_records where event = 'gauntlet.request' and {condition} "
                f"and (epoch_us(time), coalesce(span_id, '')) > ({after[0]}, {quoted(after[1])}) "
                f"order by logged, span limit {self.page_rows}"
            )
            rows = answer["rows"]
            more = answer["truncated"] or len(rows) == self.page_rows
            for logged, span, instance, body in rows:
                after = (logged, span)
                copies = seen.setdefault((instance, span), set())
                record = _parsed(body)
                if hash(body) in copies:
                    self._redelivered.append(record.request_id)
                    continue
                copies.add(hash(body))
                yield record

    def _instances(self) -> Iterator[Instance]:
        answer = self._asked(
            "with signs as ("  # noqa: S608 - a name of ours
            " select instance, max(time) as time from log_records group by instance"
            " union all select instance, max(time) from metric_points group by instance"
            " union all select instance, max(start_time) from spans group by instance), "
            "roles as ("  # only who works through the queue tells how long it is, and only others answer
            f" select instance, true as works from metric_points where name = '{QUEUE}' group by instance"
            " union all select instance, false from requests where method <> 'WORK' group by instance) "
            "select instance, epoch(min(time) filter (event = 'gauntlet.worker.started')) as started, "
            "epoch(max(time) filter (event = 'gauntlet.worker.stopped')) as stopped, "
            "(select max(t + duration_ms / 1000) from requests where requests.instance = log_records.instance), "
            "(select epoch(max(signs.time)) from signs where signs.instance = log_records.instance), "
            "(select bool_or(roles.works) from roles where roles.instance = log_records.instance) "
            "from log_records where instance is not null group by instance having started is not null order by started"
        )
        for name, started, stopped, last_record, last_sign, works in answer["rows"]:
            yield Instance(name, started, stopped, last_record or started, last_sign or started, works)

    def _dropped(self, since_us: int) -> int:
        answer = self._asked(
            "select coalesce(sum(most), 0)::bigint from (select max(value) as most from metric_points "  # noqa: S608
            f"where name = '{DROPPED}' and attributes ->> 'gauntlet.signal' = 'logs' "
            f"and time >= make_timestamp({since_us}) group by instance, attributes)"
        )
        return int(answer["rows"][0][0])

    def _asked(self, sql: str) -> dict[str, Any]:
        answer: dict[str, Any] = wire.post(WHOSE, self.url, "/sql", {"sql": sql, "max_rows": self.page_rows})
        return answer


def _listed(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """Each once, so many at a time as one question may name."""
    wanted = sorted(set(values))
    for begin in range(0, len(wanted), IDS_AT_ONCE):
        yield wanted[begin : begin + IDS_AT_ONCE]


def _parsed(body: str) -> Record:
    try:
        return _RECORD.validate_json(body, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        field_name = ".".join(map(str, found["loc"]))
        raise CannotJudge(f"a record of the service is not as documented: {field_name}: {found['msg']}") from error
