"""The corpus: what there is to find. It lives in Redis, and each worker's index follows it.

Whole documents are replaced at once, under a new version that every worker hears of (``../store/replica.py``); only
what has changed is embedded, fetched and indexed. A store without a corpus gets the handbook that ships with the
project, from one worker, under a lease that holds while it lives. While the embeddings are away passages come in
without vectors, and get them when they are back; so do those whose vector has another length than the newest have.
Next: ``retrieve.py``.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TypeVar

import orjson
import structlog

from ..clock import Clock
from ..errors import ProviderError, StoreUnavailable
from ..stages.ask import Ask
from ..store.guard import Store
from ..store.lease import Lease
from ..store.liveness import Liveness
from ..store.replica import CHANNEL, Fields, Replica
from ..store.script import Script
from .embedding_cache import unpacked
from .embeddings import BATCH, Embeddings, Vector, normalised
from .index import Index
from .passages import Passage, passages_of
from .work import OwnWork

log = structlog.get_logger(__name__)
T = TypeVar("T")
STATE, INDEX, PASSAGES, VECTORS, DOCUMENTS, LEASE = (
    f"corpus:{{all}}{part}" for part in ("", ":index", ":passages", ":vectors", ":documents", ":lease")
)
"""Keys in Redis, all in one hash slot: the version that is followed, and hashes by passage or document."""
HANDBOOK = "handbook"
"""The set of the documents that ship with the project."""
AT_ONCE = 100
"""Passages read in one answer of the store."""
EMBED_TIMEOUT_S = 10.0
"""For one batch of passages; nobody waits for an answer behind it."""
FILL_WITHIN_S = 3.0
"""To embed the handbook for a store that has nothing: then it comes in without vectors, so that words find it."""
LOOK_S = 1.0
"""How often a worker looks for what is still to be done, and how long it waits after a failure."""
SAY_AGAIN_S = 60.0
"""Between two lines about a failure that lasts."""
HEAL_S = 3.0
"""How often it is tried again to embed passages that lack vectors."""


@dataclass(slots=True, frozen=True)
class Document:
    """A Markdown file: ``set/path`` as its name, and its text."""

    path: str
    text: str

    @property
    def sha256(self) -> str:
        """Of the file's bytes, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(slots=True)
class Written:
    """What became of passages that were given. ``degraded`` says why some have no vector yet."""

    version: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    degraded: list[str] = field(default_factory=list)


