"""The multiplexed connection: everybody gets their own answer, whoever else comes, goes or waits too long."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import ResponseError

from service.clock import SystemClock
from service.store.connection import Multiplexed, StoreTimeout
from tests.valkey import Valkey

from .proxy import Proxy


@pytest.fixture
async def proxy(valkey: Valkey) -> AsyncIterator[Proxy]:
    async with Proxy(valkey.port) as proxy:
        yield proxy


@pytest.fixture
async def redis(proxy: Proxy) -> AsyncIterator[Multiplexed]:
    """A connection through the proxy, with time enough for a busy machine."""
    connection = Multiplexed(proxy.url, timeout_s=5.0, clock=SystemClock())
    yield connection
    await connection.aclose()


@pytest.fixture
async def hasty(proxy: Proxy) -> AsyncIterator[Multiplexed]:
    """A connection that gives an answer a tenth of a second."""
    connection = Multiplexed(proxy.url, timeout_s=0.1, clock=SystemClock())
    yield connection
    await connection.aclose()


async def test_500_commands_at_once_get_their_own_answers_over_one_connection(redis: Multiplexed, proxy: Proxy) -> None:
    answers = await asyncio.gather(*(redis.execute("ECHO", f"n{number}") for number in range(500)))
    assert answers == [b"n%d" % number for number in range(500)]
    assert proxy.connections == 1


async def test_arguments_and_answers_keep_their_types(redis: Multiplexed) -> None:
    blob = bytes(range(256)) * 100
    await redis.execute("SET", "blob", blob)
    assert await redis.execute("GET", "blob") == blob
    assert await redis.execute("GET", "nothing") is None
    assert await redis.execute("DEL", "blob", "counter") == 1
    assert await redis.execute("INCRBY", "counter", 7) == 7
    assert await redis.execute("ECHO", "äöü€") == "äöü€".encode()
    assert await redis.execute("ECHO", 0.5) == b"0.5"


async def test_a_refused_command_is_an_error_for_its_caller_alone(redis: Multiplexed) -> None:
    answers = await asyncio.gather(
        redis.execute("ECHO", "before"),
        redis.execute("NOSUCH"),
        redis.execute("ECHO", "after"),
        return_exceptions=True,
    )
    assert (answers[0], answers[2]) == (b"before", b"after")
    assert isinstance(answers[1], ResponseError)


async def test_callers_that_leave_do_not_shift_the_answers_of_those_who_stay(redis: Multiplexed, proxy: Proxy) -> None:
    await redis.execute("PING")
    proxy.hold()
    tasks = [asyncio.create_task(redis.execute("ECHO", f"n{number}")) for number in range(200)]
    await asyncio.sleep(0.02)  # sent, not answered
    for task in tasks[::3]:
        task.cancel()
    proxy.let_go()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    for number, answer in enumerate(answers):
        if number % 3 == 0:
            assert isinstance(answer, asyncio.CancelledError)
        else:
            assert answer == b"n%d" % number
    assert await redis.execute("ECHO", "later") == b"later"
    assert proxy.connections == 1


async def test_a_timeout_ends_the_connection_and_a_late_answer_reaches_nobody(hasty: Multiplexed, proxy: Proxy) -> None:
    await hasty.execute("PING")
    proxy.hold()
    late = await asyncio.gather(*(hasty.execute("ECHO", f"late{n}") for n in range(20)), return_exceptions=True)
    assert all(isinstance(answer, StoreTimeout) for answer in late)
    proxy.let_go()
    answers = []
    for number in range(100):
        try:
            answers.append((number, await hasty.execute("ECHO", f"n{number}")))
        except StoreTimeout:  # a busy machine: the answer may be late again, never another's
            continue
    assert len(answers) > 50
    assert all(answer == b"n%d" % number for number, answer in answers)
    assert proxy.connections >= 2


async def test_a_write_that_timed_out_may_have_happened(hasty: Multiplexed, redis: Multiplexed, proxy: Proxy) -> None:
    await hasty.execute("DEL", "maybe")
    proxy.hold()
    with pytest.raises(StoreTimeout):
        await hasty.execute("SET", "maybe", "yes")
    proxy.let_go()
    assert await redis.execute("GET", "maybe") == b"yes"


async def test_a_lost_connection_fails_who_waits_and_the_next_command_connects_anew(
    redis: Multiplexed, proxy: Proxy
) -> None:
    await redis.execute("PING")
    proxy.hold()
    waiting = [asyncio.create_task(redis.execute("PING")) for _ in range(10)]
    await asyncio.sleep(0.02)
    proxy.cut()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, Exception) for answer in answers)
    proxy.let_go()
    assert await redis.execute("ECHO", "again") == b"again"
    assert proxy.connections == 2


async def test_first_commands_at_once_share_one_connection_attempt(redis: Multiplexed, proxy: Proxy) -> None:
    first = asyncio.create_task(redis.execute("PING"))
    await asyncio.sleep(0)
    first.cancel()  # whoever began connecting may leave
    answers = await asyncio.gather(*(redis.execute("PING") for _ in range(50)))
    assert answers == [b"PONG"] * 50
    assert proxy.connections == 1


async def test_a_server_that_does_not_exist_is_refused_at_once() -> None:
    connection = Multiplexed("redis://127.0.0.1:1/0", timeout_s=5.0, clock=SystemClock())
    answers = await asyncio.gather(*(connection.execute("PING") for _ in range(5)), return_exceptions=True)
    assert all(isinstance(answer, Exception) and not isinstance(answer, StoreTimeout) for answer in answers)
    await connection.aclose()


async def test_a_server_that_accepts_and_says_nothing_is_a_timeout() -> None:
    left = asyncio.Queue[None]()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        left.put_nowait(None)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Multiplexed(f"redis://127.0.0.1:{port}/0", timeout_s=0.05, clock=SystemClock())
    for _ in range(2):
        with pytest.raises(StoreTimeout):
            await connection.execute("PING")
        await left.get()
    await connection.aclose()
    server.close()
