"""`from gauntlet import workbench`: the lab of a notebook against a whole stack, and how it lives over cells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import gauntlet
from door.errors import DoorError
from door.home import ROOT
from door.lab import Lab
from door.lab.lab import variable
from tests.door.cli import environment, eventually, lives


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUNTLET_HOME", str(tmp_path_factory.mktemp("home")))
        with gauntlet.workbench(settings={"breaker.failures": 3}) as lab:
            yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    """As at its beginning."""
    running.reset()
    return running


def test_a_question_is_answered_with_its_path_and_stands_in_the_ledger(lab: Lab) -> None:
    answer = lab.ask("What is jitter?", explain=True)
    assert (answer.status, answer.source, answer.degraded, answer.provider) == (200, "live", [], "anthropic")
    assert "jitter" in repr(answer)
    assert answer.worker in lab.workers()
    assert answer.path[0]["stage"] == "cache"
    assert list(answer.steps().columns) == ["stage", "decision", "ms", "why"]
    assert list(lab.ledger()["request_id"]) == [answer.request_id]
    assert lab.ledger("openai").empty


def test_many_are_asked_at_once_and_answered_in_their_order(lab: Lab) -> None:
    lab.latency("anthropic", first_token_ms=300)
    crowd = lab.ask_many([f"What is {n}?" for n in range(12)], at_once=12, user=["alice", "bob"] * 6)
    assert [answer.text for answer in crowd] == [f"What is {n}?" for n in range(12)]
    assert crowd.by("user") == {"alice": 6, "bob": 6}
    calls = lab.ledger().sort_values("t")
    begins, ends = calls["t"].tolist(), (calls["t"] + 0.25).tolist()  # each is thought about for longer
    assert any(begun < ended for begun, ended in zip(begins[1:], ends, strict=False)), "they overlap"
    assert len(crowd.frame()) == 12


def test_what_was_done_is_told_when_sql_answers(lab: Lab) -> None:
    asked = lab.ask_many(["What is a bulkhead?"] * 10)
    found = lab.sql(f"select request_id, source from requests where endpoint = '/chat' and t >= {lab.since}")
    assert set(found["request_id"]) == {answer.request_id for answer in asked}
    assert sorted(found["source"]) == sorted(answer.source for answer in asked)
    told = lab.trace(next(answer for answer in asked if answer.source == "live"))
    assert [span["name"] for span in told["spans"] if span["kind"] == "server"] == ["POST /chat"]
    assert not lab.sql("select * from metric_points limit 1").empty
    assert {"requests", "attempts", "costs"} <= set(lab.tables()["name"])
    books = lab.books()
    assert (books["verdict"], books["since"]) == ("balanced", lab.since)
    with pytest.raises(DoorError, match="no_such_table"):
        lab.sql("select * from no_such_table")


def test_a_fault_works_until_it_is_healed_and_its_window_is_known(lab: Lab) -> None:
    lab.fault("anthropic", "status", status=503)
    answer = lab.ask("What is a deadline?")
    assert (answer.source, answer.provider) == ("provider", "openai")
    assert lab.breakers()["anthropic"] == "open", "after three failures, as the settings say"
    lab.heal()
    window = lab.faults().iloc[-1]
    assert (window["target"], window["what"]) == ("anthropic", "status 503")
    assert window["began_s"] <= window["ended_s"]
    lab.close_circuits()
    assert lab.ask("What is a deadline?").source == "live"
    with pytest.raises(DoorError, match="fault"):
        lab.fault("anthropic", "no such fault")


def test_a_reset_leaves_nothing_to_the_next_experiment(lab: Lab) -> None:
    assert lab.ask("What is a token bucket?").source == "live"
    assert lab.ask("What is a token bucket?").source == "cache"
    lab.fault("anthropic", "hang")
    lab.quota("anthropic", requests_per_min=1)
    assert lab.stages(retry=False)["retry"] is False
    lab.reset()
    assert lab.ledger().empty
    assert all(lab.stages().values())
    assert lab.ask("What is a token bucket?").source == "live", "neither kept, nor hung, nor out of quota"


def test_a_refusal_is_an_answer_with_its_reason(lab: Lab) -> None:
    refused = lab.http("POST", "/chat", {"text": 7})
    assert (refused.ok, refused.status, refused.source) == (False, 422, "")
    assert "text" in refused.answer
    assert lab.http("GET", "/admin/stages").status == 403
    assert lab.at_once(3, "GET", "/ready").by("status") == {200: 3}
    late = lab.ask("What is a hang?", timeout_s=0.001)
    assert (late.status, late.ok) == (0, False)
    assert late.error.startswith("TimeoutError")


def test_a_stream_is_followed_to_its_end_or_left(lab: Lab) -> None:
    whole = lab.stream("What is a circuit breaker?")
    assert whole.done is not None
    assert (whole.status, whole.left, whole.answer) == (200, False, whole.done["answer"])
    assert whole.first_token_ms is not None
    assert whole.first_token_ms <= whole.ms
    assert set(whole.frame()["event"]) == {"delta", "done"}
    left = lab.stream("What is back-pressure?", leave_after=2)
    assert (left.left, left.done, len(left.events)) == (True, None, 2)
    refused = lab.stream("", route="no such route")
    assert refused.status >= 400
    assert refused.error


def test_broken_parts_heal_and_the_sql_of_a_killed_worker_does_not_wait_for_ever(lab: Lab) -> None:
    lab.ask("What is a lease?")
    assert lab.kill_worker() not in lab.workers()
    queue = lab.kill_queue_worker()
    assert not lives(queue)
    with lab.store_paused():
        assert lab.ask("What is a guard?").degraded == ["session"]
    lab.whole_again()
    assert len(lab.workers()) == 2
    assert lab.sql(f"select count(*) as n from requests where t >= {lab.since}").loc[0, "n"] > 0


def test_waiting_in_vain_says_for_what(lab: Lab) -> None:
    with pytest.raises(DoorError, match="in vain for this: a miracle; the logs are in"):
        lab.until(lambda: False, "a miracle", within_s=0)


def test_a_lab_in_its_block_is_ended_by_the_block(lab: Lab) -> None:
    with pytest.raises(DoorError, match="leaving the block ends it"):
        lab.end()


def test_settings_have_their_names_of_the_readme() -> None:
    assert variable("breaker.cooldown_s") == "GAUNTLET_BREAKER__COOLDOWN_S"


KEPT = """
import psutil
from gauntlet import workbench
for times in range({starts}):  # the cell is run again
    with workbench(workers=1) as lab:
        lab.keep()
    print(lab.http("GET", "/ready").status, *(child.pid for child in psutil.Process().children()), flush=True)
input()
"""


@pytest.mark.parametrize(("how", "starts"), [("exit", 2), ("kill -9", 1)])
def test_a_kept_lab_outlives_its_block_and_ends_with_its_process(tmp_path: Path, how: str, starts: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEPT.format(starts=starts)],
        cwd=ROOT,
        env=environment(tmp_path / "home", TMPDIR=str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(starts)]
        assert {words[0] for words in said} == {"200"}
        assert not any(lives(int(pid)) for words in said[:-1] for pid in words[1:]), "the one before was ended"
        pids = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        assert len(pids) >= 5
        if how == "kill -9":
            os.kill(process.pid, signal.SIGKILL)
        else:
            process.stdin.write("\n")
            process.stdin.close()
        process.wait(60)
    eventually(lambda: not any(map(lives, pids)), "every part is gone", bound_s=30)
    assert bool(list(tmp_path.glob("gauntlet-*"))) == (how == "kill -9")
