"""The corpus: what there is to find. It lives in Redis, and each worker's index follows it.

Whole documents are replaced at once, under a new version that every worker hears of (``../store/replica.py``); only
what has changed is embedded. While the embeddings are away passages come in without vectors, and get them when they are
back; so do those whose vector has another length than the newest have. Next: ``following.py``.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TypeVar

import orjson
import structlog

from ..errors import ProviderError
from ..settings import EMBEDDINGS
from ..stages.ask import Ask
from ..store.guard import Store
from ..store.replica import CHANNEL, Fields, Replica
from ..store.script import Script
from .embedding_cache import unpacked
from .embeddings import BATCH, Embeddings, Vector
from .passage_vectors import PassageVectors
from .passages import Passage, passages_of

log = structlog.get_logger(__name__)
T = TypeVar("T")
STATE, INDEX, PASSAGES, VECTORS, DOCUMENTS = (
    f"corpus:{{all}}{part}" for part in ("", ":index", ":passages", ":vectors", ":documents")
)
"""Keys in Redis, all in one hash slot: the version that is followed, and hashes by passage or document."""
HANDBOOK = "handbook"
"""The set of the documents that ship with the project."""
REFUSED = f"{EMBEDDINGS}:refused"
"""Of a text that the embeddings API does not take, for its length say."""


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
    """What became of passages that were given. ``degraded`` says why some have no vector yet.

    ``empty`` are the paths of documents without text: they count as known, and have no passages.
    """

    version: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    degraded: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


class Corpus:
    """The store's side, for one worker. ``version`` and ``size`` are what the store told of last, 0 for nothing yet.

    ``name`` is the corpus's own, "" before it is known: a server of indexes may have those of many. ``filled`` says
    that it had its handbook, whatever became of that.
    """

    def __init__(self, embeddings: Embeddings | None, *, store: Store, replica: Replica) -> None:
        self._vectors = None if embeddings is None else PassageVectors(embeddings)
        self.space = "" if embeddings is None else embeddings.space
        """Of the vectors; "" where there are none."""
        self._store = store
        self._replica = replica
        self._script = Script(store, __package__, "corpus")
        self.news = asyncio.Event()
        """Set whenever the store told something."""
        self.version = self.size = 0
        self.name, self.filled = "", False
        replica.follow(STATE, self._adopt, version=lambda: self.version)

    @property
    def embeds(self) -> bool:
        """Whether passages can get vectors at all."""
        return self._vectors is not None

    async def refresh(self) -> None:
        """Hear from the store now what it has; nothing changes where it is away."""
        await self._replica.refresh()

    async def exists(self) -> bool:
        """Whether the store has a corpus, be it empty. Raises StoreUnavailable."""
        return bool(await self._store.execute("EXISTS", STATE))

    def _adopt(self, fields: Fields) -> None:
        version = int(fields.get("version", 0))
        if self.version and not version:
            log.warning("corpus_lost", version=self.version)  # by the store; our index keeps what it has
        self.version, self.size = version, int(fields.get(self._size_field, self.size))
        self.name, self.filled = fields.get("name", self.name), "filled" in fields
        self.news.set()

    @property
    def _size_field(self) -> str:
        return f"size {self.space}"

    async def marks(self) -> dict[str, str]:
        """Id of each passage, and the hash of its text. Raises StoreUnavailable."""
        marks = _pairs(await self._store.execute("HGETALL", INDEX))
        return {name: mark.rpartition("\n")[2] for name, mark in marks.items()}

    async def read(self, names: Sequence[str]) -> list[tuple[Passage, Vector | None]]:
        """Those of these passages that are there, each with its vector if it has one. Raises StoreUnavailable."""
        texts = await self._store.execute("HMGET", PASSAGES, *names)
        vectors = await self._store.execute("HMGET", VECTORS, *names) if self.space else [None] * len(names)
        passages = [None if text is None else Passage(**orjson.loads(text)) for text in texts]
        return [(p, self._vector_in(data, p)) for p, data in zip(passages, vectors, strict=True) if p is not None]

    async def embed(self, names: Sequence[str], ask: Ask) -> None:
        """Give these passages vectors, if they have none by now. Raises ProviderError and StoreUnavailable."""
        passages = [passage for passage, vector in await self.read(names) if vector is None]
        vectors = await self._vectors.of(ask, passages, self.size) if self._vectors is not None else {}
        if vectors:
            await self._written({}, passages, vectors, only_vectors=True)

    def refuses(self, name: str, sha256: str) -> bool:
        """Whether the embeddings API did not take this text, even alone: it is found by its words."""
        return self._vectors is not None and self._vectors.refuses(name, sha256)

    def _vector_in(self, data: bytes | None, passage: Passage) -> Vector | None:
        """A stored vector, if it is of this text and of our model, and as long as its newest vectors are."""
        head, _, body = (data or b"").partition(b"\n")
        vector = unpacked(body) if head.decode(errors="replace") == self._head(passage) else None
        return vector if vector is not None and len(vector) == self.size else None

    def _head(self, passage: Passage) -> str:
        return f"{self.space} {passage.sha256}"

    async def write(
        self, documents: Sequence[Document], gone: Sequence[str], ask: Ask, *, fills: bool = False
    ) -> Written:
        """Replace these documents and take out those that are ``gone``, by path; nothing else needs to be ``filled``.

        Raises Unprocessable for what is no readable document, before anything is written; StoreUnavailable.
        """
        found = await asyncio.to_thread(lambda: [(doc, passages_of(doc.path, doc.text)) for doc in documents])
        passages = [passage for _, some in found for passage in some]
        new = await self._new(passages)
        vectors, degraded = dict[str, Vector](), list[str]()
        if self._vectors is not None:
            try:
                for some in batches(new, BATCH):
                    vectors |= await self._vectors.of(ask, some, self.size)
            except ProviderError as error:
                degraded.append(f"{error.provider}:{error.code}")
            else:
                if any(self.refuses(passage.id, passage.sha256) for passage in new):
                    degraded.append(REFUSED)
        hashes = {doc.path: doc.sha256 for doc in documents} | dict.fromkeys(gone, "")
        written = await self._written(hashes, passages, vectors, fills=fills)
        written.degraded = degraded
        written.empty = _empty(found)
        return written

    async def compare(self, documents: Sequence[Document], gone: Sequence[str]) -> Written:
        """What ``write`` would do. Raises as it does."""
        found = await asyncio.to_thread(lambda: [(doc, passages_of(doc.path, doc.text)) for doc in documents])
        marks = _pairs(await self._store.execute("HGETALL", INDEX))
        given = {p.id: _mark(p) for _, some in found for p in some}
        replaced = {doc.path for doc in documents} | set(gone)
        known = {name: mark for name, mark in marks.items() if mark.rpartition("\n")[0] in replaced}
        return Written(
            version=self.version,
            added=len(given.keys() - marks.keys()),
            changed=sum(name in marks and marks[name] != mark for name, mark in given.items()),
            removed=len(known.keys() - given.keys()),
            unchanged=sum(marks.get(name) == mark for name, mark in given.items()),
            empty=_empty(found),
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

    async def _written(
        self,
        documents: Mapping[str, str],
        passages: Sequence[Passage],
        vectors: Mapping[str, Vector],
        *,
        only_vectors: bool = False,
        fills: bool = False,
    ) -> Written:
        by_id = {passage.id: passage for passage in passages}
        rows = [] if only_vectors else [[p.id, p.source, p.sha256, orjson.dumps(p).decode()] for p in passages]
        sizes = {self._size_field: len(next(iter(vectors.values())))} if vectors else {}
        said = {
            "documents": dict(documents),
            "passages": rows,
            "vectors": list(vectors),
            "sizes": sizes,
            "name": self.name or uuid.uuid4().hex,
            "fills": fills,
        }
        packed = [f"{self._head(by_id[name])}\n".encode() + vector.tobytes() for name, vector in vectors.items()]
        keys = (STATE, INDEX, PASSAGES, VECTORS, DOCUMENTS)
        version, added, changed, removed, unchanged = await self._script(keys, CHANNEL, orjson.dumps(said), *packed)
        return Written(version, added, changed, removed, unchanged)


def shipped() -> list[Document]:
    """The handbook of the project."""
    folder = resources.files(__package__).joinpath(HANDBOOK)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".md")), key=lambda file: file.name)
    return [Document(f"{HANDBOOK}/{file.name}", file.read_text("utf-8")) for file in files]


def _empty(found: Sequence[tuple[Document, Sequence[Passage]]]) -> list[str]:
    return [document.path for document, passages in found if not passages]


def _mark(passage: Passage) -> str:
    return f"{passage.source}\n{passage.sha256}"


def _pairs(flat: Sequence[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}


def batches(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """The items, at most ``size`` at a time."""
    return (items[begin : begin + size] for begin in range(0, len(items), size))
