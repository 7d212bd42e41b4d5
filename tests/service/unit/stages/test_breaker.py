"""The breaker stage: what it counts, whom it lets through, and that it works on while the store is away."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from service.errors import (
    BadAnswer,
    BulkheadFull,
    CircuitOpen,
    ConnectionFailed,
    InvalidRequest,
    Misconfigured,
    Paused,
    RateLimitedByProvider,
    StreamBroken,
    TimedOut,
    Unavailable,
)
from service.lag import PERIOD_S, Lag
from service.settings import BreakerSettings
from service.stages.ask import Ask
from service.stages.breaker import Breaker
from service.stages.reply import Reply
from service.store.guard import Store
from service.store.settle import Settle

from ..fakes import (
    GPT,
    AwayStore,
    FakeClock,
    Scripted,
    Step,
    ask,
    decisions,
    idle_replica,
    live,
    read,
    streaming,
    until,
)

P = "anthropic"
DOWN = Unavailable("down", provider=P)


class Subject:
    """A breaker of one worker, with its settle queue."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.clock = clock
        self.settle = Settle()
        self.breaker = Breaker(
            [P, "openai"],
            BreakerSettings(),
            store=store,
            replica=idle_replica(store, clock),
            settle=self.settle,
            lag=(lag := Lag(limit_s=1.0, clock=clock)),
            clock=clock,
        )
        self.lag = lag
        self.circuit = self.breaker.circuits[P]

    async def call(self, *steps: Step) -> Ask:
        """Call through with these steps, read the answer to its end, and let everything settle."""
        for step in steps:
            asked = ask(self.clock)
            with suppress(Exception):  # the tests look at what the breaker made of it
                await read(await self.breaker(asked, Scripted(step)))
            await self.settle.drain()
        return asked

    async def open(self) -> None:
        await self.call(*[DOWN] * 5)
        assert self.circuit.state == "open"

    async def open_and_wait(self) -> None:
        await self.open()
        self.clock.advance(30.001)


@pytest.fixture
def local(clock: FakeClock) -> Subject:
    """A worker whose store is away: virtual time all the way down."""
    return Subject(AwayStore(), clock)


async def test_five_failures_open_it_and_then_nothing_is_called(local: Subject) -> None:
    await local.open()
    inner, asked = Scripted(live()), ask(local.clock)
    with pytest.raises(CircuitOpen) as refused:
        await local.breaker(asked, inner)
    assert inner.rungs == []
    assert refused.value.retry_after_s == pytest.approx(30)
    assert decisions(asked, "breaker") == ["open"]


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        ConnectionFailed("refused", provider=P),
        TimedOut("slow", provider=P, phase="total"),
        BadAnswer("html", provider=P),
        StreamBroken("no text", provider=P),
    ],
    ids=lambda error: error.code,
)
async def test_failures_of_the_provider_count(local: Subject, error: Exception) -> None:
    await local.call(error)
    assert local.circuit.failures == 1


NEUTRAL = [
    InvalidRequest("400"),
    Misconfigured("key", provider=P),
    RateLimitedByProvider("429", provider=P),
    BulkheadFull("full", provider=P),
    ValueError("a defect"),
]


@pytest.mark.parametrize("error", NEUTRAL, ids=lambda error: type(error).__name__)
async def test_what_is_not_the_providers_failure_is_neutral(local: Subject, error: Exception) -> None:
    await local.call(*[DOWN] * 4, *[error] * 10)
    assert (local.circuit.state, local.circuit.failures) == ("closed", 4)
    await local.call(DOWN)
    assert local.circuit.state == "open", "neutral results do not interrupt a row of failures"


