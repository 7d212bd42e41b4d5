"""`gauntlet trace`: one request with every decision in words, or a list; from what stock exporters told a collector."""

from __future__ import annotations

import hmac
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.collector import Collector
from tests.door.cli import environment, gauntlet
from tests.telling import Teller, attempt

ALICE = hmac.new(b"workbench", b"alice", "sha256").hexdigest()[:16]
OUTAGE = "0c7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"
UNKEPT = "0d7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"
HIT = "0e7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"
LIMITED = "0f7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"

Trace = Callable[..., "subprocess.CompletedProcess[str]"]


def chat(model: str, at_ms: float, for_ms: float, **attributes: Any) -> Any:
    return (f"chat {model}", at_ms, for_ms, {"gen_ai.request.model": model, **attributes}, [], [])


def stage(name: str, at_ms: float, for_ms: float, events: Any, within: Any) -> Any:
    return (name, at_ms, for_ms, {"gauntlet.stage": name, "gauntlet.request.id": OUTAGE}, events, within)


def outage(teller: Teller) -> None:
    """A request that met a 503, waited, met a 529, and was answered by the next rung: once kept, once not."""
    failed: dict[str, Any] = {"status": "unavailable", "upstream_status": 503, "duration_ms": 100.0}
    told: dict[str, Any] = {
        "t": time.time() - 120,
        "duration_ms": 1234.5,
        "outcome": "degraded",
        "source": "provider",
        "degraded": ["anthropic:unavailable"],
        "provider": "openai",
        "model": "gpt-5.5",
        "user": ALICE,
        "input_tokens": 812,
        "output_tokens": 96,
        "cost_nano_usd": 1_234_567,
        "path": [
            ["cache", "miss", 0.3],
            ["retry", "attempt", 1.5],
            ["retry", "wait", 102.2],
            ["retry", "attempt", 314.0],
        ],
        "attempts": [
            attempt(1, "anthropic", "claude-opus-4-7", t_ms=2.0, **failed),
            attempt(2, "anthropic", "claude-opus-4-7", t_ms=314.3, **failed),
            attempt(3, "openai", "gpt-5.5", t_ms=421.5, duration_ms=808.0, input_tokens=812, cost_nano_usd=1_234_567),
        ],
    }
    kept = teller.record(OUTAGE, kept="degraded", weight=3, **told)
    teller.record(UNKEPT, **{**told, "t": told["t"] - 1})
    wait = {"wait_s": 0.212, "jitter_of_s": 0.5, "after": "unavailable", "budget_left": 17.0}
    number, status = "gauntlet.attempt.number", "gauntlet.attempt.status"
    first = chat("claude-opus-4-7", 2, 100, **{number: 1, status: "unavailable", "http.response.status_code": 503})
    second = chat("claude-opus-4-7", 314, 100, **{number: 2, status: "unavailable", "http.response.status_code": 529})
    usage = {"gen_ai.usage.input_tokens": 812, "gen_ai.usage.output_tokens": 96, "gen_ai.usage.cost": 0.001234567}
    third = chat("gpt-5.5", 421, 808, **{number: 3, status: "ok", "gauntlet.attempt.first_token_ms": 230.5}, **usage)
    retries = [("attempt", 1.5, {"attempt": 1, "of": 4}), ("wait", 102.2, wait)]
    inner = [stage("retry", 1.4, 420, retries, [first, second]), stage("retry", 421, 810, [], [third])]
    teller.trace(kept, [("POST /chat", 0, 1234.5, {}, [], [stage("cache", 0.2, 1232, [("miss", 0.3, {})], inner)])])


