"""How a run stands, from the client's book while it grows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.books.client import NAME, ClientBook, Entry
from loadtests.conduct.progress import BookTail
from loadtests.load.beats import Beat

NOW = 1_800_000_000.0
ANSWERED = Entry("a", NOW - 1.5, 500.0, "/chat", 200, "answered", source="live")


def test_the_last_seconds_are_what_counts(tmp_path: Path) -> None:
    tail = BookTail(tmp_path)
    tail.follow(NOW)
    nothing = tail.progress(0.0, "calm", [], [], 1.0)
    assert (nothing.success_share, nothing.p95_ms, nothing.rate_per_s, nothing.sent) == (None, None, 0, 0)
    with ClientBook(tmp_path) as book:
        book.write(replace(ANSWERED, t=NOW - 60))
        book.write(replace(ANSWERED, source="provider", degraded=("anthropic:open",), duration_ms=900.0))
        book.write(ANSWERED)
        book.write(replace(ANSWERED, status=503, outcome="failed", source="message"))
        book.write(replace(ANSWERED, source="message"))
        book.write(replace(ANSWERED, status=429, outcome="refused", source=None))
        tail.follow(NOW)
        beats = [Beat(0, sent=7, ended=5), Beat(1, sent=3, ended=1)]
        stands = tail.progress(12.0, "outage", ["anthropic: status 503"], beats, 2.0)
        assert stands.success_share == 0.5, "a refusal is the caller's own, the honest message is none"
        assert stands.degraded_share == 0.5
        assert (stands.p95_ms, stands.rate_per_s) == (900.0, 1.0)
        assert (stands.sent, stands.in_flight, stands.scale, stands.phase) == (10, 4, 2.0, "outage")
        book.write(replace(ANSWERED, t=NOW + 5.5))
        tail.follow(NOW + 6)
    assert tail.progress(18.0, "after", [], beats, 1.0).rate_per_s == pytest.approx(0.2)


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    with ClientBook(tmp_path) as book:
        book.write(ANSWERED)
    line = (tmp_path / NAME).read_bytes()
    with (tmp_path / NAME).open("ab") as file:
        tail = BookTail(tmp_path)
        file.write(line[:40])
        file.flush()
        tail.follow(NOW)
        assert tail.progress(10, "calm", [], [], 1.0).rate_per_s == pytest.approx(1 / 5)
        file.write(line[40:])
        file.flush()
        tail.follow(NOW)
    assert tail.progress(10, "calm", [], [], 1.0).rate_per_s == pytest.approx(2 / 5)