@pytest.mark.parametrize(
    ("stopped_s", "error", "failures"),
    [
        (0.5, TimedOut("slow", provider=P, phase="total"), 1),
        (0.7, TimedOut("slow", provider=P, phase="total"), 0),
        (2.4, TimedOut("slow", provider=P, phase="total"), 0),
        (2.4, DOWN, 1),
    ],
)
async def test_whoever_was_late_himself_finds_nobody_too_slow(
    local: Subject, stopped_s: float, error: Exception, failures: int
) -> None:
    """Of the last two seconds of a call of 2.4 s, a quarter and more; an error that the provider sent counts."""

    async def late(_: Ask) -> Reply:
        local.clock.advance(2.4 - stopped_s)
        local.lag.start()
        local.clock.advance(PERIOD_S + stopped_s)
        raise error

    await local.call(late)
    assert local.circuit.failures == failures
    local.lag.stop()


async def test_a_success_ends_the_row_of_failures(local: Subject) -> None:
    await local.call(*[DOWN] * 4, live(), *[DOWN] * 4)
    assert (local.circuit.state, local.circuit.failures) == ("closed", 4)


async def test_a_stream_that_breaks_counts_and_its_opening_is_no_success(local: Subject) -> None:
    await local.call(*[DOWN] * 4)
    reply = await local.breaker(ask(local.clock), Scripted(streaming("a", StreamBroken("cut", provider=P))))
    assert local.circuit.failures == 4
    with pytest.raises(StreamBroken):
        await read(reply)
    await local.settle.drain()
    assert local.circuit.state == "open"


async def test_a_stream_that_the_client_leaves_is_neutral(local: Subject) -> None:
    await local.call(*[DOWN] * 4)
    reply = await local.breaker(ask(local.clock), Scripted(streaming("a", "b")))
    await anext(reply)
    await reply.aclose()
    await local.settle.drain()
    assert local.circuit.failures == 4


async def test_after_the_cool_down_one_probe_goes_through_and_closes_it(local: Subject) -> None:
    await local.open_and_wait()
    going: list[asyncio.Future[Reply]] = []

    async def hang(_: Ask) -> Reply:
        going.append(asyncio.get_running_loop().create_future())
        return await going[0]

    asked = ask(local.clock)
    probe = asyncio.create_task(local.breaker(asked, Scripted(hang)))
    await asyncio.sleep(0)
    with pytest.raises(CircuitOpen) as refused:
        await local.breaker(ask(local.clock), Scripted(live()))
    assert 0 < (refused.value.retry_after_s or 0) <= 10
    going[0].set_result(live())
    await read(await probe)
    await local.settle.drain()
    assert local.circuit.state == "closed"
    assert decisions(asked, "breaker") == ["probe"]


async def test_a_failed_probe_opens_it_again_for_the_whole_cool_down(local: Subject) -> None:
    await local.open_and_wait()
    await local.call(DOWN)
    assert local.circuit.state == "open"
    with pytest.raises(CircuitOpen) as refused:
        await local.breaker(ask(local.clock), Scripted(live()))
    assert refused.value.retry_after_s == pytest.approx(30)


@pytest.mark.parametrize("error", NEUTRAL, ids=lambda error: type(error).__name__)
async def test_a_neutral_result_gives_the_probe_back(local: Subject, error: Exception) -> None:
    await local.open_and_wait()
    await local.call(error)
    assert (local.circuit.state, local.circuit.token) == ("open", "")
    await local.call(live())
    assert local.circuit.state == "closed"


@pytest.mark.parametrize("how", ["before the first token", "in the stream"])
async def test_a_cancelled_probe_is_given_back(local: Subject, how: str) -> None:
    await local.open_and_wait()
    if how == "in the stream":
        reply = await local.breaker(ask(local.clock), Scripted(streaming("a", "b")))
        await anext(reply)
        await reply.aclose()
    else:

        async def hang(_: Ask) -> Reply:
            await asyncio.Event().wait()
            raise AssertionError

        probe = asyncio.create_task(local.breaker(ask(local.clock), Scripted(hang)))
        await asyncio.sleep(0)
        assert local.circuit.state == "half_open"
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
    await local.settle.drain()
    assert (local.circuit.state, local.circuit.token) == ("open", "")


