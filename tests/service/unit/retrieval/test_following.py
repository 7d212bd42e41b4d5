"""A worker's index follows the corpus through a store that forgets, vectors that change, and a server that is away."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from service.clock import SystemClock
from service.errors import Misconfigured, ProviderError, StoreUnavailable, Unavailable
from service.own_work import Steps
from service.retrieval import following as following_module
from service.retrieval import passage_vectors
from service.retrieval.corpus import Corpus, Document, shipped
from service.retrieval.embeddings import BATCH
from service.retrieval.following import LEASE, Following
from service.retrieval.index import Held, Index
from service.retrieval.work import OwnWork
from service.settings import EMBEDDINGS
from service.store.guard import Store
from service.store.lease import Lease
from service.store.liveness import Liveness
from service.store.replica import Replica
from tests.valkey import Valkey

from ..fakes import AwayStore, FakeClock, idle_replica, until

ONE = Document("shop/a.md", "# Shop\n\nThe zebra desk opens at nine.\n")
TWO = Document("shop/b.md", "# Returns\n\nParcels come back in a fortnight.\n")
PAUSE_S = 0.01


class Lengths:
    """Embeddings of which the length may change."""

    space = "m"

    def __init__(self) -> None:
        self.length = 4
        self.calls = 0
        self.error: ProviderError | None = None
        self.refuses = ""
        """A word of texts that the server does not take."""
        self.most = BATCH

    async def of(self, ask: Any, texts: Sequence[str], until_s: float, **_: Any) -> "list[array[float]]":
        self.calls += 1
        if self.error is not None:
            raise self.error
        if len(texts) > self.most or (self.refuses and any(self.refuses in text for text in texts)):
            raise Misconfigured("too long", provider=EMBEDDINGS, upstream_status=413)
        return [array("f", [float(len(text))] + [1.0] * (self.length - 1)) for text in texts]


class Follower:
    """One worker's corpus on the real store, with an index of its own."""

    def __init__(self, store: Store, url: str, *, handbook: bool, name: str) -> None:
        clock = SystemClock()
        self.store = store
        self.replica = Replica(store, url, refresh_s=0.05, clock=clock)
        self.liveness = Liveness(store, worker=name, clock=clock)
        self.index = Index(None, None, "test")
        self.embeddings: Any = Lengths()
        self.corpus = Corpus(self.embeddings, store=store, replica=self.replica)  # type: ignore[arg-type]  # it does what is asked of it here
        self.following = Following(
            self.index,
            self.corpus,
            handbook=handbook,
            lease=Lease(store, self.liveness, LEASE),
            work=OwnWork("m", steps=Steps(lambda _: None, captures=False, clock=clock), clock=clock),
            clock=clock,
        )
        self._work = OwnWork("m", steps=Steps(lambda _: None, captures=False, clock=clock), clock=clock)

    async def start(self) -> None:
        await self.replica.start()
        await self.liveness.start()
        self.following.need()

    async def write(self, *documents: Document, gone: Sequence[str] = ()) -> int:
        async with self._work.begin(5.0) as ask:
            return (await self.corpus.write(documents, gone, ask)).version

    async def has(self, version: int) -> None:
        """Wait until the index has this version, or one that its own vectors have made of it."""
        await until(lambda: (self.following.version or 0) >= version, pause_s=PAUSE_S)

    async def looks(self, times: int) -> None:
        """Wait until it has looked so many times more; each look asks whether what is open is the right one."""
        seen, opened = 0, self.index.opened

        def counted(corpus: str, space: str, size: int) -> bool:
            nonlocal seen
            seen += 1
            return opened(corpus, space, size)

        self.index.opened = counted  # type: ignore[method-assign]
        await until(lambda: seen > times, pause_s=PAUSE_S)

    async def end(self) -> None:
        await self.following.aclose()
        await self.replica.aclose()
        await self.liveness.aclose()


@pytest.fixture
async def follower(store: Store, valkey: Valkey) -> AsyncIterator[Follower]:
    one = Follower(store, valkey.url, handbook=False, name="w1")
    await one.start()
    yield one
    await one.end()