class Corpus:
    """One worker's view. ``need`` makes it get ready; ``version`` is what its index has, 0 for none yet."""

    def __init__(
        self, index: Index, embeddings: Embeddings | None, *, handbook: bool, store: Store, replica: Replica,
        liveness: Liveness, work: OwnWork, clock: Clock,
    ) -> None:  # fmt: skip
        self._index = index
        self._embeddings = embeddings
        self._space = "" if embeddings is None else embeddings.model
        self._handbook = handbook
        self._store = store
        self._replica = replica
        self._work = work
        self._clock = clock
        self._lease = Lease(store, liveness, LEASE)
        self._script = Script(store, __package__, "corpus")
        self._news = asyncio.Event()
        self._settled = asyncio.Event()
        """Whoever waits for the index need wait no longer: it is ready, or it failed."""
        self._announced = self._size = 0
        self._say_at_s = 0.0
        self._following: asyncio.Task[None] | None = None
        self._heal_at_s = 0.0
        self.version = 0
        self.ready = False
        """Whether the index can be searched: it has what the store has told of, be that nothing."""
        self.has_vectors = True
        """Whether every passage can be found by its vector."""
        replica.follow(STATE, self._adopt, version=lambda: self._announced)

    def _adopt(self, fields: Fields) -> None:
        version = int(fields.get("version", 0))
        if self._announced and not version:
            log.warning("corpus_lost", version=self._announced)  # by the store; our index keeps what it has
        self._announced, self._size = version, int(fields.get(self._size_field, self._size))
        self._news.set()

    @property
    def _size_field(self) -> str:
        return f"size {self._space}"

    def need(self) -> None:
        """Somebody wants to search: open the index and follow the corpus from now on."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())

    async def wait_ready(self, until_s: float) -> bool:
        """Whether it can be searched by ``until_s`` at the latest; at once where getting ready has failed."""
        self.need()
        try:
            async with self._clock.timeout_at(until_s):
                await self._settled.wait()
        except TimeoutError:
            pass
        return self.ready

    async def _follow(self) -> None:
        while True:
            try:
                await self._keep_up()
            except Exception as error:  # noqa: BLE001 - a server's library raises many kinds; the next pass mends it
                self._settled.set()
                self._news.set()
                self._tell(error)
                await self._clock.sleep(LOOK_S)
                continue
            self._say_at_s = 0.0
            try:
                async with self._clock.timeout_at(self._clock.monotonic() + LOOK_S):
                    await self._news.wait()
            except TimeoutError:
                pass

    def _tell(self, error: Exception) -> None:
        """A trace when it begins, a line each minute while it lasts; of the store the guard has said so."""
        now = self._clock.monotonic()
        if isinstance(error, StoreUnavailable) or now < self._say_at_s:
            return
        log.warning(
            "corpus_not_followed",
            reason=type(error).__name__,
            error=str(error)[:200],
            exc_info=None if self._say_at_s else error,
        )
        self._say_at_s = now + SAY_AGAIN_S

    async def _keep_up(self) -> None:
        """One look: open the index, fill an empty store, take over what is new, embed what lacks vectors."""
        is_news = self._news.is_set()
        self._news.clear()
        if not self._index.opened(self._space, self._size):
            self._begin_anew()
            await self._index.open(self._space, self._size)
            is_news = True
        elif await self._index.has_lost():
            log.warning("index_lost_passages", left=len(self._index.held))
            if not self._index.held:
                self._begin_anew()
            is_news = True
        if not self._announced:
            await self._fill()
        if self._announced:
            if is_news or self._announced != self.version:
                await self._take_over()
        elif not self._handbook and not await self._store.execute("EXISTS", STATE):
            self._found()  # nothing, and nobody is about to change that
        if self.ready:
            await self._heal()

    def _begin_anew(self) -> None:
        """What the index held is not there any more; who waits may hope for it, unless that was in vain last time."""
        if self.ready:
            self._settled.clear()
        self.ready, self.version = False, 0

    def _found(self) -> None:
        """The index has all that there is."""
        self.has_vectors = all(held.space == self._space for held in self._index.held.values())
        self.ready = True
        self._settled.set()

    async def _fill(self) -> None:
        """Index the shipped handbook, if the store has no corpus at all and nobody else is at it."""
        if not self._handbook:
            return
        await self._replica.refresh()
        if self._announced:
            return
        async with self._lease.held() as is_ours:
            if is_ours:
                async with self._work.begin(FILL_WITHIN_S) as ask:
                    await self.write(shipped(), (), ask)
                await self._replica.refresh()

    async def _take_over(self) -> None:
        """Bring the index to what the store has: what is new first, so that nothing is missed meanwhile."""
        announced = self._announced
        if self._index.size != self._size:  # told just now: the index has to be opened for it first
            self._news.set()
            return
        marks = _pairs(await self._store.execute("HGETALL", INDEX))
        wanted = {name: mark.rpartition("\n")[2] for name, mark in marks.items()}
        held = self._index.held
        stale = [name for name, sha256 in wanted.items() if name not in held or held[name].sha256 != sha256]
        bare = [name for name in wanted.keys() - stale if held[name].space != self._space]
        for names in _batches(stale, AT_ONCE):
            await self._put(names, wanted, only_with_vector=False)
        for names in _batches(bare, AT_ONCE):
            await self._put(names, wanted, only_with_vector=True)
        await self._index.drop([name for name in held if name not in wanted])
        self.version = announced
        self._found()

    async def _put(self, names: Sequence[str], wanted: Mapping[str, str], *, only_with_vector: bool) -> None:
        texts = await self._store.execute("HMGET", PASSAGES, *names)
        vectors = await self._store.execute("HMGET", VECTORS, *names) if self._space else [None] * len(names)
        passages, known = [], dict[str, Vector]()
        for name, text, data in zip(names, texts, vectors, strict=True):
            if text is None:  # taken out meanwhile: a newer version says so
                continue
            passage = Passage(**orjson.loads(text))
            if passage.sha256 != wanted[name]:
                continue
            vector = self._vector_in(data, passage)
            if vector is not None:
                known[name] = vector
            if vector is not None or not only_with_vector:
                passages.append(passage)
        if passages:
            await self._index.put(passages, known, self._space)

    def _vector_in(self, data: bytes | None, passage: Passage) -> Vector | None:
        """A stored vector, if it is of this text and of our model, and as long as its newest vectors are."""
        head, _, body = (data or b"").partition(b"\n")
        vector = unpacked(body) if head.decode(errors="replace") == self._head(passage) else None
        return vector if vector is not None and len(vector) == self._size else None

    def _head(self, passage: Passage) -> str:
        return f"{self._space} {passage.sha256}"

    async def _heal(self) -> None:
        """Give vectors to passages that came in while the embeddings were away, or with another model's."""
        now = self._clock.monotonic()
        bare = [name for name, held in self._index.held.items() if held.space != self._space]
        if self._embeddings is None or not bare or now < self._heal_at_s:
            return
        self._heal_at_s = now + HEAL_S
        try:
            async with self._lease.held() as is_ours:
                for names in _batches(bare, BATCH) if is_ours else ():
                    texts = await self._store.execute("HMGET", PASSAGES, *names)
                    passages = [Passage(**orjson.loads(text)) for text in texts if text is not None]
                    async with self._work.begin(EMBED_TIMEOUT_S) as ask:
                        vectors = await self._embedded(ask, passages)
                    await self._written({}, passages, vectors, only_vectors=True)
        except ProviderError as error:
            log.info("passages_without_vectors", count=len(bare), reason=error.code)

    async def write(self, documents: Sequence[Document], gone: Sequence[str], ask: Ask) -> Written:
        """Replace these documents and take out those that are ``gone``, by path.

        Raises Unprocessable for what is no readable document, before anything is written; StoreUnavailable.
        """
        found = await asyncio.to_thread(lambda: [(doc, passages_of(doc.path, doc.text)) for doc in documents])
        passages = [passage for _, some in found for passage in some]
        new = await self._new(passages)
        vectors, degraded = dict[str, Vector](), list[str]()
        if self._embeddings is not None:
            try:
                for some in _batches(new, BATCH):
                    vectors |= await self._embedded(ask, some)
            except ProviderError as error:
                degraded.append(f"{error.provider}:{error.code}")
        hashes = {doc.path: doc.sha256 for doc in documents} | dict.fromkeys(gone, "")
        written = await self._written(hashes, passages, vectors)
        written.degraded = degraded
        return written

    async def compare(self, documents: Sequence[Document], gone: Sequence[str]) -> Written:
        """What ``write`` would do. Raises as it does."""
        found = await asyncio.to_thread(lambda: [(doc, passages_of(doc.path, doc.text)) for doc in documents])
        marks = _pairs(await self._store.execute("HGETALL", INDEX))
        given = {p.id: _mark(p) for _, some in found for p in some}
        replaced = {doc.path for doc in documents} | set(gone)
        known = {name: mark for name, mark in marks.items() if mark.rpartition("\n")[0] in replaced}
        return Written(
            version=self._announced,
            added=len(given.keys() - marks.keys()),
            changed=sum(name in marks and marks[name] != mark for name, mark in given.items()),
            removed=len(known.keys() - given.keys()),
            unchanged=sum(marks.get(name) == mark for name, mark in given.items()),
        )

    async def documents(self) -> dict[str, str]:
        """Path of each document in the corpus, and its SHA-256. Raises StoreUnavailable."""
        return _pairs(await self._store.execute("HGETALL", DOCUMENTS))

    async def _new(self, passages: Sequence[Passage]) -> list[Passage]:
        """Those that the store does not have as they are, or not with a vector."""
        if not passages:
            return []
        names = [passage.id for passage in passages]
        vectors = await self._store.execute("HMGET", VECTORS, *names)
        return [p for p, data in zip(passages, vectors, strict=True) if self._vector_in(data, p) is None]

    async def _embedded(self, ask: Ask, passages: Sequence[Passage]) -> dict[str, Vector]:
        assert self._embeddings is not None  # noqa: S101 - who calls has looked
        texts = [normalised(passage.indexed) for passage in passages]
        until_s = ask.deadline_s
        vectors = await self._embeddings.of(ask, texts, until_s, timeout_s=EMBED_TIMEOUT_S)
        return {passage.id: vector for passage, vector in zip(passages, vectors, strict=True)}

    async def _written(
        self,
        documents: Mapping[str, str],
        passages: Sequence[Passage],
        vectors: Mapping[str, Vector],
        *,
        only_vectors: bool = False,
    ) -> Written:
        by_id = {passage.id: passage for passage in passages}
        rows = [] if only_vectors else [[p.id, p.source, p.sha256, orjson.dumps(p).decode()] for p in passages]
        sizes = {self._size_field: len(next(iter(vectors.values())))} if vectors else {}
        said = {"documents": dict(documents), "passages": rows, "vectors": list(vectors), "sizes": sizes}
        packed = [f"{self._head(by_id[name])}\n".encode() + vector.tobytes() for name, vector in vectors.items()]
        keys = (STATE, INDEX, PASSAGES, VECTORS, DOCUMENTS)
        version, added, changed, removed, unchanged = await self._script(keys, CHANNEL, orjson.dumps(said), *packed)
        return Written(version, added, changed, removed, unchanged)

    async def aclose(self) -> None:
        """Follow no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._index.aclose()


def shipped() -> list[Document]:
    """The handbook of the project."""
    folder = resources.files(__package__).joinpath(HANDBOOK)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".md")), key=lambda file: file.name)
    return [Document(f"{HANDBOOK}/{file.name}", file.read_text("utf-8")) for file in files]


def _mark(passage: Passage) -> str:
    return f"{passage.source}\n{passage.sha256}"


def _pairs(flat: Sequence[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _batches(items: Sequence[T] | Iterable[T], size: int) -> Iterable[Sequence[T]]:
    given = list(items)
    return (given[begin : begin + size] for begin in range(0, len(given), size))
