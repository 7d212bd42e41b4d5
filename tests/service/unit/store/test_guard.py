"""The guard: a Redis that hangs costs two timeouts, then nothing, until one prober finds it again."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.exceptions import NoScriptError, ResponseError
from structlog.testing import capture_logs

from service.clock import SystemClock
from service.errors import StoreUnavailable
from service.store.connection import Multiplexed, StoreTimeout
from service.store.guard import Store
from tests.valkey import Valkey

from ..fakes import FakeClock, until


class Server(Multiplexed):
    """A connection in virtual time: answers, or what it was told to raise instead."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.commands: list[str] = []

    async def execute(self, *arguments: Any) -> Any:
        self.commands.append(str(arguments[0]))
        await asyncio.sleep(0)
        if self.error is not None:
            # A failure of its own for each command, as from connections that fail one after the other.
            raise type(self.error)(*self.error.args)
        return b"PONG"

    async def aclose(self) -> None:
        return None


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def guarded(server: Server, clock: FakeClock) -> AsyncIterator[Store]:
    store = Store(server, failures=2, skip_s=0.5, clock=clock)
    with capture_logs():
        yield store
        await store.aclose()


async def fail(store: Store, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(StoreUnavailable):
            await store.execute("GET", "k")


async def test_after_two_failures_in_a_row_commands_are_skipped(server: Server, guarded: Store) -> None:
    server.error = StoreTimeout("no answer")
    await fail(guarded, 2)
    assert guarded.away
    await fail(guarded, 100)
    assert server.commands == ["GET", "GET"]


@pytest.mark.parametrize("error", [StoreTimeout("slow"), ConnectionError("refused"), OSError("reset")])
async def test_every_way_of_being_away_counts(server: Server, guarded: Store, error: Exception) -> None:
    server.error = error
    await fail(guarded, 2)
    assert guarded.away


async def test_one_lost_connection_is_one_failure_however_many_commands_it_fails(clock: FakeClock) -> None:
    lost = StoreTimeout("no answer")

    class Lost(Server):
        async def execute(self, *arguments: Any) -> Any:
            raise lost

    store = Store(Lost(), failures=2, skip_s=0.5, clock=clock)
    await fail(store, 50)
    assert not store.away


async def test_a_success_between_failures_begins_the_count_anew(server: Server, guarded: Store) -> None:
    for _ in range(5):
        server.error = StoreTimeout("slow")
        await fail(guarded)
        server.error = None
        assert await guarded.execute("GET", "k") == b"PONG"
    assert not guarded.away


async def test_one_prober_looks_each_half_second_and_finds_it_again(
    server: Server, guarded: Store, clock: FakeClock
) -> None:
    returned: list[float] = []
    guarded.on_return(lambda: returned.append(clock.now))
    server.error = StoreTimeout("slow")
    began_s = clock.now
    await asyncio.gather(*(fail(guarded) for _ in range(50)))
    await until(lambda: clock.now >= began_s + 5)
    assert server.commands.count("PING") in (9, 10, 11)
    assert returned == []
    server.error = None
    await until(lambda: not guarded.away)
    assert len(returned) == 1
    assert await guarded.execute("GET", "k") == b"PONG"


async def test_a_command_that_redis_refuses_is_no_outage(server: Server, guarded: Store) -> None:
    server.error = ResponseError("OOM command not allowed")
    await fail(guarded, 10)
    assert not guarded.away


async def test_an_unknown_script_is_the_callers_business(server: Server, guarded: Store) -> None:
    server.error = NoScriptError("NOSCRIPT")
    with pytest.raises(NoScriptError):
        await guarded.execute("EVALSHA", "x", 0)


@pytest.fixture
def frozen(valkey: Valkey) -> Iterator[Valkey]:
    """The real Valkey, stopped: it accepts and says nothing."""
    valkey.stop()
    yield valkey
    valkey.go_on()


async def test_a_real_valkey_that_is_stopped_and_goes_on(frozen: Valkey) -> None:
    clock = SystemClock()
    store = Store(Multiplexed(frozen.url, timeout_s=0.05, clock=clock), failures=2, skip_s=0.05, clock=clock)
    returned = asyncio.Event()
    store.on_return(returned.set)
    with capture_logs() as logs:
        began_s = clock.monotonic()
        await fail(store, 2)
        assert 0.09 <= clock.monotonic() - began_s < 5
        assert store.away
        began_s = clock.monotonic()
        await fail(store, 1000)
        assert clock.monotonic() - began_s < 5, "skipped, not waited for: a thousand timeouts would be 50 s"
        frozen.go_on()
        await asyncio.wait_for(returned.wait(), 20)
        assert [row["event"] for row in logs] == ["store_away", "store_back"]
    for _ in range(100):  # a busy machine may be late once more
        try:
            assert await store.execute("ECHO", "back") == b"back"
            break
        except StoreUnavailable:
            await asyncio.sleep(0.05)
    else:
        pytest.fail("the store did not come back")
    await store.aclose()
