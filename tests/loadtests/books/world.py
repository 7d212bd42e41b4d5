"""A world in which every rule has something to say, and the three books agree. Tests then alter one of them.

Times are Unix seconds from `BEGAN`. Worker 111 lives; worker 222 was killed and replaced by 333; of those that work
through the queue, 444 was killed and replaced by 555.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loadtests.books.books import Books
from loadtests.books.client import Entry
from loadtests.books.ends import AgentRun, Job, Message
from loadtests.books.findings import Reconciliation
from loadtests.books.ledger import Call, Charge, ProviderLedger, Webhook
from loadtests.books.reconcile import reconcile
from loadtests.books.service import Attempt, Instance, Record, ServiceBook

BEGAN = 1_000_000.0
ENDED = BEGAN + 100
NOW = ENDED + 200
KILLED = BEGAN + 61.5
WORK_KILLED = BEGAN + 71.5
SEED = uuid.UUID(int=7)
INSTANCE = "111-aa"

OPUS, GPT = ("anthropic", "claude-opus-4-7"), ("openai", "gpt-5.5")


def rid(name: str) -> str:
    """The request id of a seeded client."""
    return str(uuid.uuid5(SEED, name))


def attempt(
    n: int,
    provider: tuple[str, str | None],
    status: str = "ok",
    upstream: int | None = 200,
    tokens: tuple[int, int] = (0, 0),
    cost: int | None = 0,
    most: int | None = None,
) -> Attempt:
    return Attempt(n, *provider, status, upstream, *tokens, cost, most is None, most)


def call(
    n: int,
    provider: tuple[str, str | None],
    status: int | None = 200,
    tokens: tuple[int, int] = (0, 0),
    bill: int = 0,
    completed: bool = True,
) -> Call:
    """A row without its request, time and number: `World.add` fills them in."""
    return Call(0, 0.0, provider[0], None, n, provider[1], status, *tokens, bill, completed, 0.01)


PAYMENTS = ("payments", "refund")


@dataclass
class World:
    """The books as lists, and names for the requests in them."""

    entries: list[Entry] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    received: list[Webhook] = field(default_factory=list)
    runs: list[AgentRun] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    closed: bool = True
    has_client: bool = True
    now: float = NOW
    complete_from: float = 0.0

    def add(
        self,
        name: str,
        at: float,
        *,
        entry: dict[str, Any] | None = None,
        record: dict[str, Any] | None = None,
        attempts: Sequence[Attempt] = (),
        calls: Sequence[Call] = (),
        request_id: str | None = None,
    ) -> None:
        """One request at `at` seconds of the run, in those books that are given."""
        request_id, t = request_id or rid(name), BEGAN + at
        for row in calls:
            self.calls.append(replace(row, seq=len(self.calls) + 1, t=t + 0.01 * row.attempt, request_id=request_id))
        unpriced = sum(one.cost_nano_usd is None for one in attempts)
        sums: dict[str, Any] = {
            "input_tokens": sum(one.input_tokens for one in attempts),
            "output_tokens": sum(one.output_tokens for one in attempts),
            "cost_nano_usd": None if unpriced else sum(one.cost_nano_usd or 0 for one in attempts),
        }
        if record is not None:
            common: dict[str, Any] = {
                "endpoint": "/chat",
                "status": 200,
                "outcome": "answered",
                "tenant": "t",
                "user": "u",
                "source": None,
                "degraded": (),
                "max_tokens": 100,
                "charge_key": None,
                "replayed": False,
                "unpriced": unpriced,
            }
            known = {"request_id": request_id, "instance": INSTANCE, "t": t, "duration_ms": 100.0}
            own = {"attempts": tuple(attempts)}
            self.records.append(Record(**{**common, **known, **own, **sums, **record}))
        if entry is not None:
            told: dict[str, Any] = sums if (record or {}).get("source") else {}
            both: dict[str, Any] = {
                name: (record or {})[name] for name in ("status", "source", "degraded") if name in (record or {})
            }
            sent: dict[str, Any] = {"endpoint": "/chat", "status": 200, "outcome": "answered", "worker": "111"}
            whose: dict[str, Any] = {"request_id": request_id, "t": t, "duration_ms": 101.0}
            self.entries.append(Entry(**{**sent, **whose, **told, **both, **entry}))

    def books(self) -> Books:
        return Books(
            client=self.entries if self.has_client else None,
            service=ServiceBook(self.records, self.instances, messages=self.messages, runs=self.runs, jobs=self.jobs),
            ledger=ProviderLedger(
                self.calls, self.charges, len(self.calls), self.complete_from, webhooks=self.received, receiver=8105
            ),
            since=BEGAN,
            until=ENDED,
            now=self.now,
            closed=self.closed,
        )

    def judged(self) -> Reconciliation:
        return reconcile(self.books())


def balanced() -> World:
    """The world in which nothing is wrong."""
    w = World()
    w.instances = [
        Instance(INSTANCE, BEGAN - 10, None, NOW - 1, NOW - 1, works=False),
        Instance("222-bb", BEGAN - 10, None, BEGAN + 60, BEGAN + 60.5, works=False),
        Instance("333-cc", KILLED, NOW - 2, NOW - 2, NOW - 2, works=False),
        Instance("444-dd", BEGAN - 10, None, BEGAN + 70, BEGAN + 70.5, works=True),
        Instance("555-ee", WORK_KILLED, None, NOW - 1, NOW - 1, works=True),
    ]
    w.add(
        "plain", 1, entry={}, record={"source": "live"},
        attempts=[attempt(1, OPUS, tokens=(100, 20), cost=1_000_001)],
        calls=[call(1, OPUS, tokens=(100, 20), bill=1_000_001)],
    )  # fmt: skip
    w.add(
        "fallback", 2, entry={},
        record={"source": "provider", "outcome": "degraded", "degraded": ("anthropic:unavailable",)},
        attempts=[
            attempt(1, OPUS, "unavailable", 503),
            attempt(2, OPUS, "unavailable", 529),
            attempt(3, GPT, tokens=(100, 30), cost=77),
        ],
        calls=[call(1, OPUS, 503), call(2, OPUS, 529), call(3, GPT, tokens=(100, 30), bill=77)],
    )  # fmt: skip
    w.add("hit", 3, entry={}, record={"source": "cache"})
    w.add("limited", 4, entry={"outcome": "refused"}, record={"status": 429, "outcome": "refused"})
    w.add(
        "honest", 5, entry={"outcome": "failed"}, record={"status": 503, "outcome": "unavailable", "source": "message"},
        attempts=[attempt(1, OPUS, "connection_failed", None), attempt(2, GPT, "unavailable", 500)],
        calls=[call(2, GPT, 500)],
    )  # fmt: skip
    w.add(
        "left", 6, entry={"outcome": "left", "stream": True}, record={"outcome": "cancelled"},
        attempts=[attempt(1, OPUS, "cancelled", tokens=(90, 5), cost=500, most=3_000)],
        calls=[call(1, OPUS, tokens=(100, 7), bill=675, completed=False)],
    )  # fmt: skip
    w.add(
        "broken", 7, entry={"outcome": "broken", "stream": True}, record={"outcome": "broken"},
        attempts=[attempt(1, GPT, "stream_broken", tokens=(90, 5), cost=500, most=3_000)],
        calls=[call(1, GPT, tokens=(100, 7), bill=600, completed=False)],
    )  # fmt: skip
    w.add(
        "refund", 8, entry={"endpoint": "/refund", "key": "k1"},
        record={"endpoint": "/refund", "charge_key": "a" * 64},
        attempts=[attempt(1, PAYMENTS, "connection_failed", None, most=0), attempt(2, PAYMENTS)],
        calls=[call(1, ("payments", None), None, completed=False), call(2, ("payments", None))],
    )  # fmt: skip
    w.charges.append(Charge(BEGAN + 8.015, "a" * 64, 1250, "usd"))
    w.add(
        "replay", 9, entry={"endpoint": "/refund", "key": "k1", "replayed": True},
        record={"endpoint": "/refund", "replayed": True},
    )  # fmt: skip
    w.add(
        "doubt", 10, entry={"endpoint": "/refund", "key": "k2", "outcome": "failed"},
        record={"endpoint": "/refund", "charge_key": "b" * 64, "status": 504, "outcome": "failed"},
        attempts=[attempt(1, PAYMENTS, "timed_out", None, most=0)],
        calls=[call(1, ("payments", None), None, completed=False)],
    )  # fmt: skip
    w.charges.append(Charge(BEGAN + 10.015, "b" * 64, 1250, "usd"))
    w.add(
        "unpriced", 11, entry={}, record={"source": "live"},
        attempts=[attempt(1, ("openai", "fake-large"), tokens=(100, 20), cost=None)],
        calls=[call(1, ("openai", "fake-large"), tokens=(100, 20))],
    )  # fmt: skip
    w.add(
        "unread", 12, entry={"outcome": "left", "status": None, "worker": None},
        record={"status": 499, "outcome": "cancelled"},
        attempts=[attempt(1, OPUS, "cancelled", None, most=3_000)],
    )  # fmt: skip
    w.add(
        "cut", 13, entry={}, record={"source": "live"},
        attempts=[
            attempt(1, OPUS, "connection_failed", None, tokens=(90, 0), cost=450, most=3_000),
            attempt(2, OPUS, tokens=(100, 20), cost=1_001),
        ],
        calls=[
            call(1, OPUS, tokens=(100, 9), bill=700, completed=False),
            call(2, OPUS, tokens=(100, 20), bill=1_001),
        ],
    )  # fmt: skip
    w.add(
        "killed", 61, entry={"outcome": "lost", "worker": "222"},
        calls=[call(1, OPUS, tokens=(100, 20), bill=1_000, completed=False)],
    )  # fmt: skip
    w.add("in vain", 14, entry={"outcome": "lost", "status": None, "worker": None})
    w.add(
        "stranger", 15, record={"source": "live"}, request_id=str(uuid.UUID(int=1, version=4)),
        attempts=[attempt(1, GPT, tokens=(10, 2), cost=9)],
        calls=[call(1, GPT, tokens=(10, 2), bill=9)],
    )  # fmt: skip
    w.calls.append(replace(w.calls[0], seq=len(w.calls) + 1, t=BEGAN + 16, request_id=None))
    w.calls.append(replace(w.calls[0], seq=len(w.calls) + 1, t=BEGAN + 17, request_id="abc"))
    return w


def found(world: World, name: str, **wanted: object) -> bool:
    """Whether a difference names this request (and has these values); fails when another request is named as well."""
    differences = world.judged().differences
    request_id = rid(name)
    others = {one.request_id for one in differences} - {request_id}
    assert not others, differences
    return any(all(getattr(one, key) == value for key, value in wanted.items()) for one in differences)
