"""Answers are extracted from the prompt, follow the conversation, and are deterministic."""

from __future__ import annotations

import pytest

from loadtests.simulator import tokens
from loadtests.simulator.answers import answer
from loadtests.simulator.notes import NOTES
from loadtests.simulator.wording import sentences

SHOP = (
    "You are the help desk of a shop. Refunds take five days. Orders ship within two days. The shop opens at nine.\n"
    "- Gift cards never expire.\n"
)


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("How long does a refund take?", "Refunds take five days."),
        ("When do orders ship?", "Orders ship within two days."),
        ("Do gift cards expire?", "Gift cards never expire."),
    ],
)
def test_the_answer_comes_from_the_context(question: str, fact: str) -> None:
    assert fact in answer(SHOP, [("user", question)])


def test_context_inside_the_last_message_counts_too() -> None:
    text = (
        "Context: The capital of Elbonia is Mudville. Its river is long.\n\nQuestion: What is the capital of Elbonia?"
    )
    assert "Mudville" in answer("", [("user", text)])


def test_what_was_said_before_is_remembered() -> None:
    turns = [("user", "Hello! My name is Ada."), ("assistant", "Hello."), ("user", "What is my name?")]
    assert "Ada" in answer("You are helpful.", turns)
    assert "Ada" not in answer("You are helpful.", turns[-1:])


def test_the_latest_statement_is_quoted_beside_an_older_one() -> None:
    turns = [("user", "My colour is red."), ("user", "My colour is blue."), ("user", "What is my colour?")]
    assert "blue" in answer("", turns)


def test_earlier_questions_are_not_answers() -> None:
    turns = [("user", "What is my name?"), ("assistant", "I cannot say."), ("user", "What is my name?")]
    assert "What is my name?" not in answer("", turns).replace("You asked: “What is my name?”", "")


@pytest.mark.parametrize(
    ("question", "start"),
    [
        ("why do retries need jitter?", "Retries need jitter"),
        ("What does a circuit breaker do?", "A circuit breaker"),
        ("What is an idempotency key?", "An idempotency key"),
        ("Explain back-pressure", "Back-pressure"),
        ("What is a bulkhead?", "A bulkhead"),
        ("How does single-flight work?", "Single-flight"),
    ],
)
def test_without_context_the_notes_answer(question: str, start: str) -> None:
    assert answer("", [("user", question)]).startswith(start)


def test_without_context_and_notes_it_says_so() -> None:
    said = answer("", [("user", "Who won the chess olympiad?")])
    assert "Who won the chess olympiad?" in said
    assert "No context" in said


@pytest.mark.parametrize("text", ["", " ", "?!", "…", "\x00", "🙂" * 50, "a" * 5000])
def test_any_question_gets_some_answer(text: str) -> None:
    assert answer("", [("user", text)])
    assert answer("", [])


def test_the_answer_is_a_function_of_the_prompt() -> None:
    turns = [("user", "How long does a refund take?")]
    assert len({answer(SHOP, turns) for _ in range(5)}) == 1
    assert len({answer(SHOP, turns, 1.0, 3) for _ in range(5)}) == 1


def test_with_a_temperature_the_seed_varies_it() -> None:
    assert len({answer(SHOP, [("user", "How long does a refund take?")], 1.0, seed) for seed in range(20)}) > 1


@pytest.mark.parametrize("text", ["", *NOTES, "  spaced   out \n\n text\t!", "naïve café 🙂 x_y 3.14", "a" * 40])
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(tokens.split(text)) == text
    assert tokens.count(text) == len(tokens.split(text))


def test_sentences_keep_numbers_and_names_whole() -> None:
    found = [sentence for sentence, _ in sentences("It costs 3.50 euros. See example.org for more! Really?")]
    assert found == ["It costs 3.50 euros.", "See example.org for more!", "Really?"]
