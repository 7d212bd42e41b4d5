"""What the collector takes in: spans and records of requests, from the first byte until the last is committed.

    python -m loadtests.bench.collector [--seconds S] [--rounds N]

The collector has one pinned core and DuckDB one thread; the sender, on the others, encodes its batches before the clock
starts. The goal is 30,000 spans per second. Read `load.py` next: the load generator.
"""

import argparse
import asyncio
import gzip
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console
from rich.table import Table

from loadtests.bench.load import Plan, run
from loadtests.bench.processes import Process, pin, split_cpus

GOAL_PER_S = 30_000
BATCH = 512
"""What OpenTelemetry's SDK sends at once."""

CONNECTIONS = 4

COMMITTED_WITHIN_S = 60.0
POLL_S = 0.05

_STAGES = ("cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead", "call", "session")


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind of telemetry: where it goes, where it ends up, how many are sent for each second, how it is packed."""

    name: str
    path: str
    table: str
    per_s: int
    is_gzip: bool = False


SPANS = Subject("spans", "/v1/traces", "spans", GOAL_PER_S)
GZIPPED = Subject("spans, gzip", "/v1/traces", "spans", GOAL_PER_S, is_gzip=True)
RECORDS = Subject("records of requests", "/v1/logs", "requests", 6_000)
SUBJECTS = (SPANS, GZIPPED, RECORDS)


def batches(subject: Subject) -> Iterator[bytes]:
    """Encoded exports without end, none with an item that was in another."""
    message, refresh = _records() if subject is RECORDS else _spans()
    while True:
        refresh()
        encoded = message.SerializeToString()
        yield gzip.compress(encoded, 6) if subject.is_gzip else encoded


def _spans() -> tuple[Any, Any]:
    """An export of spans with eight attributes and an event each, and what gives them new ids and times."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    _attributes(resource.resource.attributes, {"service.name": "gauntlet", "service.instance.id": "4711-1f3a"})
    scope = resource.scope_spans.add()
    scope.scope.name = "gauntlet"
    for number in range(BATCH):
        span = scope.spans.add()
        stage = _STAGES[number % len(_STAGES)]
        span.name, span.kind = stage, 1
        _attributes(
            span.attributes,
            {
                "gauntlet.stage": stage,
                "gauntlet.stage.decision": "passed",
                "gauntlet.request.id": str(uuid.uuid4()),
                "gauntlet.sampling.weight": 20,
                "gauntlet.deadline.left_s": 4.25 - number / 1000,
                "gauntlet.tenant": f"tenant-{number % 7}",
                "gauntlet.input.tokens_left": 99_000 - number,
                "gauntlet.input.key": uuid.uuid4().hex,
            },
        )
        event = span.events.add()
        event.name = "committed"
        _attributes(event.attributes, {"rung": number % 3})

    def refresh() -> None:
        now_ns, trace_id = time.time_ns(), b""
        for number, span in enumerate(scope.spans):
            if number % len(_STAGES) == 0:
                trace_id = os.urandom(16)
            span.trace_id, span.span_id = trace_id, os.urandom(8)
            span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1_250_000
            span.events[0].time_unix_nano = now_ns + 500_000

    return message, refresh


def _records() -> tuple[Any, Any]:
    """An export of records of requests (docs/telemetry.md), and what gives them new ids and times."""
    message = ExportLogsServiceRequest()
    resource = message.resource_logs.add()
    _attributes(resource.resource.attributes, {"service.name": "gauntlet", "service.instance.id": "4711-1f3a"})
    scope = resource.scope_logs.add()
    for _ in range(BATCH):
        log = scope.log_records.add()
        log.event_name, log.severity_number = "gauntlet.request", 9

    def refresh() -> None:
        now_ns = time.time_ns()
        for log in scope.log_records:
            log.time_unix_nano, log.trace_id, log.span_id = now_ns, os.urandom(16), os.urandom(8)
            told = {"request_id": str(uuid.uuid4()), "trace_id": log.trace_id.hex(), "t": now_ns / 1e9}
            log.body.string_value = orjson.dumps(told | _RECORD).decode()

    return message, refresh


