"""Whatever retrieval meets, the question is asked; and what it adds is for this turn's model alone."""

from service.llm.provider import Message

from .layer import Layer


async def test_a_defect_in_the_search_costs_the_passages_and_not_the_answer() -> None:
    layer = Layer()
    layer.fails["corpus"] = RuntimeError("dictionary changed size during iteration")
    asked, reply = await layer.ask()
    assert (reply.text, reply.degraded) == ("As part 0 says. [1]", ["retrieval"])
    assert [row.error for row in asked.entered if row.stage == "retrieval"] == ["RuntimeError"]


async def test_the_system_message_that_was_asked_is_known_beside_the_one_with_passages() -> None:
    layer = Layer()
    asked, _ = await layer.ask()
    assert asked.asked_system == "Be brief."
    assert "<retrieved>" in (asked.system or "")


async def test_earlier_answers_lose_their_citations_which_meant_other_sources() -> None:
    layer = Layer()
    turns = (
        Message("user", "Is a[1] code?"),
        Message("assistant", "It is. [2] And [1, 3]."),
        Message("user", "And part [4]?"),
    )
    asked, _ = await layer.ask(*turns)
    assert [message.content for message in asked.messages] == ["Is a[1] code?", "It is. And.", "And part [4]?"]


async def test_a_question_that_may_hold_personal_data_leaves_no_vector() -> None:
    layer = Layer()
    await layer.ask(Message("user", "Who is a@example.org?"))
    await layer.ask(Message("user", "What does part 0 say?"))
    assert layer.kept == ["What does part 0 say?"]


async def test_passages_without_vectors_are_told_once() -> None:
    layer = Layer()
    layer.has_vectors = False
    _, reply = await layer.ask()
    assert reply.degraded == ["embeddings:not_indexed"]
