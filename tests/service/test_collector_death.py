"""A collector that is away or hangs: requests do not notice, what is lost is counted, the end is quick."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.collector import Collector
from tests.settings import QUICK
from tests.stack import Stack
from tests.waiting import at_once, eventually

QUEUES = {"OTEL_BLRP_MAX_QUEUE_SIZE": "64", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "64", "OTEL_BSP_MAX_QUEUE_SIZE": "512"}
"""Small ones, so that few requests fill them."""
LIMITS = "[rate_limit.user]\nrequests_per_min = 60000\nburst = 10000\ntokens_per_min = 100000000\n"


async def busy(stack: Stack, count: int) -> list[float]:
    callers = [stack.caller() for _ in range(10)]
    await stack.sim.latency("anthropic", first_token_ms=1)
    answers = []
    for _ in range(count // 50):
        answers += await at_once(50, lambda n: callers[n % 10].chat())
    assert {answer.status for answer in answers} == {200}
    return sorted(answer.took_s for answer in answers)


async def lost(stack: Stack) -> dict[str, int]:
    """By signal, over both workers."""
    found: dict[str, int] = {}
    async with stack.at_each_worker(stack.admin) as admins:
        for admin in admins:
            for row in (await admin.request("GET", "/admin/telemetry")).json()["telemetry"]["lost"]:
                found[row["signal"]] = found.get(row["signal"], 0) + row["count"]
    return found


@pytest.fixture
def own_collector(tmp_path: Path) -> Any:
    collector = Collector.start(tmp_path / "collector")
    yield collector
    collector.end()


async def test_a_collector_that_hangs_is_not_felt_what_is_lost_is_counted_and_told_when_it_is_back(
    start_stack: Callable[..., Stack], own_collector: Collector
) -> None:
    async with start_stack(collector=own_collector, env=QUEUES, toml=QUICK + LIMITS) as stack:
        quick = await busy(stack, 100)
        own_collector.stop()
        resident = sum(psutil.Process(pid).memory_info().rss for pid in stack.workers())
        slow = await busy(stack, 600)
        # Nobody waits for it: far less than the two seconds after which a sending is given up.
        assert slow[int(len(slow) * 0.99)] < max(1.0, 3 * quick[-1])

        async def some() -> bool:
            return (await lost(stack)).get("logs", 0) > 0

        await eventually(some, "losses to be counted")
        assert sum(psutil.Process(pid).memory_info().rss for pid in stack.workers()) - resident < 64 * 2**20
        own_collector.go_on()
        counted = sum((await lost(stack)).values())
        query = (
            "select sum(v) as n from (select max(value) as v from metric_points "
            "where name = 'gauntlet.telemetry.dropped' group by instance, attributes)"
        )

        async def shown() -> bool:
            return float((await stack.told(query))[0]["n"] or 0) >= counted

        await eventually(shown, "the losses as a metric")
        answer = await stack.caller().chat()
        await stack.told(f"select * from requests where request_id = '{answer.headers['x-request-id']}'")


async def test_without_any_collector_the_service_serves_and_says_what_it_lost(
    start_stack: Callable[..., Stack],
) -> None:
    nowhere = {"OTEL_SDK_DISABLED": "false", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **QUEUES}
    async with start_stack(collector=None, env=nowhere) as stack:
        assert (await stack.caller().chat()).status == 200

        async def some() -> bool:
            return {"logs", "traces", "metrics"} <= set(await lost(stack))

        await eventually(some, "losses of each kind")


@pytest.mark.parametrize("dies", ["hangs", "killed"])
async def test_the_end_takes_less_than_two_seconds_whatever_the_collector_does(
    start_stack: Callable[..., Stack], own_collector: Collector, dies: str
) -> None:
    async with start_stack(collector=own_collector) as stack:
        await busy(stack, 50)
        own_collector.stop() if dies == "hangs" else own_collector.kill()
        await busy(stack, 50)
        begun_s = time.monotonic()
        stack.service.popen.terminate()
        await asyncio.to_thread(stack.service.popen.wait, 15)
        assert time.monotonic() - begun_s < 2.5  # the drain of connections is a part of it
        assert "Traceback" not in stack.service.log.read_text()


async def test_an_orderly_end_loses_nothing(start_stack: Callable[..., Stack], own_collector: Collector) -> None:
    async with start_stack(collector=own_collector) as stack:
        answers = await at_once(30, lambda _: stack.caller().chat())
        ids = ", ".join(f"'{answer.headers['x-request-id']}'" for answer in answers)
        stack.service.popen.terminate()
        await asyncio.to_thread(stack.service.popen.wait, 15)
        await stack.told(f"select request_id from requests where request_id in ({ids})", rows=30)
        await stack.told("select * from log_records where event = 'gauntlet.worker.stopped'", rows=2)


async def test_telemetry_can_be_switched_off_by_the_standards_variable(start_stack: Callable[..., Stack]) -> None:
    async with start_stack(env={"OTEL_SDK_DISABLED": "true"}) as stack:
        answer = await stack.caller().chat()
        body = (await stack.admin.request("GET", "/admin/telemetry")).json()
        assert body["telemetry"] == {"on": False, "langfuse": False, "sent": {}, "lost": []}

        async def logged() -> bool:
            return bool(stack.service.lines(event="gauntlet.request", request_id=answer.headers["x-request-id"]))

        await eventually(logged, "the record, in the log all the same")