_ATTEMPT = {
    "n": 1, "target": "anthropic", "model": "claude-opus-4-7", "status": "unavailable", "upstream_status": 503,
    "t_ms": 2.104, "duration_ms": 8.71, "first_token_ms": None, "input_tokens": 0, "output_tokens": 0,
    "cached_tokens": 0, "cache_write_tokens": 0, "cost_nano_usd": 0, "purpose": "retry", "exact": True,
    "most_nano_usd": None,
}  # fmt: skip
_RECORD = {
    "instance": "4711-1f3a", "duration_ms": 431.702, "method": "POST", "endpoint": "/chat", "status": 200,
    "outcome": "degraded", "error": None, "tenant": "tenant-3", "user": "9f8e7d6c5b4a3921", "route": "default",
    "stream": False, "source": "provider", "degraded": ["anthropic:unavailable"], "provider": "openai",
    "model": "gpt-5.5", "finish_reason": "stop", "first_token_ms": None, "input_tokens": 812, "output_tokens": 164,
    "cached_tokens": 0, "cost_nano_usd": 5_700_000, "unpriced": 0, "saved_nano_usd": 0, "max_tokens": 1024,
    "charge_key": None, "replayed": False, "off": [], "kept": "degraded", "weight": 1.0,
    "path": [[stage, "passed", 1.5 * place] for place, stage in enumerate(_STAGES * 2)],
    "attempts": [_ATTEMPT, _ATTEMPT | {"n": 2, "target": "openai", "status": "ok", "cost_nano_usd": 5_700_000}],
}  # fmt: skip


def _attributes(target: Any, given: dict[str, str | int | float]) -> None:
    for name, value in given.items():
        attribute = target.add(key=name)
        kind = {str: "string_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(attribute.value, kind, value)


async def measure(seconds: float, rounds: int) -> Table:
    """Start a collector on the first CPU, load it from the others, and return the table of results."""
    table = Table(title=f"the collector on one core, batches of {BATCH}: median of {rounds} rounds")
    for heading in ("items", "items/s", "CPU us per item", "MB/s", "MB resident", "failed", f"goal {GOAL_PER_S:,}/s"):
        table.add_column(heading, justify="left" if heading == "items" else "right")
    ours, others = split_cpus()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dashboard.collector", "--port", "0", "--threads", "1", "--data", folder]
        collector = Process("collector", command, {}, ours, Path(folder))
        try:
            pin(0, others)
            url = collector.wait_ready()["url"]
            for subject in SUBJECTS:
                table.add_row(*await _measure_one(collector, url, subject, seconds, rounds))
        finally:
            collector.end()
    return table


async def _measure_one(collector: Process, url: str, subject: Subject, seconds: float, rounds: int) -> tuple[str, ...]:
    headers = {"content-type": "application/x-protobuf"} | ({"content-encoding": "gzip"} if subject.is_gzip else {})
    source = batches(subject)
    rates, costs_us, megabytes_per_s, resident, failed = [], [], [], [], 0
    async with aiohttp.ClientSession(url, raise_for_status=True) as session:
        for _ in range(rounds):
            bodies = [next(source) for _ in range(int(seconds * subject.per_s / BATCH / CONNECTIONS) * CONNECTIONS)]
            before = await _rows(session, subject)
            plan = Plan(
                url + subject.path, iter(bodies), CONNECTIONS, headers, requests_each=len(bodies) // CONNECTIONS
            )
            cpu_s, began_s = collector.cpu_s(), time.perf_counter()
            outcome = await run(plan)
            items = outcome.ok * BATCH
            await _wait_for(session, subject, before + items)
            took_s = time.perf_counter() - began_s
            costs_us.append((collector.cpu_s() - cpu_s) / max(1, items) * 1e6)
            rates.append(items / took_s)
            megabytes_per_s.append(sum(map(len, bodies)) / len(bodies) * outcome.ok / took_s / 1e6)
            resident.append(collector.rss_bytes() / 1e6)
            failed += outcome.sent - outcome.ok
    rate = statistics.median(rates)
    verdict = ("yes" if rate >= GOAL_PER_S else "no") if subject is SPANS else ""
    figures = [f"{statistics.median(series):.0f}" for series in (costs_us, megabytes_per_s, resident)]
    return (subject.name, f"{rate:,.0f}", *figures, str(failed), verdict)


async def _rows(session: aiohttp.ClientSession, subject: Subject) -> int:
    async with session.get("/status") as response:
        rows: int = (await response.json())["tables"][subject.table]["rows"]
        return rows


async def _wait_for(session: aiohttp.ClientSession, subject: Subject, wanted: int) -> None:
    """Return when so many rows are committed: what was answered with 200 must be there."""
    deadline_s = time.perf_counter() + COMMITTED_WITHIN_S
    while (found := await _rows(session, subject)) != wanted:
        if time.perf_counter() > deadline_s:
            raise RuntimeError(f"{subject.name}: {found} rows are committed where {wanted} were accepted")
        await asyncio.sleep(POLL_S)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print the table. A goal that is missed is no failure: it is printed."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.collector", description="Measure the collector.")
    parser.add_argument("--seconds", type=float, default=4.0, help="items for so many seconds at the goal")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(words)
    if not (0 < arguments.seconds <= 60 and 0 < arguments.rounds <= 20):
        parser.error("--seconds must be above 0 and at most 60, --rounds from 1 to 20")
    Console().print(uvloop.run(measure(arguments.seconds, arguments.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