async def test_a_probe_that_streams_long_keeps_its_lease(local: Subject) -> None:
    await local.open_and_wait()
    reply = await local.breaker(ask(local.clock), Scripted(streaming("a", "b")))
    began_s = local.clock.now
    await until(lambda: local.clock.now >= began_s + 60)
    assert local.circuit.probe_until > local.clock.now * 1000
    with pytest.raises(CircuitOpen):
        await local.breaker(ask(local.clock), Scripted(live()))
    await read(reply)
    await local.settle.drain()
    assert local.circuit.state == "closed"


async def test_a_result_of_a_call_from_before_the_change_is_discarded(local: Subject) -> None:
    late = await local.breaker(ask(local.clock), Scripted(streaming("a", DOWN)))
    await local.open_and_wait()
    await local.call(live())
    assert local.circuit.state == "closed"
    with pytest.raises(Unavailable):
        await read(late)
    await local.settle.drain()
    assert local.circuit.failures == 0


async def test_a_429_with_a_hint_pauses_the_provider_and_does_not_open_it(local: Subject) -> None:
    await local.call(RateLimitedByProvider("429", provider=P, retry_after_s=7.0))
    inner = Scripted(live())
    with pytest.raises(Paused) as refused:
        await local.breaker(ask(local.clock), inner)
    assert inner.rungs == []
    assert refused.value.retry_after_s == pytest.approx(7)
    assert local.circuit.state == "closed"
    assert local.breaker.returns_in_s(P) == pytest.approx(7)
    local.clock.advance(7.001)
    await local.breaker(ask(local.clock), inner)


async def test_no_probe_before_a_pause_ends(local: Subject) -> None:
    await local.open_and_wait()
    await local.call(RateLimitedByProvider("429", provider=P, retry_after_s=20.0))
    with pytest.raises(Paused):
        await local.breaker(ask(local.clock), Scripted(live()))
    local.clock.advance(20.001)
    await local.call(live())
    assert local.circuit.state == "closed"


async def test_providers_have_circuits_of_their_own(local: Subject) -> None:
    await local.open()
    await read(await local.breaker(ask(local.clock, GPT), Scripted(live(rung=GPT))))
    rows = {row["provider"]: row for row in local.breaker.snapshot()}
    assert rows[P] == {"provider": P, "state": "open", "failures": 5, "probe_in_s": 30.0, "paused_for_s": 0}
    assert rows["openai"]["state"] == "closed"


async def test_what_a_returning_store_says_wins_over_what_was_known(local: Subject, clock: FakeClock) -> None:
    local.circuit.adopt({"state": "open", "version": "900", "generation": "9", "open_until": "1"}, 0)
    assert isinstance(local.breaker._script._store, AwayStore)
    local.breaker._script._store.come_back()
    local.breaker._adopt(P, {"state": "closed", "version": "3", "generation": "1"})
    assert local.circuit.state == "closed"


async def test_a_store_that_lost_everything_closes_every_circuit(local: Subject) -> None:
    local.circuit.adopt({"state": "open", "version": "9", "generation": "9", "open_until": "1e15"}, 0)
    local.breaker._adopt(P, {})
    assert local.breaker.circuits[P].state == "closed"


async def test_a_success_after_the_store_lost_everything_still_ends_the_row_of_failures(local: Subject) -> None:
    local.circuit.adopt({"state": "closed", "version": "9"}, 0)
    reply = await local.breaker(ask(local.clock), Scripted(streaming("a")))
    local.breaker._adopt(P, {})
    await local.call(*[DOWN] * 4)
    await read(reply)
    await local.settle.drain()
    assert local.breaker.circuits[P].failures == 0


Fleet = Callable[[], Subject]


@pytest.fixture
def fleet(store: Store, clock: FakeClock) -> Fleet:
    """Workers that share the real store, in virtual time."""
    return lambda: Subject(store, clock)


