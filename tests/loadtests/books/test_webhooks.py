"""Webhooks in the books: delivered is received, received is sent; each way in which they can disagree is found."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest

from loadtests.books.ends import Message
from loadtests.books.findings import Line
from loadtests.books.ledger import Call, Webhook
from loadtests.books.service import ServiceReader
from tests.collector import Collector
from tests.telling import Teller

from .world import BEGAN, ENDED, KILLED, WORK_KILLED, World, balanced

SUBJECT = re.compile("^webhook|dead letters")
HERE = "127.0.0.1:8105"


def message(name: str, outcome: str = "delivered", at: float = 10, tries: int = 1, receiver: str = HERE) -> Message:
    return Message(f"msg_{name}", outcome, tries, BEGAN + at, BEGAN + at + 1, receiver)


def row(name: str, status: int | None = 200, at: float = 10.5, *, verified: bool = True, **more: Any) -> Webhook:
    made = Webhook(7_001, BEGAN + at, f"msg_{name}", "job.completed", "job_1", verified, False, status, None)
    return replace(made, **more)


def world(messages: list[Message], received: list[Webhook]) -> World:
    made = balanced()
    made.messages, made.received = messages, received
    return made


def line(made: World, rule: str) -> Line:
    """The line about webhooks; those of the rest of the world speak of other things."""
    (found,) = [line for line in made.judged().lines if line.rule == rule and SUBJECT.search(line.what)]
    return found


def differs(made: World) -> list[str]:
    found = made.judged()
    assert all(each.rule == "webhooks" for each in found.differences)
    return [each.what for each in found.differences]


def test_what_was_delivered_and_received_balances() -> None:
    made = world([message("a"), message("b", tries=3)], [row("a"), row("b", 500), row("b", None), row("b")])
    assert differs(made) == []
    counted = line(made, "webhooks")
    assert (counted.kind, counted.service, counted.ledger) == ("exact", 2, 2)


def test_what_was_never_received_is_found() -> None:
    assert differs(world([message("a"), message("b")], [row("a")])) == ["message msg_b"]


def test_what_was_received_and_never_taken_is_found() -> None:
    assert differs(world([message("a", tries=2)], [row("a", 500), row("a", None)])) == ["message msg_a"]


def test_what_nobody_sent_is_found() -> None:
    assert differs(world([message("a")], [row("a"), row("b")])) == ["message msg_b"]


def test_our_own_message_with_a_wrong_signature_is_found_and_a_strangers_is_counted() -> None:
    ours = world([message("a")], [row("a"), row("a", 401, verified=False)])
    assert differs(ours) == ["message msg_a"]
    theirs = world([message("a")], [row("a"), row("x", 401, verified=False)])
    assert differs(theirs) == []
    assert line(theirs, "foreign").ledger == 1


def test_what_was_received_again_is_counted_and_no_difference() -> None:
    made = world([message("a", tries=3)], [row("a"), row("a", duplicate=True), row("a", duplicate=True)])
    assert differs(made) == []
    assert (line(made, "repeated").kind, line(made, "repeated").ledger) == ("explained", 2)


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (row("a", fault="cut"), "their sender had not heard"),
        (row("a", at=WORK_KILLED - BEGAN - 0.2), "after the kill of 444-dd"),
        (row("a", at=KILLED - BEGAN - 0.2), "their sender had not written it down"),
    ],
    ids=["a fault", "a kill of its worker", "another's kill"],
)
def test_why_it_came_again_is_told(first: Webhook, words: str) -> None:
    made = world([message("a", at=60, tries=2)], [first, row("a", at=75, duplicate=True)])
    assert differs(made) == []
    assert words in line(made, "repeated").what


def test_what_was_received_more_often_than_it_was_tried_is_found() -> None:
    received = [row("a", 500), row("a"), row("a", duplicate=True)]
    assert differs(world([message("a", tries=3)], received)) == []
    assert differs(world([message("a", tries=2)], received)) == ["message msg_a"]
    dead = [row("a", 500), row("a", 500)]
    assert differs(world([message("a", "dead", tries=1)], dead)) == ["message msg_a"]
    later = replace(dead[1], t=BEGAN + 40)  # it was sent off again, and waits
    assert differs(world([message("a", "dead", tries=1)], [dead[0], later])) == []


def test_a_dead_letter_that_its_receiver_took_and_said_so_is_found() -> None:
    dead = message("a", "dead", tries=2)
    assert differs(world([dead], [row("a"), row("a", 500)])) == ["message msg_a"]
    assert differs(world([dead], [row("a", fault="cut"), row("a", 500)])) == []
    assert differs(world([dead], [row("a", verified=False, status=401), row("a", 500)])) == ["message msg_a"]


def test_only_the_kill_of_who_sent_it_explains_a_dead_letter_that_was_taken() -> None:
    def killed(at: float) -> World:
        return world([message("a", "dead", at=at, tries=2)], [row("a", at=at + 0.3), row("a", 500, at=at + 0.6)])

    assert differs(killed(WORK_KILLED - BEGAN - 0.5)) == []
    assert differs(killed(KILLED - BEGAN - 0.5)) == ["message msg_a"]


@pytest.mark.parametrize(("completed", "took_s"), [(False, 0.1), (True, 9.0)], ids=["broken off", "late"])
def test_an_answer_that_did_not_come_whole_and_soon_was_not_heard(completed: bool, took_s: float) -> None:
    made = world([message("a", "dead", tries=1)], [row("a")])
    answered = Call(7_001, BEGAN + 10.5, "webhooks", "msg_a", 1, None, 200, 0, 0, 0, True, 0.1)
    made.calls = [*made.calls, answered]
    assert differs(made) == ["message msg_a"]
    made.calls[-1] = replace(answered, completed=completed, duration_s=took_s)
    assert differs(made) == []


def test_dead_letters_are_listed() -> None:
    made = world([message("a", "dead", tries=15)], [row("a", 500)])
    assert differs(made) == []
    assert line(made, "dead").ids == ["msg_a"]


def test_a_dead_letter_that_was_sent_off_again_is_judged_as_delivered() -> None:
    again = [message("a", "dead", tries=15), message("a", "delivered", tries=16)]
    assert differs(world(again, [row("a", 500), row("a")])) == []
    assert differs(world(again, [row("a", 500)])) == ["message msg_a"]


def test_what_is_still_tried_is_not_judged() -> None:
    made = world([], [row("a", 500), row("b", None)])
    assert differs(made) == []
    assert line(made, "under_way").ledger == 2


def test_what_was_taken_just_now_is_waited_for() -> None:
    made = world([], [row("a", at=99)])
    made.now = ENDED + 5
    found = made.judged()
    assert "msg_a" in found.open
    assert not found.differences


def test_what_a_kill_took_along_is_explained() -> None:
    made = world([], [row("a", at=WORK_KILLED - BEGAN - 1)])
    assert differs(made) == []
    assert "msg_a" in [each for line in made.judged().lines if line.rule == "lost" for each in line.ids]


def test_a_kill_of_who_answers_requests_took_no_message_along() -> None:
    assert differs(world([], [row("a", at=KILLED - BEGAN - 1)])) == ["message msg_a"]


def test_messages_to_others_are_counted() -> None:
    made = world([message("a", receiver="hooks.example:443")], [])
    assert differs(made) == []
    assert line(made, "elsewhere").service == 1


def test_what_lies_outside_of_the_time_is_left_alone() -> None:
    made = world([message("a", at=-50), message("b", at=150)], [row("x", at=-40), row("y", at=150)])
    assert differs(made) == []


def test_the_readers_messages_come_from_the_collector(collector: Collector) -> None:
    t = time.time() - 86_400 * 0.4
    told = {"type": "job.completed", "subject_id": "job_1", "tenant": "acme", "status": 200, "error": None}
    both = [("msg_first", "dead", 3), ("msg_first", "delivered", 4), ("msg_other", "delivered", 1)]
    with Teller(collector) as teller:
        for place, (message_id, outcome, tries) in enumerate(both):
            record = {"message_id": message_id, "outcome": outcome, "tries": tries, "t": t, "receiver": HERE, **told}
            for _ in range(2):  # a worker that died before it had told it, and the next
                teller.event("gauntlet.webhook", json.dumps(record), t=t + place)
        teller.told()
    reader = ServiceReader(collector.url, page_rows=2)
    found = reader.read(t - 1, t + 1).messages
    assert [(each.message_id, each.outcome, each.tries) for each in found] == both
    assert [replace(each, ended=0) for each in reader.by_message(["msg_other", "it's"])] == [
        Message("msg_other", "delivered", 1, t, 0, HERE)
    ]
    assert reader.read(t - 50, t - 40).messages == []
