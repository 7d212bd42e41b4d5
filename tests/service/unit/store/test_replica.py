"""The local copy of shared state: read at the start, published at once, healed by the next reading."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from service.clock import SystemClock
from service.stages.switches import KEY, WORKERS, Switches
from service.store.guard import Store
from service.store.replica import CHANNEL, Fields, Replica
from tests.valkey import Valkey

from ..fakes import AwayStore, FakeClock, idle_replica


class Copy:
    """What a worker was told, in order."""

    def __init__(self) -> None:
        self.told: list[Fields] = []
        self._new = asyncio.Event()

    @property
    def version(self) -> int:
        return int(self.told[-1].get("version", 0)) if self.told else 0

    def adopt(self, fields: Fields) -> None:
        self.told.append(fields)
        self._new.set()

    async def until(self, wanted: Fields) -> None:
        while not self.told or self.told[-1] != wanted:
            self._new.clear()
            await asyncio.wait_for(self._new.wait(), 10)


@pytest.fixture
async def replica(store: Store, valkey: Valkey) -> AsyncIterator[Replica]:
    replica = Replica(store, valkey.url, refresh_s=0.05, clock=SystemClock())
    yield replica
    await replica.aclose()


async def test_what_is_stored_is_known_from_the_start_and_reread(replica: Replica, store: Store) -> None:
    copy = Copy()
    replica.follow("state", copy.adopt, version=lambda: copy.version)
    await store.execute("HSET", "state", "version", 1)
    await replica.start()
    assert copy.told[-1] == {"version": "1"}
    await store.execute("HSET", "state", "version", 2)  # nobody publishes it
    await copy.until({"version": "2"})


def state(version: int) -> bytes:
    return orjson.dumps({"key": "state", "fields": ["version", version]})


async def test_only_news_is_told_unless_the_store_lost_what_it_had(replica: Replica, store: Store) -> None:
    copy = Copy()
    replica.follow("state", copy.adopt, version=lambda: copy.version)
    for version in (3, 3, 2, 4):
        replica._receive(CHANNEL, state(version))
    assert [fields["version"] for fields in copy.told] == ["3", "4"], "a message may come late"
    await store.execute("HSET", "state", "version", 2)
    await replica.refresh()
    assert copy.version == 2, "what was just read is what there is"
    await store.execute("DEL", "state")
    await replica.refresh()
    assert copy.told[-1] == {}


async def test_a_reading_that_a_message_overtook_is_not_news(replica: Replica, store: Store) -> None:
    copy = Copy()
    replica.follow("state", copy.adopt, version=lambda: copy.version)
    await store.execute("HSET", "state", "version", 1)
    replica._receive(CHANNEL, state(1))
    reading = asyncio.create_task(replica.refresh())
    await asyncio.sleep(0)
    replica._receive(CHANNEL, state(2))
    await reading
    assert copy.version == 2


@pytest.mark.parametrize("data", [b"x", b"{}", b'{"key": "state", "fields": ["version", "x"]}', b'{"fields": 3}'])
async def test_a_message_that_nobody_can_read_disturbs_nothing(replica: Replica, store: Store, data: bytes) -> None:
    copy = Copy()
    replica.follow("state", copy.adopt, version=lambda: copy.version)
    await replica.start()
    heard = 0
    while heard < 2:  # until the subscription stands
        heard += await store.execute("PUBLISH", CHANNEL, data)
        await asyncio.sleep(0.005)
    await store.execute("PUBLISH", CHANNEL, state(7))
    await copy.until({"version": "7"})


async def test_messages_reach_who_listens_to_their_channel(replica: Replica, store: Store) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    replica.listen("wake", heard.put_nowait)
    await replica.start()
    for _ in range(1000):  # until the subscription stands
        if await store.execute("PUBLISH", "wake", b"now"):
            break
        await asyncio.sleep(0.005)
    assert await asyncio.wait_for(heard.get(), 10) == b"now"


async def test_a_store_that_is_away_keeps_the_old_copy(clock: FakeClock) -> None:
    copy = Copy()
    replica = idle_replica(AwayStore(), clock)
    replica.follow("state", copy.adopt, version=lambda: copy.version)
    await replica.refresh()
    assert copy.told == []
    await replica.aclose()


async def test_switches_that_are_read_before_the_message_comes_are_acknowledged_at_once(
    store: Store, valkey: Valkey
) -> None:
    replica = Replica(store, valkey.url, refresh_s=3600, clock=SystemClock())
    switches = Switches(store, replica, worker="w0", clock=SystemClock())
    await replica.start()
    await store.execute("HSET", KEY, "version", 1, "cache", "off")
    await replica.refresh()  # its heartbeat was on its way before the answer told of the version
    assert switches.off == {"cache"}

    async def acknowledged() -> bytes:
        beat: bytes = await store.execute("HGET", WORKERS, "w0")
        return beat.split()[1]

    for _ in range(1000):
        if await acknowledged() == b"1":
            break
        await asyncio.sleep(0.005)
    assert await acknowledged() == b"1"
    await replica.aclose()


async def test_switches_reach_every_live_worker_which_acknowledges_them(store: Store, valkey: Valkey) -> None:
    clock = SystemClock()
    replicas = [Replica(store, valkey.url, refresh_s=0.05, clock=clock) for _ in range(3)]
    workers = [Switches(store, replica, worker=f"w{n}", clock=clock) for n, replica in enumerate(replicas)]
    for replica in replicas:
        await replica.start()
    assert await workers[0].put({"retry": False, "cache": False}, wait_s=10) == []
    assert all(worker.off == {"retry", "cache"} for worker in workers)
    before = workers[1].off
    assert await workers[1].put({"retry": True}, wait_s=10) == []
    assert before == {"retry", "cache"}, "a snapshot does not change under the request that took it"
    assert [worker.snapshot()["retry"] for worker in workers] == [True] * 3
    assert [worker.snapshot()["cache"] for worker in workers] == [False] * 3
    await replicas[2].aclose()  # it hangs: heard of a moment ago, but it will not acknowledge
    assert await workers[0].put({"cache": True}, wait_s=0.2) == ["w2"]
    await workers[2].leave()
    assert await workers[0].put({"cache": True}, wait_s=10) == []
    await asyncio.gather(*(replica.aclose() for replica in replicas))
