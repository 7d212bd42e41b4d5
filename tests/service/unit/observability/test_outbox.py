"""The outbox: order, bounds, and that neither a hanging reader nor a failing backend is felt."""

import threading
import time
from typing import Any

import pytest

from service.observability import outbox as module
from service.observability.outbox import Letter, Outbox


def letter(number: int) -> Letter:
    return Letter(b"%d" % number, number, 1, 2)


def test_lines_are_written_in_order_and_records_told() -> None:
    told: list[bytes] = []
    written: list[bytes] = []
    outbox = Outbox(lambda given: told.append(given.record), lambda _: None, written.append)
    for number in range(5):
        outbox.post(letter(number))
    outbox.close(2)
    assert told == written == [b"0", b"1", b"2", b"3", b"4"]


def test_a_trace_that_cannot_be_told_is_counted_and_the_others_are_told() -> None:
    told: list[Any] = []

    def trace(kept: Any) -> None:
        if kept == "bad":
            raise ValueError("a library's")
        told.append(kept)

    outbox = Outbox(lambda _: None, trace, lambda _: None)
    for kept in ("a", "bad", "b"):
        outbox.post_trace(kept)  # type: ignore[arg-type]
    outbox.close(2)
    assert (told, outbox.failed) == (["a", "b"], {"logs": 0, "traces": 1})


def test_a_record_that_cannot_be_told_is_said_all_the_same() -> None:
    said: list[bytes] = []

    def record(_: Letter) -> None:
        raise ValueError("a library's")

    outbox = Outbox(record, lambda _: None, said.append)
    outbox.post(letter(1))
    outbox.close(2)
    assert (said, outbox.failed["logs"]) == ([b"1"], 1)


def test_a_backend_that_hangs_costs_nobody_anything_but_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LETTERS", 10)
    monkeypatch.setattr(module, "MOST_TRACES", 10)
    hangs, began = threading.Event(), threading.Event()

    def record(_: Letter) -> None:
        began.set()
        hangs.wait(10)

    outbox = Outbox(record, lambda _: None, lambda _: None)
    outbox.post(letter(0))
    assert began.wait(5)
    for number in range(25):
        outbox.post(letter(number))
        outbox.post_trace(number)  # type: ignore[arg-type]
    assert outbox.dropped == {"logs": 15, "traces": 15}
    begun_s = time.monotonic()
    outbox.close(0.2)
    assert time.monotonic() - begun_s < 1, "nobody waits for a thread that hangs"
    hangs.set()
