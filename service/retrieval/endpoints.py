"""What an operator may do with retrieval: look at a search step by step, and change what there is to find.

``POST /retrieve`` shows what each step finds for a question; ``GET`` and ``PUT /admin/corpus`` are what ``gauntlet
index`` speaks. Admin keys only, since both cost calls that no bucket counts. Next: ``retrieve.py``.
"""

from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ..clock import Clock
from ..errors import Unprocessable
from ..gateway.auth import require_admin
from ..gateway.body import Strict, read
from ..gateway.context import context_of
from ..gateway.document import json_response, takes
from ..settings import RetrievalSettings
from ..stages.switches import Switches
from .corpus import Corpus, Document
from .following import Following
from .index import Hit
from .passages import MOST_BYTES
from .retrieve import Retrieval, Wanted
from .work import ask_of_work

MOST_BODY_BYTES = 4 * MOST_BYTES
"""JSON makes more of a document than it has bytes."""
MOST_DOCUMENTS, MOST_REMOVED = 100, 10_000
"""In one request."""
WRITE_WITHIN_S = 30.0
PATIENCE_S = 10.0
"""For a search that is looked at: the first one after a start waits until the index is there."""
PATH = r"^[^\x00-\x1f\x7f#~]{1,500}$"
"""Of a document: no line ends, and none of the characters that a passage's name is made with."""


class RetrieveRequest(Strict):
    """A question, the last step that is taken (default: all), and how many passages to show."""

    query: str = Field(min_length=1, max_length=100_000)
    mode: Literal["lexical", "dense", "hybrid", "rerank"] = "rerank"
    k: int = Field(5, ge=1, le=100)


class DocumentBody(Strict):
    """One Markdown file, by the name that citations give."""

    path: str = Field(pattern=PATH)
    text: str


class CorpusBody(Strict):
    """Documents to add or replace, and paths of those to take out; ``dry_run``: only say what would change."""

    documents: list[DocumentBody] = Field([], max_length=MOST_DOCUMENTS)
    remove: list[str] = Field([], max_length=MOST_REMOVED)
    dry_run: bool = False


class RetrievalEndpoints:
    """The endpoints."""

    def __init__(
        self, retrieval: Retrieval, corpus: Corpus, following: Following, settings: RetrievalSettings, *,
        switches: Switches, clock: Clock, body_max_bytes: int,
    ) -> None:  # fmt: skip
        self._retrieval = retrieval
        self._corpus = corpus
        self._following = following
        self._model = settings.embeddings.model
        self._switches = switches
        self._clock = clock
        self._body_max_bytes = body_max_bytes
        self.router = APIRouter(tags=["retrieval"])
        self.router.add_api_route("/retrieve", self.retrieve, methods=["POST"], openapi_extra=takes(RetrieveRequest))
        self.router.add_api_route("/admin/corpus", self.read_corpus, methods=["GET"])
        self.router.add_api_route("/admin/corpus", self.put_corpus, methods=["PUT"], openapi_extra=takes(CorpusBody))

    async def retrieve(self, request: Request) -> Response:
        """What a question finds, with scores, without asking a model."""
        require_admin(context_of(request.scope).caller)
        asked = await read(request, RetrieveRequest, most_bytes=self._body_max_bytes)
        context = context_of(request.scope)
        context.ask = ask = ask_of_work(context, self._model, within_s=PATIENCE_S, clock=self._clock)
        ask.off = self._switches.off
        began_s = self._clock.monotonic()
        wanted: Wanted = asked.mode
        found = await self._retrieval.search(ask, asked.query, began_s + PATIENCE_S, wanted=wanted, limit=asked.k)
        return json_response(
            {
                "passages": [_shown(n, hit) for n, hit in enumerate(found.hits, 1)],
                "mode": found.mode,
                "cached": found.cached,
                "degraded": found.degraded,
                "corpus_version": self._following.version or 0,
                "took_ms": round((self._clock.monotonic() - began_s) * 1000, 2),
                "request_id": context.request_id,
            }
        )

    async def read_corpus(self, request: Request) -> Response:
        """The documents, each with the SHA-256 of its file, and the version that this worker searches."""
        require_admin(context_of(request.scope).caller)
        self._following.need()
        documents = await self._corpus.documents()
        return json_response({"version": self._following.version or 0, "documents": documents})

    async def put_corpus(self, request: Request) -> Response:
        """Replace documents, each as a whole; says how many passages that changed."""
        require_admin(context_of(request.scope).caller)
        body = await read(request, CorpusBody, most_bytes=MOST_BODY_BYTES)
        paths = [document.path for document in body.documents]
        if len(set(paths)) < len(paths) or set(paths) & set(body.remove):
            raise Unprocessable("a path is named twice; name each document once")
        documents = [Document(document.path, document.text) for document in body.documents]
        context = context_of(request.scope)
        if body.dry_run:
            written = await self._corpus.compare(documents, body.remove)
        else:
            context.ask = ask_of_work(context, self._model, within_s=WRITE_WITHIN_S, clock=self._clock)
            written = await self._corpus.write(documents, body.remove, context.ask)
            self._following.need()
        return json_response({"dry_run": body.dry_run, **asdict(written)})


def _shown(n: int, hit: Hit) -> dict[str, object]:
    passage = hit.passage
    return {
        "n": n,
        "id": passage.id,
        "title": passage.title,
        "source": passage.source,
        "anchor": passage.anchor,
        "score": round(hit.score, 6),
        "text": passage.text,
    }
