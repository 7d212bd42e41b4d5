"""``names.py`` is what is emitted: every name of it by some request, and nothing beside it."""

from collections.abc import Callable
from typing import Any

from service.observability import names
from tests.settings import QUICK, ROUTES
from tests.stack import Stack
from tests.waiting import eventually

SETTINGS = """
[retrieval]
deadline_s = 4
[retrieval.embeddings]
timeout_s = 1
[retrieval.rerank]
timeout_s = 1
[budget]
usd_per_day = 100
[[routes.unknown.rungs]]
provider = "openai"
model = "fake-large"
"""
ELSEWHERE = {names.DROPPED.name}
"""Only where something was lost: ``test_collector_death.py``."""
UNSEEN = {names.CACHED_TOKENS, names.CACHE_WRITE_TOKENS}
"""The simulator has no prompt cache: ``unit/observability/test_traces.py``."""


async def exercise(stack: Stack) -> None:
    """One of everything that has a name of its own."""
    alice = stack.caller()
    first = await alice.chat("What is asked twice?")
    await alice.chat("What is asked twice?")
    await alice.stream("What is streamed?")
    await alice.chat("What has no price?", route="unknown", thread_id=first.json()["thread_id"])
    await alice.refund("order-1")
    job = {"text": "Retries need jitter.", "webhook_url": stack.sim.receiver}
    await alice.request("POST", "/jobs", job, headers={"Idempotency-Key": "job-1"})
    run = {"text": "Please refund order A-1001, it came broken."}
    await alice.request("POST", "/agent", run, headers={"Idempotency-Key": "run-1"})
    await exercise_search(stack)
    await alice.chat("x", route="nowhere")
    await stack.sim.fault("anthropic", "status", status=503, times=1)
    await alice.chat()
    await stack.sim.fault("anthropic", "status", status=503)
    await alice.chat()
    await stack.sim.heal()


async def exercise_search(stack: Stack) -> None:
    """A question to the handbook, once it is there."""

    async def searched() -> bool:
        answer = await stack.caller().chat(route="handbook")
        return answer.status == 200 and not answer.json()["degraded"]

    await eventually(searched, "the handbook to be searched", within_s=60)


async def test_what_is_emitted_is_what_is_named(start_stack: Callable[..., Stack]) -> None:
    settings = "admission_lag_s = 60\n" + QUICK + ROUTES + SETTINGS
    async with start_stack(toml=settings, env={"CAPTURE_CONTENT": "true"}, worker=1) as stack:
        await exercise(stack)
        working = [process.pid for process in stack.work]
        mine = " or ".join(f"instance like '{pid}-%'" for pid in [*stack.workers(), *working])
        missing = {metric.name for metric in names.METRICS} - ELSEWHERE

        async def all_metrics() -> bool:
            rows = await stack.told(f"select distinct name from metric_points where {mine}", rows=0)
            missing.difference_update(row["name"] for row in rows)
            return not missing

        await eventually(all_metrics, missing)
        known = {metric.name: metric for metric in names.METRICS}
        for row in await stack.told(
            f"select distinct name, kind, unit, json_keys(attributes) as labels from metric_points where {mine}"
        ):
            metric = known[row["name"]]
            assert set(row["labels"] or ()) <= set(metric.labels), row
            assert (row["kind"], row["unit"]) == ({"counter": "sum"}.get(metric.kind, metric.kind), metric.unit)

        absent = set(names.SPAN_ATTRIBUTES) - UNSEEN

        async def all_attributes() -> bool:
            rows: list[dict[str, Any]] = await stack.told(
                f"select distinct unnest(json_keys(attributes)) as name from spans where {mine}", rows=0
            )
            found = {row["name"] for row in rows if not row["name"].startswith(names.INPUT)}
            assert found <= names.SPAN_ATTRIBUTES
            absent.difference_update(found)
            return not absent

        await eventually(all_attributes, absent)
        spans = {row["name"] for row in await stack.told(f"select distinct name from spans where {mine}")}
        stages = {"cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead", "retrieval"}
        searches = (f"{names.EMBEDDINGS_OPERATION} ", f"{names.RERANK_OPERATION} ")
        others = {
            n
            for n in spans - stages
            if not n.startswith(("POST /", "GET /", "PUT /", "WORK /", f"{names.CHAT_OPERATION} ", *searches))
        }
        assert others == {names.PAYMENT_OPERATION, names.WEBHOOK_OPERATION}
        await stack.told(f"select * from log_records where event = '{names.WEBHOOK_ENDED_EVENT}' and ({mine})")
        events = {row["event"] for row in await stack.told(f"select distinct event from log_records where {mine}")}
        told = {names.REQUEST_EVENT, names.STARTED_EVENT, names.WEBHOOK_ENDED_EVENT, names.JOB_ENDED_EVENT}
        assert told <= events
