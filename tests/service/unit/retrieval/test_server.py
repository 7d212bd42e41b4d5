"""An index on a server: a circuit stands before it, and what the server loses is put again.

The server is the library's own form in memory, reached through what a server is reached through.
"""

from array import array
from collections.abc import AsyncIterator
from typing import Any

import pytest
import qdrant_client

from service.errors import CircuitOpen, ProviderError, TimedOut, Unavailable
from service.lag import Lag
from service.retrieval.embeddings import Vector
from service.retrieval.index import Hit, Index, Mode
from service.retrieval.passages import Passage
from service.retrieval.search import Search
from service.settings import INDEX, BreakerSettings
from service.stages.breaker import Breaker
from service.store.settle import Settle

from ..fakes import AwayStore, FakeClock, ask, decisions, idle_replica

ZEBRA = Passage("shop/a.md", "hours", "Hours", "The zebra desk opens at nine.")
PARCEL = Passage("shop/b.md", "returns", "Returns", "Parcels come back in a fortnight.")


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What all clients of this test reach."""
    held = qdrant_client.QdrantClient(":memory:")
    monkeypatch.setattr(held, "close", lambda: None)
    monkeypatch.setattr(qdrant_client, "QdrantClient", lambda *_, **__: held)
    return held


@pytest.fixture
async def index(server: Any) -> AsyncIterator[Index]:
    one = Index("http://127.0.0.1:9", None, "test")
    await one.open("c", "m", 2)
    yield one
    await one.aclose()


def of(*texts: Passage) -> dict[str, Vector]:
    return {passage.id: array("f", [1.0, 2.0]) for passage in texts}


async def found(index: Index, text: str) -> list[str]:
    hits, _ = await index.search(text, array("f", [1.0, 2.0]), "hybrid", 5)
    return [hit.passage.text for hit in hits]


async def test_what_one_worker_puts_another_finds_and_need_not_put(index: Index) -> None:
    await index.put([ZEBRA], of(ZEBRA), "m")
    other = Index("http://127.0.0.1:9", None, "test")
    await other.open("c", "m", 2)
    assert other.held == index.held
    assert await found(other, "zebra") == [ZEBRA.text]
    await other.aclose()


async def test_workers_with_two_models_leave_each_other_their_vectors(index: Index) -> None:
    await index.put([ZEBRA], of(ZEBRA), "m")
    other = Index("http://127.0.0.1:9", None, "test")
    await other.open("c", "n", 2)
    assert other.held == {}
    await other.put([PARCEL], of(PARCEL), "n")
    assert await found(index, "zebra") == [ZEBRA.text]
    await other.aclose()


async def test_two_deployments_on_one_server_have_nothing_of_each_other(index: Index) -> None:
    await index.put([ZEBRA], of(ZEBRA), "m")
    other = Index("http://127.0.0.1:9", None, "test")
    await other.open("d", "m", 2)
    assert other.held == {}
    await other.put([PARCEL], of(PARCEL), "m")
    assert await found(index, "parcels") == [ZEBRA.text]
    assert not await index.has_lost()
    await other.aclose()


async def test_what_the_server_lost_is_noticed(index: Index, server: Any) -> None:
    await index.put([ZEBRA, PARCEL], of(ZEBRA, PARCEL), "m")
    assert not await index.has_lost()
    [name] = [one.name for one in server.get_collections().collections]
    server.delete(name, [server.scroll(name, limit=1)[0][0].id])
    assert await index.has_lost()
    assert len(index.held) == 1
    assert index.opened("c", "m", 2)
    server.delete_collection(name)
    assert await index.has_lost()
    assert index.held == {}
    assert not index.opened("c", "m", 2)
    await index.open("c", "m", 2)
    await index.put([ZEBRA], of(ZEBRA), "m")
    assert await found(index, "zebra") == [ZEBRA.text]


async def test_what_could_not_be_put_is_not_held(index: Index, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionResetError("gone")

    monkeypatch.setattr(server, "upsert", refuse)
    with pytest.raises(ConnectionResetError):
        await index.put([ZEBRA], of(ZEBRA), "m")
    assert index.held == {}


class Dying:
    """An index that does what it is told to."""

    on_server = True

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.error: Exception | None = None
        self.takes_s = 0.0
        self.searches = 0

    async def search(self, text: str, vector: Any, mode: Mode, limit: int) -> tuple[list[Hit], Mode]:
        self.searches += 1
        await self._clock.sleep(self.takes_s)
        if self.error:
            raise self.error
        return [Hit(ZEBRA, 1.0)], mode


def behind_a_circuit(index: Any, clock: FakeClock, settle: Settle | None = None) -> Search:
    store = AwayStore()
    breaker = Breaker(
        [INDEX],
        BreakerSettings(),
        store=store,
        replica=idle_replica(store, clock),
        settle=settle or Settle(),
        lag=Lag(limit_s=1.0, clock=clock),
        clock=clock,
    )
    return Search(index, breaker=breaker, fair_s=0.1, clock=clock)


async def test_a_dead_server_is_not_asked_and_one_search_finds_out_that_it_is_back(clock: FakeClock) -> None:
    index, settle = Dying(clock), Settle()
    search = behind_a_circuit(index, clock, settle)
    asked = ask(clock)

    async def once() -> list[Hit]:
        hits, _ = await search.of(asked, "zebra", None, "lexical", 5, clock.monotonic() + 0.3)
        return hits

    index.error = ConnectionRefusedError("nobody listens")
    for _ in range(BreakerSettings().failures):
        with pytest.raises(Unavailable):
            await once()
    with pytest.raises(CircuitOpen):
        await once()
    assert index.searches == BreakerSettings().failures
    assert decisions(asked, "breaker")[-1] == "open"
    assert "nobody listens" not in str(asked.path)  # which anybody may see
    index.error = None
    clock.advance(BreakerSettings().cooldown_s + 1)
    assert [hit.passage for hit in await once()] == [ZEBRA]
    await settle.drain()
    assert [hit.passage for hit in await once()] == [ZEBRA]


@pytest.mark.parametrize(("left_s", "counts"), [(0.3, True), (0.05, False)])
async def test_only_a_server_that_had_its_time_is_judged_by_a_time_out(
    clock: FakeClock, left_s: float, counts: bool
) -> None:
    index = Dying(clock)
    index.takes_s = 5.0
    with pytest.raises(TimedOut) as late:
        await behind_a_circuit(index, clock).of(ask(clock), "zebra", None, "lexical", 5, clock.monotonic() + left_s)
    assert late.value.counts is counts


async def test_in_memory_there_is_no_circuit(clock: FakeClock) -> None:
    index = Dying(clock)
    index.on_server = False
    index.error = RuntimeError("a defect")
    search = behind_a_circuit(index, clock)
    asked = ask(clock)
    for _ in range(BreakerSettings().failures + 2):
        with pytest.raises(ProviderError):
            await search.of(asked, "zebra", None, "lexical", 5, clock.monotonic() + 0.3)
    assert index.searches == BreakerSettings().failures + 2