async def test_an_empty_corpus_can_be_searched_and_nobody_waits_for_it(follower: Follower) -> None:
    assert await follower.following.wait_ready(asyncio.get_running_loop().time() + 30)
    assert await follower.index.search("zebra", None, "lexical", 5) == ([], "lexical")
    assert follower.following.version == 0
    await follower.has(await follower.write(ONE))
    [hit], _ = await follower.index.search("zebra", None, "lexical", 5)
    assert hit.passage.text == "The zebra desk opens at nine."


async def test_a_store_that_forgot_counts_on_and_the_index_keeps_what_it_has(follower: Follower) -> None:
    before = await follower.write(ONE)
    await follower.has(before)
    await follower.store.execute("FLUSHALL")
    await until(lambda: not follower.corpus.version, pause_s=PAUSE_S)
    await follower.looks(2)
    assert (follower.following.version, list(follower.index.held)) == (before, ["shop/a.md#shop"])
    after = await follower.write(TWO)
    assert after > before
    await follower.has(after)
    assert list(follower.index.held) == ["shop/b.md#returns"]


async def test_what_is_new_is_there_before_what_is_gone_is_dropped(follower: Follower) -> None:
    await follower.has(await follower.write(ONE))
    seen: list[int] = []
    drop = follower.index.drop

    async def watched(ids: Sequence[str]) -> None:
        seen.append(len(follower.index.held))
        await drop(ids)

    follower.index.drop = watched  # type: ignore[method-assign]
    await follower.has(await follower.write(TWO, gone=[ONE.path]))
    assert seen == [2]
    assert list(follower.index.held) == ["shop/b.md#returns"]


async def test_vectors_of_another_length_are_made_anew_and_all_end_with_one(follower: Follower) -> None:
    await follower.has(await follower.write(ONE))
    assert (follower.index.size, follower.following.has_vectors) == (4, True)
    follower.embeddings.length = 6
    await follower.write(TWO)
    await until(lambda: follower.index.size == 6 and len(follower.index.held) == 2, pause_s=PAUSE_S)
    await until(lambda: follower.following.ready and follower.following.has_vectors, pause_s=PAUSE_S)
    assert follower.embeddings.calls == 3
    hits, mode = await follower.index.search("zebra", array("f", [1.0] * 6), "hybrid", 5)
    assert (len(hits), mode) == (2, "hybrid")
    _, mode = await follower.index.search("zebra", array("f", [1.0] * 4), "hybrid", 5)
    assert mode == "lexical"


async def test_searches_run_while_the_index_is_written(follower: Follower) -> None:
    await follower.has(await follower.write(ONE))
    many = [Document(f"shop/{n}.md", f"# Number {n}\n\nThe zebra desk is number {n}.\n") for n in range(100)]
    version = await follower.write(*many)
    searches = 0
    while follower.following.version != version:
        hits, _ = await follower.index.search("zebra desk", array("f", [1.0] * 4), "hybrid", 5)
        assert hits
        assert follower.following.has_vectors
        searches += 1
    assert searches >= 5


async def test_the_handbook_is_filled_in_by_one_and_taken_over_from_a_dead_one(store: Store, valkey: Valkey) -> None:
    await store.execute("SET", "corpus:{all}:lease", "dead", "PX", 60_000)
    both = [Follower(store, valkey.url, handbook=True, name=name) for name in ("w1", "w2")]
    for one in both:
        await one.start()
    try:
        for one in both:
            await until(lambda one=one: one.following.ready and one.following.has_vectors, pause_s=PAUSE_S)  # type: ignore[misc]
        assert sorted(bool(one.embeddings.calls) for one in both) == [False, True]
        assert len(both[0].index.held) == len(both[1].index.held) > len(shipped())
    finally:
        for one in both:
            await one.end()


