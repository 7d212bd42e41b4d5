"""Vectors of texts, from any server that speaks OpenAI's ``/v1/embeddings``.

An answer is believed only when each text has one vector, all are of one length and hold finite numbers: one NaN in an
index would make every comparison with it false. Next: ``embedding_cache.py``.
"""

import hashlib
import math
import unicodedata
from array import array
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..errors import Misconfigured, ProviderError
from ..llm.prices import cost_nano_usd
from ..settings import EmbeddingsSettings
from ..stages.ask import Ask
from ..stages.chain import Next
from .upstream import BadShape, Errand, Upstream, run

PATH = "/embeddings"
BATCH = 32
"""Texts in one call: what a server of one's own takes that is left as it ships (TEI's ``--max-client-batch-size``)."""
REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
"""What servers answer to texts that are too many or too long, and to nothing that ails every call."""
SERVER_DIGITS = 8
"""Of the hash that tells one server from another."""
MOST_CHARACTERS = 8_000
"""Of a text that is sent: below the 8,192 tokens that embedding models read, whatever their tokeniser."""
PRICED_AS = "openai"
"""Whose table of prices is looked into; a model that is not in it has no known price."""

if TYPE_CHECKING:
    Vector = array[float]
else:  # which Python 3.11 cannot say while it runs
    Vector = array
"""Single precision: what Redis keeps, four bytes each."""


def normalised(text: str) -> str:
    """The text as it is embedded, and what its cached vector is found by: one form of letters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())[:MOST_CHARACTERS]


def price_of(model: str) -> "partial[int | None]":
    """What a model's tokens cost."""
    return partial(cost_nano_usd, PRICED_AS, model)


class Embeddings:
    """The API behind ``chain`` (retry, breaker, bulkhead around ``upstream``)."""

    def __init__(self, settings: EmbeddingsSettings, upstream: Upstream, chain: Next) -> None:
        self._settings = settings
        self._upstream = upstream
        self._chain = chain

    @property
    def space(self) -> str:
        """The name of the space of vectors: vectors of two are not compared.

        The server is part of it: two may call different models by one name, as the simulator does.
        """
        dimensions, url = self._settings.dimensions, (self._settings.base_url or "").rstrip("/")
        model = self._settings.model if dimensions is None else f"{self._settings.model}/{dimensions}"
        return f"{model}@{hashlib.sha256(url.encode()).hexdigest()[:SERVER_DIGITS]}"

    async def of(
        self, ask: Ask, texts: Sequence[str], until_s: float, *, timeout_s: float | None = None
    ) -> list[Vector]:
        """A vector for each of the normalised texts, at most ``BATCH``, in order. Raises ProviderError.

        ``timeout_s`` is for one call; the setting's is meant for the one text of a question.
        """
        body: dict[str, Any] = {"model": self._settings.model, "input": list(texts), "encoding_format": "float"}
        if self._settings.dimensions is not None:
            body["dimensions"] = self._settings.dimensions
        most = sum(len(text.encode()) + 16 for text in texts)
        read = partial(vectors_in, count=len(texts), dimensions=self._settings.dimensions)
        return await run(self._upstream, self._chain, ask, Errand(body, read, most, timeout_s), until_s)

    async def aclose(self) -> None:
        """End the connections."""
        await self._upstream.aclose()


def refuses_texts(error: ProviderError) -> bool:
    """Whether a server may take some of the texts that it did not take together."""
    return isinstance(error, Misconfigured) and error.upstream_status in REFUSALS


def vectors_in(answer: Any, *, count: int, dimensions: int | None) -> list[Vector]:
    """The vectors of an answer, in the order of what was asked. Raises BadShape, KeyError, TypeError."""
    rows = answer["data"]
    if len(rows) != count:
        raise BadShape(f"{len(rows)} vectors for {count} texts")
    found: dict[int, Vector] = {}
    for row in rows:
        place, given = row["index"], row["embedding"]
        if type(place) is not int or not 0 <= place < count:
            raise BadShape(f"the index {str(place)[:20]} for {count} texts")
        if place in found:
            raise BadShape(f"the index {place} twice")
        if not isinstance(given, list) or not given or not set(map(type, given)) <= {int, float}:
            raise BadShape("a vector that is no list of numbers")
        vector = array("f", given)
        length = math.hypot(*vector)
        if not math.isfinite(length) or length == 0:
            raise BadShape("a vector without a finite length")
        found[place] = vector
    lengths = {len(vector) for vector in found.values()}
    if len(lengths) != 1 or (dimensions is not None and lengths != {dimensions}):
        wanted = "of one length" if dimensions is None else f"of {dimensions} numbers"
        raise BadShape(f"vectors of {', '.join(map(str, sorted(lengths)))} numbers, not {wanted}")
    return [found[place] for place in range(count)]
