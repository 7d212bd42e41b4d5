"""Embeddings and rerank mean something: related texts are near each other."""

from __future__ import annotations

import math
from typing import Any

import pytest

from loadtests.simulator.relevance import relevance
from loadtests.simulator.vectors import embed

from .lab import Lab

DOCUMENTS = [
    "A circuit breaker opens after consecutive failures.",
    "The cafeteria serves soup on Mondays.",
    "Retries need jitter and a budget.",
]


def cosine(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("dimensions", [16, 256, 1536])
def test_vectors_have_length_1_and_related_texts_are_nearer(dimensions: int) -> None:
    query = embed("When does the breaker open? After failures.", dimensions)
    assert math.isclose(cosine(query, query), 1.0, rel_tol=1e-9)
    if dimensions > 16:
        near, far = (cosine(query, embed(text, dimensions)) for text in DOCUMENTS[:2])
        assert near > far + 0.1


def test_a_text_without_words_still_has_a_vector() -> None:
    assert cosine(embed("?!", 8), embed("", 8)) == 1.0


def test_relevance_ranks_the_document_that_answers_first() -> None:
    scores = relevance("why do retries need jitter", DOCUMENTS)
    assert scores.index(max(scores)) == 2
    assert all(0 <= score <= 1 for score in scores)


def test_relevance_knows_spellings_and_meanings_but_no_other_number() -> None:
    assert relevance("circiut braker", DOCUMENTS)[0] == max(relevance("circiut braker", DOCUMENTS)) > 0
    assert relevance("why try again", DOCUMENTS)[2] > relevance("why try again", DOCUMENTS)[1]
    assert relevance("error 503", ["Error 503 is known.", "Error 504 is known."])[0] > 0.9
    assert relevance("503", ["Of 504 it is said."]) == [0.0]


async def test_rerank_sorts_and_limits(lab: Lab) -> None:
    body: dict[str, Any] = {
        "model": "fake-rerank",
        "query": "circuit breaker failures",
        "documents": DOCUMENTS,
        "top_n": 2,
    }
    status, _, document = await lab.post("retrieval", "/v1/rerank", {**body, "return_documents": True}, {})
    assert status == 200
    assert document["results"][0]["index"] == 0
    assert len(document["results"]) == 2
    assert document["results"][0]["document"]["text"] == DOCUMENTS[0]
    scores = [result["relevance_score"] for result in document["results"]]
    assert scores == sorted(scores, reverse=True)
    row = await lab.row()
    assert (row["target"], row["model"], row["input_tokens"]) == (
        "rerank",
        "fake-rerank",
        document["usage"]["total_tokens"],
    )


async def test_documents_may_be_objects_with_a_text(lab: Lab) -> None:
    body = {"model": "r", "query": "soup", "documents": [{"text": text} for text in DOCUMENTS]}
    _, _, document = await lab.post("retrieval", "/v1/rerank", body, {})
    assert document["results"][0]["index"] == 1
    assert "document" not in document["results"][0]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v1/embeddings", {"model": "fake-e"}, 400, "input"),
        ("/v1/embeddings", {"model": "fake-e", "input": []}, 400, "input"),
        ("/v1/embeddings", {"model": "fake-e", "input": [7]}, 400, "input"),
        ("/v1/embeddings", {"model": "nope", "input": "x"}, 404, "model"),
        ("/v1/embeddings", {"model": "fake-e", "input": "x", "dimensions": 99999}, 400, "dimensions"),
        ("/v1/embeddings", {"model": "fake-e", "input": "x", "encoding_format": "hex"}, 400, "encoding_format"),
        ("/v1/rerank", {"model": "r", "documents": ["x"]}, 400, "query"),
        ("/v1/rerank", {"model": "r", "query": "x", "documents": ["x", "y"], "top_n": 0}, 400, "top_n"),
        ("/v1/rerank", {"model": "r", "query": "x"}, 400, "documents"),
    ],
)
async def test_bad_requests_name_the_param(lab: Lab, path: str, body: dict[str, Any], status: int, param: str) -> None:
    got, _, document = await lab.post("retrieval", path, body, {})
    assert (got, document["error"]["param"]) == (status, param)


async def test_an_embedding_model_has_its_own_size_and_price(lab: Lab) -> None:
    body = {"model": "text-embedding-3-small", "input": ["some words " * 40]}
    _, _, document = await lab.post("retrieval", "/v1/embeddings", body, {})
    assert len(document["data"][0]["embedding"]) == 1536
    assert (await lab.row())["billed_nano_usd"] > 0
