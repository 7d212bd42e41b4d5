"""Embeddings and rerank: `POST /v1/embeddings` (OpenAI form), `POST /v1/rerank` (Jina and Cohere form) (DESIGN 5).

No key is needed, as with local servers of these, but one that starts with "invalid" is refused. The models are those
that genai-prices lists for OpenAI, and `fake-…`; rerank takes any model name and costs nothing.
Read `payments.py` next.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any

from . import tokens
from .asking import boolean, integer, known_model, refuse_invalid_key
from .call import Ask, Work
from .errors import Headers, RefusalError, openai_shape
from .models import Document
from .prices import Models
from .quota import Quota, openai_headers
from .relevance import relevance
from .vectors import embed

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
FAKE_DIMENSIONS = 256
MAX_INPUTS = 2048
MAX_DOCUMENTS = 1000


class RetrievalProvider:
    """What both endpoints share."""

    shape = staticmethod(openai_shape)
    request_id_header = b"x-request-id"

    def quota_headers(self, quota: Quota) -> Headers:
        """Return the `x-ratelimit-*` headers."""
        return openai_headers(quota)


class Embeddings(RetrievalProvider):
    """`POST /v1/embeddings` `{model, input, dimensions?, encoding_format?}`."""

    target = "embeddings"
    path = "/v1/embeddings"
    models = Models("openai")

    def parse(self, headers: Mapping[bytes, bytes], document: dict[str, Any]) -> Ask:
        """Check the fields. Raises RefusalError."""
        refuse_invalid_key(headers)
        model = known_model(self.models, document)
        texts = _texts(document.get("input"), "input", MAX_INPUTS)
        dimensions = integer(document, "dimensions") or DIMENSIONS.get(model.name, FAKE_DIMENSIONS)
        if dimensions > max(DIMENSIONS.values()):
            raise RefusalError("invalid_request", "dimensions: at most 3072", param="dimensions")
        encoding = document.get("encoding_format") or "float"
        if encoding not in ("float", "base64"):
            raise RefusalError("invalid_request", "encoding_format: one of float, base64", param="encoding_format")
        fields = {"texts": texts, "dimensions": dimensions, "base64": encoding == "base64"}
        return Ask(model, sum(map(tokens.count, texts)), fields=fields)

    def perform(self, ask: Ask, seq: int, seed: int) -> Work:
        """Embed the texts."""
        assert ask.model is not None  # noqa: S101 - parse has found it
        data = []
        for i, text in enumerate(ask.fields["texts"]):
            vector: list[float] | str = embed(text, ask.fields["dimensions"])
            if ask.fields["base64"]:
                vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            data.append({"object": "embedding", "index": i, "embedding": vector})
        usage = {"prompt_tokens": ask.input_tokens, "total_tokens": ask.input_tokens}
        return Document({"object": "list", "data": data, "model": ask.model.name, "usage": usage}, {"data": []})


class Rerank(RetrievalProvider):
    """`POST /v1/rerank` `{model, query, documents, top_n?, return_documents?}`."""

    target = "rerank"
    path = "/v1/rerank"

    def parse(self, headers: Mapping[bytes, bytes], document: dict[str, Any]) -> Ask:
        """Check the fields. Raises RefusalError."""
        refuse_invalid_key(headers)
        for name in ("model", "query"):
            if not isinstance(document.get(name), str) or not document[name]:
                raise RefusalError("invalid_request", f"{name}: Input should be a string that is not empty", param=name)
        given = document.get("documents")
        if isinstance(given, list):
            given = [d.get("text") if isinstance(d, dict) else d for d in given]
        texts = _texts(given, "documents", MAX_DOCUMENTS)
        query = document["query"]
        fields = {
            "model": document["model"],
            "query": query,
            "texts": texts,
            "top_n": min(integer(document, "top_n") or len(texts), len(texts)),
            "return": boolean(document, "return_documents"),
        }
        return Ask(None, tokens.count(query) * len(texts) + sum(map(tokens.count, texts)), fields=fields)

    def perform(self, ask: Ask, seq: int, seed: int) -> Work:
        """Score and sort the documents."""
        texts = ask.fields["texts"]
        scores = relevance(ask.fields["query"], texts)
        order = sorted(range(len(texts)), key=lambda i: (-scores[i], i))[: ask.fields["top_n"]]
        results: list[dict[str, Any]] = [{"index": i, "relevance_score": round(scores[i], 6)} for i in order]
        if ask.fields["return"]:
            for result in results:
                result["document"] = {"text": texts[result["index"]]}
        document = {
            "id": f"rerank-sim{seq:012d}",
            "model": ask.fields["model"],
            "results": results,
            "usage": {"total_tokens": ask.input_tokens},
            "meta": {"billed_units": {"search_units": 1}},
        }
        return Document(document, {"results": []})


def _texts(given: Any, name: str, most: int) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        message = f"{name}: Input should be a string or a list of strings that is not empty"
        raise RefusalError("invalid_request", message, param=name)
    if len(texts) > most:
        raise RefusalError("invalid_request", f"{name}: at most {most} entries", param=name)
    return texts
