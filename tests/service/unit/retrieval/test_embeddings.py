"""Vectors are compared with those of the same model on the same server alone."""

from array import array
from typing import Any

import pytest

from service.errors import Misconfigured, ProviderError, Unavailable
from service.retrieval.embedding_cache import EmbeddingCache
from service.retrieval.embeddings import Embeddings, refuses_texts
from service.settings import EmbeddingsSettings
from service.store.guard import Store
from service.store.settle import Settle


def space_of(**given: Any) -> str:
    unused: Any = None
    return Embeddings(EmbeddingsSettings(**given), unused, unused).space


def test_the_server_the_model_and_the_length_make_the_space() -> None:
    one, same = "http://one:80/v1", "http://one:80/v1/"
    assert space_of(base_url=one).startswith("text-embedding-3-small@")
    assert space_of(base_url=one) == space_of(base_url=same)
    others = [
        space_of(base_url=one),
        space_of(base_url="http://two:80/v1"),
        space_of(base_url=one, model="m"),
        space_of(base_url=one, dimensions=64),
    ]
    assert len(set(others)) == len(others)


async def test_a_vector_of_another_server_is_not_found(store: Store) -> None:
    settle = Settle()
    one, two = (
        EmbeddingCache(space_of(base_url=url), keep_s=60, store=store, settle=settle)
        for url in ("http://one/v1", "http://two/v1")
    )
    one.keep({"zebra": array("f", [1.0, 2.0])})
    await settle.drain()
    assert await one.read(["zebra"]) == {"zebra": array("f", [1.0, 2.0])}
    assert await two.read(["zebra"]) == {}


@pytest.mark.parametrize(
    ("error", "refuses"),
    [
        (Misconfigured("too long", provider="embeddings", upstream_status=413), True),
        (Misconfigured("too many", provider="embeddings", upstream_status=422), True),
        (Misconfigured("no key", provider="embeddings", upstream_status=401), False),
        (Unavailable("away", provider="embeddings", upstream_status=503), False),
    ],
)
def test_only_what_ails_the_texts_is_tried_with_fewer(error: ProviderError, refuses: bool) -> None:
    assert refuses_texts(error) is refuses