async def test_a_lease_is_its_owners_while_it_lives(store: Store) -> None:
    clock = SystemClock()
    one, two = (Liveness(store, worker=name, clock=clock) for name in ("w1", "w2"))
    await one.start()
    async with Lease(store, one, "k").held() as is_ours:
        assert is_ours
        async with Lease(store, two, "k").held() as is_theirs:
            assert not is_theirs
        await one.aclose()
        await store.execute("DEL", "alive:w1")
        async with Lease(store, two, "k").held() as is_theirs:
            assert is_theirs
            assert await store.execute("GET", "k") == b"w2"
    assert await store.execute("EXISTS", "k") == 0


class Refusing:
    """An index on a server that is away."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.tries = 0

    def opened(self, corpus: str, space: str, size: int) -> bool:
        return False

    async def open(self, corpus: str, space: str, size: int) -> None:
        self.tries += 1
        raise ConnectionRefusedError("nobody listens")

    async def aclose(self) -> None:
        return None


async def test_a_server_that_is_away_is_asked_ever_less_often_and_no_question_waits_for_it(clock: FakeClock) -> None:
    index: Any = Refusing()
    store = AwayStore()
    replica = idle_replica(store, clock)
    following = Following(
        index,
        Corpus(None, store=store, replica=replica),
        handbook=True,
        lease=Lease(store, Liveness(store, worker="w", clock=clock), LEASE),
        work=OwnWork("m", steps=Steps(lambda _: None, captures=False, clock=clock), clock=clock),
        clock=clock,
    )
    replica._tell("corpus:{all}", {"version": "7"})
    assert not await following.wait_ready(clock.monotonic() + 30)
    began_s = clock.monotonic()
    await clock.sleep(7.5)  # after pauses of 1, 2 and 4 s
    assert index.tries == 4
    await clock.sleep(60)
    assert 9 <= index.tries <= 11
    now_s = clock.monotonic()
    assert not await following.wait_ready(now_s + 30)
    assert clock.monotonic() == now_s > began_s
    await following.aclose()


def pages(count: int) -> list[Document]:
    return [Document(f"shop/{n}.md", f"# Number {n}\n\nThe zebra desk is number {n}.\n") for n in range(count)]


def without_vectors(one: Follower) -> set[str]:
    return {name for name, held in one.index.held.items() if not held.space}


async def test_a_server_that_takes_fewer_texts_at_once_gets_them_in_parts(follower: Follower) -> None:
    follower.embeddings.most = 5
    await follower.has(await follower.write(*pages(BATCH + 8)))
    assert (len(follower.index.held), without_vectors(follower)) == (BATCH + 8, set())


async def test_a_refused_text_stops_no_other_and_is_not_asked_for_again(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following_module, "LOOK_S", 0.02)
    told: list[Any] = []
    monkeypatch.setattr(passage_vectors.log, "error", lambda event, **more: told.append((event, more["passages"])))
    follower.embeddings.error = Unavailable("away", provider=EMBEDDINGS)
    await follower.has(await follower.write(*pages(2 * BATCH)))
    assert len(without_vectors(follower)) == 2 * BATCH
    follower.embeddings.error, follower.embeddings.refuses = None, "number 3."
    refused = {"shop/3.md#number-3"}
    await until(lambda: without_vectors(follower) == refused, pause_s=PAUSE_S)
    await until(lambda: follower.following.has_vectors, pause_s=PAUSE_S)
    calls = follower.embeddings.calls
    follower.following._heal_at_s = 0.0
    await follower.looks(3)
    assert follower.embeddings.calls == calls
    assert told == [("passages_refused", sorted(refused))]
    assert follower.corpus.refuses("shop/3.md#number-3", follower.index.held["shop/3.md#number-3"].sha256)
    await follower.write(Document("shop/3.md", "# Number 3\n\nAnother text.\n"))
    await until(lambda: not without_vectors(follower), pause_s=PAUSE_S)


async def test_a_server_that_takes_no_text_at_all_is_asked_ever_less_often(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following_module, "LOOK_S", 0.02)
    follower.embeddings.refuses = "number"
    await follower.has(await follower.write(*pages(2)))
    await until(lambda: follower.following._heal_s > following_module.HEAL_S, pause_s=PAUSE_S)
    calls, following = follower.embeddings.calls, follower.following
    assert not following.has_vectors
    await follower.looks(3)
    assert follower.embeddings.calls == calls
    following._heal_at_s = 0.0
    await until(lambda: following._heal_s > 2 * following_module.HEAL_S, pause_s=PAUSE_S)
    follower.embeddings.refuses = ""
    following._heal_at_s = 0.0
    await until(lambda: not without_vectors(follower), pause_s=PAUSE_S)


async def test_vectors_of_two_lengths_in_turn_end_with_one(follower: Follower) -> None:
    for n in range(10):
        follower.embeddings.length = 4 + 2 * (n % 2)
        await follower.has(await follower.write(Document(f"shop/{n}.md", f"# {n}\n\nThe zebra desk.\n")))
    vectors = follower.corpus._vectors
    assert vectors is not None
    assert len(vectors.changes_at_s) == passage_vectors.MOST_LENGTHS
    follower.embeddings.length = vectors.length
    follower.following._heal_at_s = 0.0
    await until(lambda: follower.following.has_vectors and follower.index.size == vectors.length, pause_s=PAUSE_S)


async def test_what_changes_nothing_is_no_news(follower: Follower) -> None:
    version = await follower.write(ONE)
    await follower.has(version)
    assert await follower.write(ONE) == version
    assert await follower.write(gone=["shop/none.md"]) == version
    assert await follower.write(TWO) > version


async def test_a_corpus_that_is_there_first_keeps_no_handbook_out(store: Store, valkey: Valkey) -> None:
    one = Follower(store, valkey.url, handbook=True, name="w1")
    await one.write(ONE)
    await one.start()
    try:
        paths = [document.path for document in shipped()]
        both = {"shop/a.md", *paths}
        await until(lambda: {passage.partition("#")[0] for passage in one.index.held} == both, pause_s=PAUSE_S)
        await one.write(gone=paths)
        await until(lambda: list(one.index.held) == ["shop/a.md#shop"], pause_s=PAUSE_S)
        await one.looks(2)
        assert list(one.index.held) == ["shop/a.md#shop"]
    finally:
        await one.end()


async def test_a_corpus_has_a_name_that_a_store_which_forgot_gets_again(follower: Follower) -> None:
    await follower.has(await follower.write(ONE))
    name = follower.corpus.name
    assert len(name) == 32
    await follower.store.execute("FLUSHALL")
    await until(lambda: not follower.corpus.version, pause_s=PAUSE_S)
    await follower.has(await follower.write(TWO))
    assert follower.corpus.name == name
    assert await follower.store.execute("HGET", "corpus:{all}", "name") == name.encode()


class Losing:
    """An index on a server, of which the server lost a part: to nobody, or to a worker that follows sooner."""

    def __init__(self, *left: int) -> None:
        self._left = iter(left)
        self.held = {str(n): Held("", "") for n in range(5)}

    def opened(self, corpus: str, space: str, size: int) -> bool:
        return True

    async def has_lost(self) -> bool:
        self.held = {str(n): Held("", "") for n in range(next(self._left))}
        return True


@pytest.mark.parametrize(
    ("left", "version", "told"),
    [(3, 7, ["index_lost_passages"]), (9, 7, []), (3, 8, [])],
    ids=["lost", "more than before", "a newer version"],
)
async def test_only_what_is_missing_from_the_version_that_is_followed_is_told_as_lost(
    left: int, version: int, told: list[str], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    index: Any = Losing(left)
    store = AwayStore()
    replica = idle_replica(store, clock)
    following = Following(
        index,
        Corpus(None, store=store, replica=replica),
        handbook=False,
        lease=Lease(store, Liveness(store, worker="w", clock=clock), LEASE),
        work=OwnWork("m", steps=Steps(lambda _: None, captures=False, clock=clock), clock=clock),
        clock=clock,
    )
    following.version = 7
    replica._tell("corpus:{all}", {"version": str(version)})
    said: list[str] = []
    monkeypatch.setattr(following_module.log, "warning", lambda event, **_: said.append(event))
    with pytest.raises(StoreUnavailable):
        await following._keep_up()
    assert said == told
