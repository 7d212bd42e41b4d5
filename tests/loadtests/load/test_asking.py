"""From an arrival to its requests: copies at once, orders asked for until they are paid, turns of threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import pytest

from loadtests.books.client import Entry, Outcome
from loadtests.load import asking
from loadtests.load.asking import LONGEST_THREAD, PAY_TRIES, Asker
from loadtests.load.purse import FIRST_USD, NANO_USD, Purse
from loadtests.load.sender import Answer
from loadtests.scenario import Arrival, Caller
from loadtests.scenario.arrivals import CHAT, COMPLETIONS
from tests.loadtests.load.green import green

CALLER, OTHER = Caller("acme", "acme1", "u1"), Caller("acme", "acme1", "u2")
Said = tuple[Outcome, int | None]
PAID: Said = ("answered", 200)
IN_FLIGHT: Said = ("refused", 409)


def refund(copies: int = 3) -> Arrival:
    return Arrival(5, 0.0, CALLER, "refund", "/refund", {"charge": "ch-f"}, 7, copies=copies)


def turn(number: int, caller: Caller = CALLER) -> Arrival:
    return Arrival(number, 0.0, caller, "thread", CHAT, {"text": f"turn {number}"}, 7)


class FakeSender:
    """Answers with what it was given, one after the other; keeps what was sent."""

    def __init__(self, *said: Said, documents: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict) -> None:
        self.sent: list[tuple[Arrival, Mapping[str, Any], float, int]] = []
        self._said = iter(said)
        self._documents = documents

    def send(self, arrival: Arrival, body: Mapping[str, Any], due_t: float, *, copy: int = 0) -> Answer:
        self.sent.append((arrival, body, due_t, copy))
        outcome, status = next(self._said, PAID)
        gevent.sleep(0)
        entry = Entry(arrival.request_id(copy), due_t, 1.0, arrival.path, status, outcome, key=arrival.key)
        return Answer(entry, self._documents(body))

    @property
    def copies(self) -> list[int]:
        return [copy for _, _, _, copy in self.sent]


def asker_of(sender: FakeSender, purse: Purse | None = None, route: str | None = None) -> tuple[Asker, list[Entry]]:
    told: list[Entry] = []
    fake: Any = sender
    return Asker(fake, purse or Purse(), told.append, lambda: route), told


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAY_PAUSE_S", 0.005)
    monkeypatch.setattr(asking, "PAY_LONGEST_PAUSE_S", 0.01)


def test_all_copies_of_a_refund_go_out_at_once_with_one_key_and_an_id_each() -> None:
    sender = FakeSender()
    asker, told = asker_of(sender)
    green(lambda: asker.ask(refund(), 100.0))
    assert sender.copies == [0, 1, 2]
    assert [due_t for _, _, due_t, _ in sender.sent] == [100.0] * 3
    assert len({entry.request_id for entry in told}) == 3
    assert {entry.key for entry in told} == {refund().key}
    assert asker.sent == len(told) == 3


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("unclear", [IN_FLIGHT, ("failed", 503), ("refused", 429), ("lost", None), ("failed", 504)])
def test_who_does_not_know_whether_it_is_paid_asks_again_with_the_same_key(unclear: Said) -> None:
    sender = FakeSender(unclear, unclear, unclear, unclear)
    asker, told = asker_of(sender)
    green(lambda: asker.ask(refund(), time.time()))
    assert sender.copies == [0, 1, 2, 100, 101]
    assert {entry.key for entry in told} == {refund().key}
    assert len({entry.request_id for entry in told}) == 5


@pytest.mark.usefixtures("_quick")
def test_one_who_hears_that_it_is_paid_is_enough() -> None:
    sender = FakeSender(IN_FLIGHT, PAID, IN_FLIGHT)
    asker, _ = asker_of(sender)
    green(lambda: asker.ask(refund(), time.time()))
    assert sender.copies == [0, 1, 2]


@pytest.mark.usefixtures("_quick")
def test_a_refusal_for_good_is_not_asked_again() -> None:
    sender = FakeSender(("refused", 422))
    asker, _ = asker_of(sender)
    green(lambda: asker.ask(refund(1), time.time()))
    assert sender.copies == [0]


@pytest.mark.usefixtures("_quick")
def test_nobody_asks_for_ever() -> None:
    sender = FakeSender(*[IN_FLIGHT] * 100)
    asker, _ = asker_of(sender)
    green(lambda: asker.ask(refund(1), time.time()))
    assert len(sender.sent) == 1 + PAY_TRIES


def _thread_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"thread_id": body.get("thread_id") or f"of {body['text']}"}


def test_turns_of_a_caller_go_on_in_one_thread_and_it_ends_at_its_longest() -> None:
    sender = FakeSender(documents=_thread_of)
    asker, _ = asker_of(sender)

    def all_turns() -> None:
        for number in range(LONGEST_THREAD + 2):
            asker.ask(turn(number), time.time())

    green(all_turns)
    threads = [body.get("thread_id") for _, body, _, _ in sender.sent]
    expected = [None, *["of turn 0"] * (LONGEST_THREAD - 1), None, f"of turn {LONGEST_THREAD}"]
    assert threads == expected


def test_threads_of_others_are_others() -> None:
    sender = FakeSender(documents=_thread_of)
    asker, _ = asker_of(sender)

    def both() -> None:
        for number, caller in enumerate((CALLER, OTHER, CALLER, OTHER)):
            asker.ask(turn(number, caller), time.time())

    green(both)
    assert [body.get("thread_id") for _, body, _, _ in sender.sent] == [None, None, "of turn 0", "of turn 1"]


def test_a_turn_that_comes_while_the_last_one_is_not_answered_begins_a_thread() -> None:
    """Two turns of one thread at once would wait for each other, and one of them be refused."""
    sender = FakeSender(documents=_thread_of)
    asker, _ = asker_of(sender)
    green(lambda: gevent.joinall([gevent.spawn(asker.ask, turn(number), time.time()) for number in range(3)]))
    assert [body.get("thread_id") for _, body, _, _ in sender.sent] == [None] * 3


def test_a_turn_that_failed_ends_its_thread() -> None:
    sender = FakeSender(documents=lambda body: {"thread_id": "t"} if body["text"] != "turn 1" else {})
    asker, _ = asker_of(sender)

    def three() -> None:
        for number in range(3):
            asker.ask(turn(number), time.time())

    green(three)
    assert [body.get("thread_id") for _, body, _, _ in sender.sent] == [None, "t", None]


def test_without_money_nothing_is_sent_and_that_is_known() -> None:
    sender = FakeSender()
    asker, told = asker_of(sender, Purse(round(2 * FIRST_USD * NANO_USD)))
    green(lambda: asker.ask(refund(copies=3), time.time()))
    assert (asker.sent, len(told), asker.held) == (2, 2, 1)


def test_a_route_that_was_chosen_meanwhile_is_asked_for() -> None:
    sender = FakeSender()
    asker, _ = asker_of(sender, route="economy")
    body = {"model": "default", "messages": []}
    green(lambda: asker.ask(Arrival(1, 0.0, CALLER, "faq", COMPLETIONS, body, 7), time.time()))
    green(lambda: asker.ask(Arrival(2, 0.0, CALLER, "faq", CHAT, {"text": "?"}, 7), time.time()))
    green(lambda: asker.ask(refund(1), time.time()))
    assert [one.get("model") or one.get("route") for _, one, _, _ in sender.sent] == ["economy", "economy", None]
    assert body["model"] == "default"