@pytest.fixture(scope="module")
def trace(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """Runs the verb at the collector with these requests, 80 columns wide."""
    with Teller(collector) as teller:
        outage(teller)
        teller.record(HIT, t=time.time() - 60, source="cache", duration_ms=1.25)
        teller.record(LIMITED, t=time.time() - 30, status=429, outcome="refused", source=None, error="rate_limited")
        teller.record(t=time.time() - 4000, tenant="old")
        teller.told()
    home = tmp_path_factory.mktemp("trace")

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return gauntlet("trace", *words, "--url", collector.url, env=environment(home, **{"COLUMNS": "80", **more}))

    return run


def ids(said: subprocess.CompletedProcess[str]) -> list[str]:
    return [row["request_id"] for row in json.loads(said.stdout)]


def test_a_kept_trace_is_shown_with_every_decision_in_words(trace: Trace) -> None:
    said = trace(OUTAGE, COLUMNS="120")
    assert said.returncode == 0, said.stderr
    text = " ".join(said.stdout.split())
    assert text.startswith("POST /chat 200 degraded 1,234.5 ms")
    for words in (
        f"request {OUTAGE}",
        f"caller acme user {ALICE}",
        "degraded anthropic:unavailable",
        "kept as degraded, stands for 3",
        "cost $0.001235; 812 in, 96 out",
        "cache no fresh answer is stored",
        "retry attempt 1 of 4",
        "chat claude-opus-4-7 attempt 1: unavailable, status 503",
        "waited 212 ms: full jitter of 500 ms, Retry-After absent,",
        "chat gpt-5.5 attempt 3: answered; first token after 230 ms; 812",
        "in, 96 out; $0.001235",
    ):
        assert words in text


def test_the_waterfall_shows_the_back_off_as_a_gap(trace: Trace) -> None:
    lines = trace(OUTAGE).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    first, second = (next(line for line in lines if f"attempt {n}:" in line) for n in (1, 2))
    wait = next(line for line in lines if "waited 212" in line)
    assert first.index("█") < wait.index("░") <= wait.rindex("░") < second.index("█")


def test_a_trace_that_was_not_kept_is_told_from_its_record_and_why(trace: Trace) -> None:
    said = trace(UNKEPT)
    assert said.returncode == 0
    text = " ".join(said.stdout.split())
    assert "Its trace was sampled out" in text
    assert "retry waited 212 ms" in text
    assert "anthropic claude-opus-4-7 attempt 1:" in text
    assert text.count("unavailable, status 503") == 2


def test_a_request_is_found_by_its_beginning_and_by_its_trace(trace: Trace) -> None:
    assert f"request   {OUTAGE}" in trace("0c7a0e").stdout
    known = json.loads(trace(OUTAGE, "--json").stdout)
    assert set(known) == {"request", "attempts", "decisions", "spans", "logs"}
    assert len(known["spans"]) == 7
    assert f"request   {OUTAGE}" in trace(known["request"]["trace_id"]).stdout


@pytest.mark.parametrize("unknown", ["deadbeef", "7a" * 16, "00000000-0000-4000-8000-000000000000", "no id", "it's"])
def test_an_unknown_request_is_told_in_a_line(trace: Trace, unknown: str) -> None:
    said = trace(unknown)
    assert said.returncode == 1
    assert unknown in said.stderr
    assert len(said.stderr.splitlines()) == 1


def test_a_list_has_a_line_per_request_newest_first(trace: Trace) -> None:
    said = trace("--last", "5m", "--tenant", "acme")
    lines = said.stdout.splitlines()
    assert lines[0].split() == ["time", "request", "outcome", "http", "source", "ms", "calls", "cost", "degraded"]
    assert [line.split()[1] for line in lines[1:]] == ["0f7a0e5e", "0e7a0e5e", "0c7a0e5e", "0d7a0e5e"]
    assert max(map(len, lines)) <= 80
    degraded = lines[3].split()
    assert degraded[2:8] == ["degraded", "200", "provider", "1,234", "3", "$0.001235"]


def test_where_there_is_room_a_list_has_whole_ids(trace: Trace) -> None:
    assert OUTAGE in trace("--last", "5m", COLUMNS="120").stdout
    assert "anthropic:unavailable" in trace("--last", "5m", COLUMNS="").stdout
    assert "anthropic:unavailable" not in trace("--last", "5m", "--degraded").stdout


def test_a_list_is_filtered(trace: Trace) -> None:
    assert set(ids(trace("--user", "alice", "--json"))) == {OUTAGE, UNKEPT}
    assert set(ids(trace("--user", ALICE, "--json"))) == {OUTAGE, UNKEPT}
    assert ids(trace("--user", "alice", "--json", GAUNTLET_TELEMETRY__PSEUDONYM_KEY="another")) == []
    assert set(ids(trace("--degraded", "--tenant", "acme", "--json"))) == {OUTAGE, UNKEPT}
    assert ids(trace("--outcome", "refused", "--json")) == [LIMITED]
    assert len(ids(trace("--tenant", "old", "--json"))) == 1
    assert ids(trace("--slowest", "--last", "5m", "--tenant", "acme", "--json"))[2:] == [LIMITED, HIT]
    assert len(ids(trace("--limit", "2", "--json"))) == 2


def test_nothing_found_is_said(trace: Trace) -> None:
    said = trace("--tenant", "nobody")
    assert (said.returncode, said.stdout) == (1, "no such request is known\n")


@pytest.mark.parametrize("words", [("--last", "soon"), ("--outcome", "fine"), ("--limit", "0"), ("--limit", "x")])
def test_wrong_usage(trace: Trace, words: tuple[str, ...]) -> None:
    assert trace(*words).returncode == 2


def test_a_collector_that_is_away_is_told_with_what_to_do(tmp_path: Path) -> None:
    said = gauntlet("trace", "--url", "http://127.0.0.1:1", env=environment(tmp_path))
    assert said.returncode == 1
    assert "no collector answers at http://127.0.0.1:1" in said.stderr
    assert "make up" in said.stderr