async def sync(worker: Subject, store: Store) -> None:
    """What the replica does each second."""
    flat = [part.decode() for part in await store.execute("HGETALL", f"breaker:{{{P}}}")]
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    if int(fields["version"]) != worker.circuit.version:
        worker.breaker._adopt(P, fields)


async def test_failures_are_counted_over_the_whole_fleet(fleet: Fleet, store: Store) -> None:
    workers = [fleet() for _ in range(5)]
    for worker in workers:
        await worker.call(DOWN)
    assert workers[-1].circuit.state == "open"
    await sync(workers[0], store)
    inner = Scripted(live())
    with pytest.raises(CircuitOpen):
        await workers[0].breaker(ask(workers[0].clock), inner)
    assert inner.rungs == []


async def test_a_healthy_call_writes_nothing(fleet: Fleet, store: Store) -> None:
    await fleet().call(live(), streaming("a", "b"), live())
    assert await store.execute("DBSIZE") == 0


async def test_a_reset_closes_it_for_the_fleet(fleet: Fleet, store: Store) -> None:
    one, two = fleet(), fleet()
    await one.open()
    await sync(two, store)
    assert two.circuit.state == "open"
    await two.breaker.reset(P)
    await sync(one, store)
    assert (one.circuit.state, two.circuit.state) == ("closed", "closed")


async def test_a_store_that_lost_writes_locks_nobody_out(fleet: Fleet, store: Store) -> None:
    """It failed over to a replica that had not yet seen the last of them."""
    worker = fleet()
    await worker.open_and_wait()
    await store.execute("HSET", f"breaker:{{{P}}}", "state", "closed", "version", 3, "generation", 0, "open_until", 0)
    await worker.call(live())
    assert worker.circuit.state == "closed"


async def test_a_store_that_lost_everything_counts_anew_at_once(fleet: Fleet, store: Store) -> None:
    worker = fleet()
    await worker.call(*[step for _ in range(30) for step in (DOWN, live())])
    assert worker.circuit.version == 60
    await store.execute("FLUSHALL")
    await worker.call(*[DOWN] * 6)
    assert worker.circuit.state == "open"


async def test_a_store_that_takes_no_writes_leaves_the_worker_its_own_circuit(fleet: Fleet, store: Store) -> None:
    worker = fleet()
    await worker.call(DOWN, live())
    await store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        for _ in range(5):
            await worker.call(DOWN)
            await sync(worker, store)
        assert worker.breaker.snapshot()[0]["state"] == "open"
    finally:
        await store.execute("CONFIG", "SET", "maxmemory", 0)
    worker.clock.advance(30.001)
    await worker.call(live())
    assert worker.breaker.snapshot()[0]["state"] == "closed"


async def test_a_client_who_leaves_while_the_probe_is_claimed_gives_it_back(fleet: Fleet, store: Store) -> None:
    worker = fleet()
    await worker.open()
    await store.execute("HSET", f"breaker:{{{P}}}", "open_until", 0, "version", 99)
    await sync(worker, store)
    leaving = asyncio.create_task(worker.breaker(ask(worker.clock), Scripted(live())))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await worker.settle.drain()
    assert await store.execute("HGET", f"breaker:{{{P}}}", "state") == b"open"
    await worker.call(live())
    assert worker.circuit.state == "closed"


async def test_of_many_workers_one_claims_the_probe(fleet: Fleet, store: Store) -> None:
    workers = [fleet() for _ in range(8)]
    await workers[0].open()
    # The cool-down is over for everybody, the server included.
    await store.execute("HSET", f"breaker:{{{P}}}", "open_until", 0)
    for worker in workers:
        await sync(worker, store)
    replies = await asyncio.gather(
        *(worker.breaker(ask(worker.clock), Scripted(streaming("a"))) for worker in workers), return_exceptions=True
    )
    won = [reply for reply in replies if isinstance(reply, Reply)]
    assert len(won) == 1
    assert sum(isinstance(reply, CircuitOpen) for reply in replies) == 7
    await read(won[0])
    await asyncio.gather(*(worker.settle.drain() for worker in workers))
