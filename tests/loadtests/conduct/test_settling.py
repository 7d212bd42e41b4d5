"""After the load: the webhooks of what has ended are waited for, and no longer than is said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.books.client import ClientBook, Entry
from loadtests.books.errors import CannotJudge
from loadtests.books.ledger import LedgerReader, ProviderLedger, Webhook
from loadtests.books.run import Run
from loadtests.conduct.settling import settle

ASKED = Entry("e", 1.0, 1.0, "/jobs/{job_id}", 200, "answered", kind="job", subject_id="job_1", state="running")
DONE, DONE_2 = replace(ASKED, state="completed"), replace(ASKED, subject_id="job_2", state="failed")
HOOK = Webhook(1, 2.0, "msg_1", "job.completed", "job_1", True, False, 200, None)
HOOK_2 = replace(HOOK, seq=2, message_id="msg_2", event="job.failed", subject_id="job_2")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, "r", 0.0, 7, "", "", "http://simulator", "")


def settled(
    run: Run, monkeypatch: pytest.MonkeyPatch, entries: list[Entry], *seen: list[Webhook], within_s: float = 60
) -> int:
    """How often it looked again, when the receiver has this and then that."""
    with ClientBook(run.folder) as book:
        for entry in entries:
            book.write(entry)
    ledgers: Iterator[list[Webhook]] = iter(seen)
    last: list[list[Webhook]] = [[]]

    def read(_: LedgerReader) -> ProviderLedger:
        last[0] = next(ledgers, last[0])
        return ProviderLedger(webhooks=last[0])

    monkeypatch.setattr(LedgerReader, "read", read)
    slept: list[float] = []

    def sleep(pause_s: float) -> None:
        slept.append(pause_s)
        time.sleep(0.001)

    settle(run, within_s=within_s, sleep=sleep)
    return len(slept)


def test_it_waits_until_each_end_was_taken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, forged = replace(HOOK_2, status=503), replace(HOOK_2, verified=False, status=401)
    waits = replace(HOOK_2, event="agent.waiting")
    seen = [[], [HOOK], [HOOK, lost], [HOOK, forged], [HOOK, waits], [HOOK, HOOK_2]]
    assert settled(run, monkeypatch, [ASKED, DONE, DONE_2], *seen) == 5


def test_nothing_is_waited_for_where_nothing_has_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(run, monkeypatch, [ASKED]) == 0
    assert settled(run, monkeypatch, []) == 0


def test_what_never_comes_is_waited_for_no_longer_than_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(run, monkeypatch, [DONE], within_s=0.05) > 1


def test_a_receiver_that_is_away_is_told_by_whoever_reads_it_next(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: LedgerReader) -> ProviderLedger:
        raise CannotJudge("away")

    with ClientBook(run.folder) as book:
        book.write(DONE)
    monkeypatch.setattr(LedgerReader, "read", away)
    settle(run)
