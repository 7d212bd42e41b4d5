"""The corpus: what there is to find. It lives in Redis, and each worker's index follows it.

Whole documents are replaced at once, under a new version that every worker hears of (``../store/replica.py``); only
what has changed is embedded, fetched and indexed. A store without a corpus gets the handbook that ships with the
project, from one worker, under a lease. While the embeddings are away passages come in without vectors, and get them
when they are back. Next: ``retrieve.py``.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import TypeVar

import orjson
import structlog

from ..clock import Clock
from ..errors import ProviderError, StoreUnavailable
from ..stages.ask import Ask
from ..store.guard import Store
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
LEASE_MS = 60_000
"""For indexing the handbook, or embedding what lacks vectors; a killed worker's is taken over after it."""
LOOK_S = 1.0
"""How often a worker looks for what is still to be done."""
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
    """One worker's view. ``need`` makes it get ready; ``version`` is what its index has."""

    def __init__(
        self, index: Index, embeddings: Embeddings | None, *, handbook: bool, store: Store, replica: Replica,
        work: OwnWork, clock: Clock,
    ) -> None:  # fmt: skip
        self._index = index
        self._embeddings = embeddings
        self._space = "" if embeddings is None else embeddings.model
        self._handbook = handbook
        self._store = store
        self._replica = replica
        self._work = work
        self._clock = clock
        self._script = Script(store, __package__, "corpus")
        self._news = asyncio.Event()
        self._announced = 0
        self._following: asyncio.Task[None] | None = None
        self._heal_at_s = 0.0
        self.version = 0
        replica.follow(STATE, self._adopt, version=lambda: self._announced)

    def _adopt(self, fields: Fields) -> None:
        self._announced = int(fields.get("version", 0))
        self._news.set()

    @property
    def ready(self) -> bool:
        """Whether something can be found."""
        return self.version > 0 and bool(self._index.held)

    @property
    def has_vectors(self) -> bool:
        """Whether every passage can be found by its vector."""
        return all(held.space == self._space for held in self._index.held.values())

    def need(self) -> None:
        """Somebody wants to search: open the index and follow the corpus from now on."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())

    async def wait_ready(self, until_s: float) -> bool:
        """Whether something can be found by ``until_s`` at the latest."""
        self.need()
        while not self.ready and self._clock.monotonic() < until_s:
            await self._clock.sleep(0.01)
        return self.ready

    async def _follow(self) -> None:
        while True:
            try:
                if not self._index.opened:
                    await self._index.open(self._space)
                if not self._announced:
                    await self._fill()
                if self._announced != self.version or self._news.is_set():
                    await self._take_over()
                await self._heal()
            except StoreUnavailable:
                pass  # the guard has said so; the index holds what it has
            except Exception:
                log.exception("corpus_not_followed")
            try:
                async with self._clock.timeout_at(self._clock.monotonic() + LOOK_S):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _fill(self) -> None:
        """Index the shipped handbook, if the store has no corpus at all and nobody else is at it."""
        if not self._handbook:
            return
        await self._replica.refresh()
        if self._announced:
            return
        async with self._lease() as is_ours:
            if is_ours:
                async with self._work.begin(FILL_WITHIN_S) as ask:
                    written = await self.write(shipped(), (), ask)
                self._announced = max(self._announced, written.version)

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[bool]:
        """Whether this is the one worker that does what any could; another's lease runs out if it is killed."""
        began_s = self._clock.monotonic()
        is_ours = bool(await self._store.execute("SET", LEASE, "taken", "NX", "PX", LEASE_MS))
        try:
            yield is_ours
        finally:
            if is_ours and self._clock.monotonic() - began_s < LEASE_MS / 1000:
                await self._store.execute("DEL", LEASE)

    async def _take_over(self) -> None:
        """Bring the index to what the store has."""
        self._news.clear()
        announced = self._announced
        while True:
            marks = _pairs(await self._store.execute("HGETALL", INDEX))
            wanted = {name: mark.rpartition("\n")[2] for name, mark in marks.items()}
            held = self._index.held
            gone = [name for name in held if name not in wanted]
            if gone:
                await self._index.drop(gone)
            stale = [name for name, sha256 in wanted.items() if name not in held or held[name].sha256 != sha256]
            bare = [name for name in wanted if name not in stale and held[name].space != self._space]
            done = 0
            for names in _batches(stale, AT_ONCE):
                done += await self._put(names, wanted, only_with_vector=False)
            for names in _batches(bare, AT_ONCE):
                done += await self._put(names, wanted, only_with_vector=True)
            if not done:  # what was put may have made the index anew, for vectors of another length
                break
        self.version = announced

    async def _put(self, names: Sequence[str], wanted: Mapping[str, str], *, only_with_vector: bool) -> int:
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
        return len(passages)

    def _vector_in(self, data: bytes | None, passage: Passage) -> Vector | None:
        """A stored vector, if it is of this text and of our model."""
        head, _, body = (data or b"").partition(b"\n")
        return unpacked(body) if head.decode(errors="replace") == self._head(passage) else None

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
            async with self._lease() as is_ours:
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
        said = {"documents": dict(documents), "passages": rows, "vectors": list(vectors)}
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
