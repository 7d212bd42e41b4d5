"""Personal data is in the answers and in threads, and nowhere else: not in Valkey, DuckDB, the logs, or Langfuse."""

import json
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from tests.caller import Caller
from tests.collector import Collector
from tests.langfuse import Langfuse, langfuse
from tests.settings import QUICK, ROUTES
from tests.stack import Stack
from tests.waiting import eventually

CANARIES = {
    "email": "jane.canary@example.com",
    "phone": "+1 (555) 867-5309",
    "card": "4111 1111 1111 1111",
    "compact card": "4012888888881881",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ssn": "078-05-1120",
    "ip": "203.0.113.77",
}
PIECES = [
    piece for canary in CANARIES.values() for piece in (canary, canary.replace(" ", ""), urllib.parse.quote(canary))
]
ALL = "; ".join(CANARIES.values())


async def valkey(url: str) -> dict[str, str]:
    """Every key and what it holds, as text."""
    found: dict[str, str] = {}
    client: Any
    async with redis.asyncio.Redis.from_url(url) as client:
        async for key in client.scan_iter(count=1000):
            read: list[Any] = {
                b"string": ["GET", key],
                b"hash": ["HGETALL", key],
                b"list": ["LRANGE", key, 0, -1],
                b"zset": ["ZRANGE", key, 0, -1, "WITHSCORES"],
                b"set": ["SMEMBERS", key],
            }[await client.execute_command("TYPE", key)]
            found[key.decode()] = repr(await client.execute_command(*read))
    return found


def everything_in(collector: Collector) -> str:
    """Every row of every table, and the files."""
    tables = collector.sql(
        "select table_schema || '.' || table_name as name from information_schema.tables "
        "where table_type = 'BASE TABLE'"
    )
    rows = [collector.sql(f"select * from {table['name']} limit 9000") for table in tables]
    files = [path.read_bytes().decode("latin-1") for path in collector.folder.iterdir() if path.is_file()]
    return json.dumps(rows) + "".join(files)


def of_ours(text: str) -> list[str]:
    return [piece for piece in PIECES if piece in text]


async def say_all(stack: Stack, alice: Caller) -> None:
    """Canaries wherever a client or a provider can put them."""
    for name, canary in CANARIES.items():
        question = f"My {name} is {canary}; what do you know about jitter?"
        assert (await alice.chat(question)).status == 200
        assert (await alice.chat(question)).json()["source"] != "cache", "a suspicion alone bypasses the cache"
        await alice.stream(question)
    headers = {
        "X-Request-ID": CANARIES["email"],
        "traceparent": ALL,
        "User-Agent": ALL,
        "X-Forwarded-For": CANARIES["ip"],
    }
    await alice.chat("What is in a header?", headers=headers)
    await alice.request("GET", f"/threads/{urllib.parse.quote(CANARIES['email'])}")
    await alice.request("GET", f"/{urllib.parse.quote(ALL)}?{urllib.parse.quote(ALL)}")
    await alice.chat("x", route=CANARIES["email"])
    await alice.chat("x", thread_id=CANARIES["compact card"])
    await alice.request("POST", "/chat", {"text": ALL, ALL: ALL})
    await alice.request("POST", "/chat", data=ALL.encode())
    await alice.request("PUT", "/preferences", {"style": f"Call me {CANARIES['email']}"})
    await alice.request(
        "POST",
        "/v1/chat/completions",
        {"model": "default", "user": CANARIES["email"], "messages": [{"role": "user", "content": ALL}]},
    )
    await alice.refund(CANARIES["email"], charge="ch_1")
    await alice.refund(CANARIES["compact card"], charge=CANARIES["compact card"])
    stranger = Caller(stack, f"demo-{CANARIES['compact card']}-5558675309")
    assert (await stranger.chat()).status == 200
    await Caller(stack, ALL).chat()
    for status in (400, 401, 402, 404, 413, 429, 500, 503):
        await stack.sim.fault("anthropic", "status", status=status, message=f"refused for {ALL}", times=1)
        await alice.chat()
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "stream_error", message=ALL, times=1)
    await alice.stream(route="error")
    await stack.sim.fault("payments", "status", status=402, kind="billing", message=f"declined: {ALL}", times=1)
    declined = await alice.refund(f"order-{uuid.uuid4()}")
    assert declined.status == 402
    await stack.sim.fault("payments", "status", status=503, message=ALL, times=5)
    await alice.refund(f"order-{uuid.uuid4()}")
    await stack.sim.heal()


@pytest.fixture
async def receiver() -> AsyncIterator[Langfuse]:
    async with langfuse() as server:
        yield server


async def test_canaries_are_nowhere_but_in_threads(
    start_stack: Callable[..., Stack], tmp_path: Path, receiver: Langfuse
) -> None:
    collector = Collector.start(tmp_path / "collector")
    try:
        limits = "[rate_limit.user]\nrequests_per_min = 6000\nburst = 1000\ntokens_per_min = 10000000\n"
        stack = start_stack(
            collector=collector, toml=QUICK + ROUTES + limits, env={**receiver.environment, "CAPTURE_CONTENT": "true"}
        )
        async with stack:
            alice = stack.caller()
            await say_all(stack, alice)
            last = await alice.chat("What is said last?")
            trace_id = last.headers["traceparent"][3:35]
            await stack.told(f"select * from spans where trace_id = '{trace_id}'", rows=8)
            await eventually(lambda: _there(receiver, trace_id), "the last trace at Langfuse")

            held = await valkey(stack.valkey.url)
            spoken = {key: of_ours(key + text) for key, text in held.items()}
            assert {key for key, found in spoken.items() if found and not key.startswith("thread:")} == set()
            kept = [key for key, found in spoken.items() if found]
            assert kept, "a thread remembers what was said"
            async with redis.asyncio.Redis.from_url(stack.valkey.url) as client:
                for key in kept:
                    assert 0 < await client.ttl(key) <= 7 * 86_400
            threads = (await alice.request("GET", "/threads")).json()["threads"]
            for thread in threads:
                assert (await alice.request("DELETE", f"/threads/{thread['thread_id']}")).status in (200, 204)
            assert [key for key, text in (await valkey(stack.valkey.url)).items() if of_ours(key + text)] == []

            log = stack.service.log.read_text()
            assert of_ours(log) == []
            assert '"event":"provider_misconfigured"' in log
            assert "[email]" in log, "what was masked would have been there"
            assert of_ours(everything_in(collector)) == []
            assert of_ours("".join(raw.decode("latin-1") for raw in receiver.raw)) == []
            said = [o.get("langfuse.observation.input", "") for o in receiver.observations]
            assert any("[email]" in text for text in said)
            labels = collector.sql("select distinct cast(attributes as varchar) as text from metric_points")
            assert of_ours(json.dumps(labels)) == []
        stack.service.end()
        assert of_ours(stack.service.log.read_text()) == []
    finally:
        collector.end()


async def _there(receiver: Langfuse, trace_id: str) -> bool:
    return bool(receiver.of(trace_id))
