"""What embeddings and rerank servers send is believed only when it is what was asked for."""

from typing import Any

import pytest

from service.llm.provider import Usage
from service.retrieval.embedding_cache import unpacked
from service.retrieval.embeddings import normalised, vectors_in
from service.retrieval.rerank import price_of, scores_in

NAN, INFINITE = float("nan"), float("inf")
WRONG = (ValueError, KeyError, TypeError, IndexError, AttributeError)


def rows(*vectors: Any) -> dict[str, Any]:
    return {"data": [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]}


def test_vectors_come_back_in_the_order_of_the_texts() -> None:
    answer = {"data": [{"index": 1, "embedding": [3.0, 4]}, {"index": 0, "embedding": [1.0, 2.0]}]}
    assert [list(vector) for vector in vectors_in(answer, count=2, dimensions=None)] == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "answer",
    [
        None, [], {}, {"data": None}, {"data": []}, rows([1.0]), rows([1.0], [1.0], [1.0]), rows([1.0], [1.0, 2.0]),
        rows([1.0], []), rows([1.0], [NAN]), rows([1.0], [INFINITE]), rows([1.0], [1e300]), rows([1.0], [0.0]),
        rows([1.0], ["1"]), rows([1.0], [True]), rows([1.0], "AAAA"), rows([1.0], None),
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 2, "embedding": [2.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": -1, "embedding": [2.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": True, "embedding": [2.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"embedding": [2.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, None]},
    ],
)  # fmt: skip
def test_vectors_that_are_not_those_of_the_texts_are_refused(answer: Any) -> None:
    with pytest.raises(WRONG):
        vectors_in(answer, count=2, dimensions=None)


def test_vectors_of_another_length_than_asked_for_are_refused() -> None:
    with pytest.raises(ValueError, match="of 3 numbers"):
        vectors_in(rows([1.0, 2.0]), count=1, dimensions=3)


def ranked(*scores: Any) -> dict[str, Any]:
    return {"results": [{"index": n, "relevance_score": score} for n, score in enumerate(scores)]}


def test_scores_come_back_in_the_order_of_the_documents() -> None:
    answer = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 1}]}
    assert scores_in(answer, count=2) == [1.0, 0.9]


@pytest.mark.parametrize(
    "answer",
    [
        None, {}, {"results": []}, ranked(0.5), ranked(0.5, 0.5, 0.5), ranked(0.5, NAN), ranked(0.5, INFINITE),
        ranked(0.5, "0.4"), ranked(0.5, None), ranked(0.5, True),
        {"results": [{"index": 0, "relevance_score": 1.0}, {"index": 0, "relevance_score": 1.0}]},
        {"results": [{"index": 0, "relevance_score": 1.0}, {"index": 7, "relevance_score": 1.0}]},
        {"results": [{"index": 0, "relevance_score": 1.0}, {"index": -1, "relevance_score": 1.0}]},
        {"results": [{"index": 0, "relevance_score": 1.0}, {"relevance_score": 1.0}]},
    ],
)  # fmt: skip
def test_scores_that_are_not_those_of_the_documents_are_refused(answer: Any) -> None:
    with pytest.raises(WRONG):
        scores_in(answer, count=2)


def test_a_text_is_embedded_in_one_form() -> None:
    assert normalised("  Caf\u0065\u0301 \n\t au  lait ") == "Caf\u00e9 au lait"


def test_a_reranker_has_the_price_that_is_set() -> None:
    assert price_of(0.0)(Usage(1_000_000)) == 0
    assert price_of(0.05)(Usage(1_000_000)) == 50_000_000
    assert price_of(0.05)(Usage(10)) == 500


@pytest.mark.parametrize("data", [None, b"", b"abc", b"12345"])
def test_bytes_that_are_no_vector_are_no_hit(data: bytes | None) -> None:
    assert unpacked(data) is None
