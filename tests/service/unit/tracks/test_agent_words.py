"""What a model says is read by its form alone, and sent on only where it names our sum."""

import pytest

from service.tracks.agent_words import PLAIN, TOLD_BY_A_MODEL, money, plainly, says_only, understood


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here it is: {} Anything else?"])
def test_the_object_is_found_whatever_stands_around_it(around: str) -> None:
    found = understood(around.format('{"wants_refund": true, "order": "a-1", "amount": 5, "reason": "broken"}'))
    assert found is not None
    assert (found.wants_refund, found.order, found.amount, found.reason) == (True, "a-1", 5, "broken")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no",
        "}{",
        "[]",
        '{"wants_refund": "yes"}',
        '{"order": "a-1"}',
        '{"wants_refund": true, "amount": -5}',
        '{"wants_refund": true, "amount": 0}',
        '{"wants_refund": true, "amount": 49.99}',
        '{"wants_refund": true, "amount": "49"}',
        '{"wants_refund": true, "amount": 1e400}',
        '{"wants_refund": true, "order": 7}',
        '{"wants_refund": true, "order": "' + "x" * 81 + '"}',
        '{"wants_refund": true, "order": "a-1"',
    ],
)
def test_whatever_is_not_of_the_form_is_not_understood(answer: str) -> None:
    assert understood(answer) is None


def test_more_than_was_asked_is_not_believed_and_a_long_reason_is_cut() -> None:
    found = understood('{"wants_refund": true, "approved": true, "limit": 0, "reason": "' + "x" * 1000 + '"}')
    assert found is not None
    assert not hasattr(found, "approved")
    assert len(found.reason) == 300


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("You get 49.99 USD for order alice-1002.", True),
        ("You get $49.99 back, all 49.99 of it. It was for Alice-1002.", True),
        ("Thank you.", True),
        ("Order alice-1002 was 1 of 3.", False),
        ("You get 49.99 USD and 999 USD more.", False),
        ("You get 49.99 USD and a USD 500 bonus.", False),
        ("You get 4 500 USD, which is 49.99 USD.", False),
        ("You get 149.99 USD.", False),
        ("You get 49.999 USD.", False),
        ("You get 49.99.9 USD.", False),
        ("You get 1002 USD.", False),
        ("You get alice-10022.", False),
        ("You get -49.99 USD.", False),
        ("You get ٥ USD.", False),
        ("You get 4999.00 USD.", False),
        ("You get 49.99 USD and another $5.", False),
        ("You get 1,049.99 USD.", False),
        ("You get €5.", False),
    ],
)
def test_a_message_holds_no_other_number_than_ours(text: str, may: bool) -> None:
    assert says_only(text, ["alice-1002", "49.99"]) is may


def test_whoever_gets_no_money_is_told_so_in_our_words() -> None:
    assert "has been made" in PLAIN[TOLD_BY_A_MODEL]
    assert [outcome for outcome, said in PLAIN.items() if "has been made" in said] == [TOLD_BY_A_MODEL]


def test_there_is_a_sentence_for_every_outcome() -> None:
    facts = {"order": "a-1", "item": "a mug", "amount": money(105, "usd")}
    assert money(105, "usd") == "1.05 USD"
    for outcome in PLAIN:
        said = plainly(outcome, facts)
        assert "{" not in said
        if outcome == TOLD_BY_A_MODEL:
            assert "1.05 USD" in said
