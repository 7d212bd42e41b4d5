"""Stems meet, names stay whole, and the weights are BM25's."""

import pytest

from service.retrieval.terms import of_passage, of_query, terms_of


@pytest.mark.parametrize(
    "words", ["retry retries retrying retried", "limit limits limited", "breaker breakers", "cache cached caches"]
)
def test_forms_of_a_word_are_one_term(words: str) -> None:
    assert len(set(terms_of(words))) == 1


def test_a_name_counts_as_a_whole_and_in_its_parts() -> None:
    assert "x-request-id" in terms_of("Send X-Request-ID!")
    assert "request" in terms_of("Send X-Request-ID!")
    assert set(terms_of("text-embedding-3-small")) >= {"text-embedding-3-small", "3", "small"}


def test_function_words_are_no_terms_and_a_question_of_them_alone_has_none() -> None:
    assert of_query("what is it that you do?") == ([], [])


def test_repeated_words_saturate_and_long_texts_weigh_less() -> None:
    [_], [once] = of_passage("jitter")
    [_], [often] = of_passage("jitter " * 10)
    assert once < often < 3
    indices, weights = of_passage("jitter " + " ".join(f"word{n}" for n in range(200)))
    assert weights[indices.index(of_query("jitter")[0][0])] < once


def test_numbers_of_terms_are_ascending_and_unique() -> None:
    indices, weights = of_passage("one two three two one zwei drei")
    assert indices == sorted(set(indices))
    assert len(indices) == len(weights)
