"""`gauntlet jobs` as a person types it: jobs, dead letters, sending them off again, and clear words when it cannot."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from redis.asyncio import Redis

from door import wire
from door.errors import DoorError
from door.jobs import MOST_LIMIT, run
from door.wire import Response
from tests.door.cli import Up, environment, eventually, gauntlet

NOW = 1_764_000_000.0


def dead_letter(workbench: Up, subject_id: str) -> str:
    """A message of a receiver that wanted no more, as the worker leaves it behind."""
    message_id = f"msg_{uuid.uuid4().hex}"
    fields: dict[bytes | bytearray | memoryview[int] | str | int | float, Any] = {
        "event": "job.completed",
        "subject_id": subject_id,
        "tenant": "acme",
        "url": f"{workbench.urls['webhooks']}/webhooks",
        "body": json.dumps({"type": "job.completed", "timestamp": "2026-01-01T00:00:00Z", "data": {"id": subject_id}}),
        "state": "dead",
        "tries": 15,
        "spent": 0,
        "created_at": NOW,
        "ended_at": NOW,
        "last_status": 500,
        "last_error": "status",
    }

    async def put() -> None:
        redis = Redis.from_url(workbench.urls["valkey"])
        await redis.hset(f"webhook:{{{message_id}}}", mapping=fields)
        await redis.zadd("webhooks:{dead}", {message_id: NOW})
        await redis.aclose()

    asyncio.run(put())
    return message_id


def job(workbench: Up) -> str:
    """A job that was begun by POST /jobs."""
    request = urllib.request.Request(  # noqa: S310 - our own URL
        f"{workbench.urls['service']}/jobs",
        json.dumps({"text": "Retries need jitter. " * 40}).encode(),
        {"Authorization": "Bearer demo-alice", "Idempotency-Key": uuid.uuid4().hex},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        return str(json.load(response)["job_id"])


def said(workbench: Up, *words: str, **env: str) -> str:
    done = gauntlet("jobs", *words, env={**workbench.env, **env})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_jobs_are_listed_newest_first_and_shown(workbench: Up) -> None:
    first, second = job(workbench), job(workbench)
    listed = [row["job_id"] for row in json.loads(said(workbench, "--json"))["jobs"]]
    assert listed.index(second) < listed.index(first)
    assert said(workbench, "list", "--limit", "1").count("job_") == 1
    assert first in said(workbench, "show", first)
    assert "acme" in said(workbench)


def test_a_narrow_table_shows_beginnings_of_ids_and_these_are_enough(workbench: Up) -> None:
    whole = job(workbench)
    row = said(workbench, COLUMNS="80").splitlines()[1]
    short = row.split()[1]
    assert whole.startswith(short)
    assert len(short) < len(whole)
    assert whole in said(workbench, "show", short)
    assert job(workbench) != whole
    refused = gauntlet("jobs", "show", "job_", env=workbench.env)
    assert refused.returncode == 1
    assert "several jobs begin with job_: " in refused.stderr


def test_whoever_is_no_admin_sees_their_own_jobs_without_a_word_of_dead_letters(workbench: Up) -> None:
    own = job(workbench)
    dead_letter(workbench, "job_others")
    lines = said(workbench, "--key", "demo-alice").splitlines()
    assert "tenant" not in lines[0]
    assert own in lines[1]
    assert "dead letter" not in "\n".join(lines)
    assert said(workbench, "--key", "demo-bob") == "no jobs yet; POST /jobs begins one\n"
    said(workbench, "redrive", "--all")


def test_more_jobs_than_the_service_tells_at_once_come_page_by_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def exchange(url: str, method: str, path: str, **_: Any) -> Response:
        asked.append(path)
        query = dict(parse_qsl(path.partition("?")[2]))
        begin, most = int(query.get("cursor", 0)), int(query["limit"])
        rows = [{"job_id": f"job_{n}"} for n in range(begin, min(begin + most, 230))]
        return Response(
            200, {}, json.dumps({"jobs": rows, "cursor": str(begin + most) if len(rows) == most else None}).encode()
        )

    monkeypatch.setattr(wire, "exchange", exchange)
    for limit, listed, pages in ((150, 150, 2), (1000, 230, 3), (20, 20, 1)):
        asked.clear()
        assert run(["list", "--json", "--limit", str(limit), "--url", "http://127.0.0.1:1"]) == 0
        assert len(json.loads(capsys.readouterr().out)["jobs"]) == listed
        assert len(asked) == pages


def test_dead_letters_are_listed_shown_and_sent_off_again(workbench: Up) -> None:
    message_id = dead_letter(workbench, "job_dead")
    table = said(workbench, "dead")
    assert message_id in table
    assert "answered 500" in table
    assert "job.completed" in table
    assert "dead letter" in said(workbench)
    assert json.loads(said(workbench, "show", message_id, "--json"))["last_status"] == 500
    assert "job_dead" in said(workbench, "show", message_id[:12])
    assert said(workbench, "redrive", message_id[:12]) == "1 message sent off again\n"

    def delivered() -> bool:
        return bool(json.loads(said(workbench, "show", message_id, "--json"))["state"] == "delivered")

    eventually(delivered, "the message to be delivered")
    assert message_id not in said(workbench, "dead")


def test_all_are_sent_off_again(workbench: Up) -> None:
    ids = {dead_letter(workbench, f"job_{number}") for number in range(3)}
    assert {row["id"] for row in json.loads(said(workbench, "redrive", "--all", "--json"))["redriven"]} >= ids
    assert said(workbench, "redrive", "--all") == "no dead letters\n"
    assert said(workbench, "dead") == "no dead letters\n"


def test_nothing_is_wider_than_80_columns(workbench: Up) -> None:
    job(workbench)
    dead_letter(workbench, "job_wide")
    for words in ((), ("dead",)):
        lines = said(workbench, *words, COLUMNS="80").splitlines()
        assert len(lines) > 2
        assert max(map(len, lines)) <= 80
    said(workbench, "redrive", "--all")


def test_what_is_not_there_and_who_may_not_is_told_in_the_services_words(workbench: Up) -> None:
    for words, told in (
        (("show", "msg_unknown"), "404"),
        (("show", "job_unknown"), "404"),
        (("redrive", "msg_unknown"), "404"),
        (("dead", "--key", "demo-alice"), "403"),
        (("dead", "--key", "nobody"), "401"),
    ):
        refused = gauntlet("jobs", *words, env=workbench.env)
        assert refused.returncode == 1
        assert f"gauntlet jobs: {told}: " in refused.stderr


def test_all_are_sent_off_again_also_beyond_a_page_and_one_that_is_refused_keeps_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = [f"msg_{number}" for number in range(MOST_LIMIT + 5)]

    def exchange(url: str, method: str, path: str, **_: Any) -> Response:
        if method == "GET":
            return Response(200, {}, json.dumps({"webhooks": [{"id": each} for each in dead[:MOST_LIMIT]]}).encode())
        message_id = path.split("/")[3]
        if message_id == "msg_3":
            return Response(409, {}, b'{"detail": "it was delivered"}')
        dead.remove(message_id)
        return Response(202, {}, b'{"state": "pending"}')

    monkeypatch.setattr(wire, "exchange", exchange)
    assert run(["redrive", "--all", "--url", "http://127.0.0.1:1"]) == 1
    said_so = capsys.readouterr()
    assert said_so.out == f"{MOST_LIMIT + 4} messages sent off again\n"
    assert said_so.err == "gauntlet jobs: msg_3 was not: 409: it was delivered\n"
    assert dead == ["msg_3"]


@pytest.mark.parametrize("sent", [0, 3])
def test_a_service_that_goes_away_half_way_leaves_a_word_of_what_was_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sent: int
) -> None:
    left = sent

    def exchange(url: str, method: str, path: str, **_: Any) -> Response:
        nonlocal left
        if method == "GET":
            return Response(200, {}, json.dumps({"webhooks": [{"id": f"msg_{n}"} for n in range(5)]}).encode())
        if left == 0:
            raise ConnectionRefusedError("nobody there")
        left -= 1
        return Response(202, {}, b'{"state": "pending"}')

    monkeypatch.setattr(wire, "exchange", exchange)
    words = ["redrive", "--all", "--url", "http://127.0.0.1:1"]
    if sent == 0:
        with pytest.raises(DoorError, match="nobody there"):
            run(words)
        return
    assert run(words) == 1
    said_so = capsys.readouterr()
    assert said_so.out == f"{sent} messages sent off again\n"
    assert said_so.err.startswith("gauntlet jobs: stopped there: no service answers")


@pytest.mark.parametrize("words", [("list",), ("dead",), ("redrive", "--all"), ("show", "msg_1"), ("show", "job_1")])
def test_a_service_without_a_queue_is_told_to_have_none(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(wire, "exchange", lambda *_, **__: Response(404, {}, b'{"detail": "nothing is at /jobs"}'))
    with pytest.raises(DoorError, match="no queue at http"):
        run([*words, "--url", "http://127.0.0.1:1"])


@pytest.mark.parametrize("words", [("redrive",), ("redrive", "msg_1", "--all"), ("lost",), ("dead", "--limit", "0")])
def test_wrong_usage_is_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert gauntlet("jobs", *words, env=environment(tmp_path)).returncode == 2


def test_with_the_service_down_one_line_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        number = str(closed.getsockname()[1])
        refused = gauntlet("jobs", env=environment(tmp_path, GAUNTLET_SERVICE_PORT=number))
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "make up" in refused.stderr
