"""Canaries in prompts, headers, ids, keys and provider error texts: Valkey is told of them in threads only.

Every command that reaches Valkey is looked at as it comes, those of scripts included, so that nothing is there even
for a moment (a lease, a message). Chapter, section 7; DESIGN, section 3 (cache). Next: ``test_personal_data.py``,
which looks at everything else.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.caller import Caller
from tests.collector import Collector
from tests.settings import QUICK, ROUTES
from tests.stack import Stack
from tests.waiting import eventually

from .refusals import problem

EMAIL = "jane.doe@example.com"
CARD = "4111111111111111"
CANARIES = {
    "email": EMAIL,
    "phone": "+1 (555) 010-1234",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ssn": "078-05-1120",
    "ip": "192.0.2.17",
    "compact card": CARD,
    "encoded email": "jane.doe%40example.com",
}
ALL = " and ".join(CANARIES.values())
KEY = "sk-jane"
SETTINGS = f"""
[budget]
usd_per_day = 100
[[keys]]
sha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"
tenant = "{EMAIL}"
user = "{EMAIL}"
"""


@pytest.fixture(scope="module")
def _watched(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("canaries"), toml=QUICK + ROUTES + SETTINGS, collector=collector)
    yield stack
    stack.end()


@pytest.fixture
async def watched(_watched: Stack) -> AsyncIterator[Stack]:
    async with _watched as stack:
        await stack.reset()
        with Redis(port=stack.valkey.port) as redis:
            redis.flushall()
        async with commands(stack) as told:
            yield stack
        assert {key for key in stored(stack) if not key.startswith("thread:")} == set()
        assert [command for command in told if found_in(command) and " thread:{" not in command] == []
        assert found_in(stack.service.log.read_text()) == []


@asynccontextmanager
async def commands(stack: Stack) -> AsyncIterator[list[str]]:
    """All that Valkey is told meanwhile, commands of scripts included."""
    told: list[str] = []
    async with AsyncRedis(port=stack.valkey.port) as redis, redis.monitor() as monitor:

        async def listen() -> None:
            async for command in monitor.listen():
                told.append(command["command"])

        listening = asyncio.create_task(listen())
        try:
            yield told
            marker = f"end-{id(told)}"
            with Redis(port=stack.valkey.port) as other:
                other.echo(marker)

            async def all_heard() -> bool:
                return any(marker in command for command in told)

            await eventually(all_heard, "the last command")
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def found_in(text: str) -> list[str]:
    return [name for name, canary in CANARIES.items() if canary in text]


def stored(stack: Stack) -> dict[str, list[str]]:
    """The keys of Valkey in which there is a canary, in their names or values."""
    read: dict[str, tuple[str, ...]] = {
        "string": ("GET",),
        "hash": ("HGETALL",),
        "list": ("LRANGE", "0", "-1"),
        "zset": ("ZRANGE", "0", "-1"),
        "set": ("SMEMBERS",),
    }
    held: dict[str, list[str]] = {}
    with Redis(port=stack.valkey.port, decode_responses=True) as redis:
        for key in redis.scan_iter(count=1000):
            kind = redis.type(key)
            if kind == "none":  # it has just expired
                continue
            command, *rest = read[kind]
            if found := found_in(f"{key} {redis.execute_command(command, key, *rest)}"):
                held[key] = found
    return held


async def test_what_is_asked_is_in_its_thread_and_nowhere_else(watched: Stack) -> None:
    alice = watched.caller()
    question = f"My account is called {EMAIL}. It is {ALL}."
    for _ in range(2):
        answer = (await alice.chat(question)).json()
        assert answer["source"] == "live", "never from the cache"
    again = await alice.chat("What is my account called?", thread_id=answer["thread_id"])
    assert EMAIL in again.json()["answer"]
    await alice.stream(question)
    system = {"role": "system", "content": f"The caller is {ALL}."}
    for stream in (False, True):
        body = {"model": "default", "messages": [system, {"role": "user", "content": "Hello?"}], "stream": stream}
        assert (await alice.request("POST", "/v1/chat/completions", body)).status == 200
    held = stored(watched)
    assert len(held) == 3
    with Redis(port=watched.valkey.port) as redis:
        assert all(0 < int(str(redis.ttl(key))) <= 7 * 86_400 for key in held)
    for row in (await alice.request("GET", "/threads")).json()["threads"]:
        assert (await alice.request("DELETE", f"/threads/{row['thread_id']}")).status == 204
    assert stored(watched) == {}


async def test_a_style_with_personal_data_is_refused_and_not_kept(watched: Stack) -> None:
    alice = watched.caller()
    for canary in CANARIES.values():
        refused = await alice.request("PUT", "/preferences", {"style": f"always greet {canary}"})
        document = problem(refused, 422)
        assert document["param"] == "style"
        assert "looks like personal data" in document["detail"]
        assert canary not in document["detail"]
    assert (await alice.request("GET", "/preferences")).json() == {"route": None, "style": None}


@pytest.mark.parametrize("key", [KEY, f"demo-{CARD}-alice", f"demo-acme-{CARD}", f"demo-078_05_1120-{CARD}"])
async def test_a_caller_named_by_personal_data_has_everything_under_a_pseudonym(watched: Stack, key: str) -> None:
    caller = Caller(watched, key)
    answer = await caller.chat("Who am I?")
    assert answer.status == 200
    threads = (await caller.request("GET", "/threads")).json()["threads"]
    assert [row["thread_id"] for row in threads] == [answer.json()["thread_id"]]


async def test_headers_ids_and_bodies_that_are_refused_leave_no_trace(watched: Stack) -> None:
    alice = watched.caller()
    for name in ("X-Request-ID", "X-Deadline-Ms", "Idempotency-Key", "traceparent", "User-Agent", "X-Anything"):
        await alice.chat(headers={name: ALL})
    for thread_id in (CARD, EMAIL, "078-05-1120", "jane.doe%40example.com"):
        for method in ("GET", "DELETE"):
            assert (await alice.request(method, f"/threads/{thread_id}")).status == 404
        assert (await alice.chat(thread_id=thread_id)).status in (404, 422)
        assert (await alice.request("GET", f"/{thread_id}")).status == 404
    for body in ({"text": "x", "route": EMAIL}, {"text": "x", EMAIL: CARD}):
        assert (await alice.request("POST", "/chat", body)).status in (404, 422)
    await alice.request("POST", "/chat", data=f'{{"text": {ALL}'.encode())


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 429, 500])
async def test_what_a_provider_says_of_the_prompt_is_masked(watched: Stack, status: int) -> None:
    for target in ("anthropic", "openai"):
        await watched.sim.fault(target, "status", status=status, message=f"cannot read {ALL}")
    alice = watched.caller()
    assert found_in((await alice.chat()).body.decode()) == []
    streamed = await alice.request("POST", "/chat/stream", {"text": "And this?"})
    assert found_in(streamed.body.decode()) == []


async def test_so_is_what_it_says_in_a_stream(watched: Stack) -> None:
    for target in ("anthropic", "openai"):
        await watched.sim.fault(target, "stream_error", message=f"cannot read {ALL}")
    assert found_in(str(await watched.caller().stream(route="error"))) == []


async def test_a_refund_keeps_neither_the_charge_nor_the_words_of_a_decline(watched: Stack) -> None:
    alice = watched.caller()
    answers = [await alice.refund(ALL, charge=CARD) for _ in range(2)]
    assert [a.headers.get("idempotency-replayed") for a in answers] == [None, "true"]
    assert answers[0].body == answers[1].body
    assert answers[0].json()["charge"] == CARD, "the caller's own"
    for status in (402, 400, 500):
        await watched.sim.fault("payments", "status", status=status, message=f"refused for {ALL}")
        declined = [await alice.refund(f"{EMAIL} {status}") for _ in range(2)]
        assert declined[0].status == declined[1].status == (503 if status == 500 else status)
        assert found_in(declined[0].body.decode() + declined[1].body.decode()) == []
        await watched.sim.heal()
