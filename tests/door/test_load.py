"""`gauntlet load` and what stands around it: real processes, judged by what they print, write and leave behind."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.control import protocol
from door import ports
from door.home import ROOT
from door.workbench import Workbench, workbench
from loadtests.books import ledger, wire
from loadtests.books.run import Run

ADMIN = {"Authorization": "Bearer demo-admin"}
STEADY = """
title = "Fifteen a second for a moment"
about = "For the tests of the command line."
short_s = 4
[mix]
faq = 0.3
unique = 0.7
[[phase]]
name = "all"
for_s = 4
at_least_s = 1
rate_per_s = 15
fault = [{ target = "openai", fault = "status", params = { status = 503 } }]
[[expect]]
measure = "success_share"
at_least = 0.99
why = "the first provider is well"
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Workbench]:
    with workbench() as started:
        yield started


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(STEADY)
    return path


class Command:
    """One call of the command, at the lab's service."""

    def __init__(self, lab: Workbench, home: Path, *words: str) -> None:
        where = [word for name in ("service", "simulator", "collector") for word in (f"--{name}", lab.urls[name])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gauntlet", *words, *where],
            cwd=ROOT,
            env={**os.environ, "GAUNTLET_HOME": str(home), "COLUMNS": "160"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, within_s: float = 90.0) -> tuple[int, str, str]:
        output, errors = self.process.communicate(timeout=within_s)
        return self.process.returncode, output, errors

    def lines(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def say(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()


def test_a_run_is_judged_kept_and_leaves_the_simulator_as_it_was(lab: Workbench, mine: Path, tmp_path: Path) -> None:
    code, output, errors = Command(lab, tmp_path, "load", str(mine), "--seed", "11").end()
    assert code == 0, output + errors
    assert "PASS" in output
    assert "the books balance" in output
    run = Run.latest(tmp_path)
    assert run is not None
    assert (run.scenario, run.seed, run.verdict) == ("mine", 11, "pass")
    there = {path.name for path in run.folder.iterdir()}
    assert there >= {
        *("run.json", "client.jsonl", "ledger.json", "verdict.json", "report.html"),
        *("requests.parquet", "attempts.parquet", "events.json"),
    }
    assert "<script" not in (run.folder / "report.html").read_text()
    state = wire.get("the simulator", lab.urls["simulator"], "/sim/state")
    assert state["active"] == []
    assert state["latency"]["anthropic"]["first_token_ms"] == 120.0


def test_stages_that_a_killed_run_left_off_are_put_back_by_the_next(lab: Workbench, mine: Path, tmp_path: Path) -> None:
    first = Command(lab, tmp_path, "load", str(mine), "--off", "cache", "--json")
    assert next(first.lines())
    _eventually(lambda: not _stages(lab)["cache"])
    first.process.kill()
    first.end()
    assert not _stages(lab)["cache"], "nobody was left to put it back"
    code, output, errors = Command(lab, tmp_path, "load", str(mine), "--for", "1s").end()
    assert code == 0, output + errors
    assert "An earlier run was killed before it put the stages back" in output
    assert all(_stages(lab).values())


def test_a_broken_promise_is_exit_code_1_and_says_what_was_measured(lab: Workbench, mine: Path, tmp_path: Path) -> None:
    mine.write_text(STEADY.replace("at_least = 0.99", "at_most = 0.5"))
    code, output, _ = Command(lab, tmp_path, "load", str(mine), "--for", "2s").end()
    assert code == 1
    assert "FAIL" in output
    assert "100 %" in output


def test_as_json_it_says_each_second_how_it_goes_and_obeys(lab: Workbench, mine: Path, tmp_path: Path) -> None:
    command = Command(lab, tmp_path, "load", str(mine), "--json", "--for", "8s")
    told = []
    for line in command.lines():
        told.append(line)
        if line["event"] == "progress" and line["sent"] and line["scale"] == 1.0:
            command.say("scale 3")
        if line["event"] == "progress" and line["scale"] == 3.0 and line["rate_per_s"] > 20:
            command.say("stop")
    code, _, errors = command.end()
    events = [line["event"] for line in told]
    assert events[0] == "started"
    assert all(protocol.heard(json.dumps(line).encode()) is not None for line in told)  # by the dashboard's sidebar
    assert events[-1] == "verdict", errors
    assert told[0]["phases"] == [{"name": "all", "at_s": 0.0, "for_s": 8.0}]
    assert any(line.get("faults") == ["openai: status 503"] for line in told)
    assert (told[-1]["verdict"], code) == ("unknown", 2)
    assert told[-1]["reason"] == "it was stopped before its end"


def test_a_signal_stops_it_in_order(lab: Workbench, mine: Path, tmp_path: Path) -> None:
    command = Command(lab, tmp_path, "load", str(mine), "--json", "--for", "60s")
    for line in command.lines():
        if line["event"] == "progress":
            command.process.send_signal(signal.SIGTERM)
            break
    assert command.end()[0] == 130
    run = Run.latest(tmp_path)
    assert run is not None
    assert (run.verdict, list(run.notes)) == ("unknown", ["It was broken off before its end."])
    assert ledger.fetch(lab.urls["simulator"], 0).calls
    state = wire.get("the simulator", lab.urls["simulator"], "/sim/state")
    assert state["active"] == []


def test_two_runs_at_once_are_refused(lab: Workbench, mine: Path, tmp_path: Path) -> None:
    first = Command(lab, tmp_path, "load", str(mine), "--json")
    assert next(first.lines())["event"] == "started"
    code, output, _ = Command(lab, tmp_path, "load", str(mine), "--json").end()
    assert code == 2
    assert json.loads(output)["reason"].startswith("another run is under way")
    assert first.end()[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["load", "nowhere"], "there is no scenario 'nowhere'"),
        (["load", "steady", "--off", "brake"], "no stage is named brake"),
        (["predict", "steady", "--guess", "luck=1"], "'luck' is not asked here"),
        (["predict", "steady", "--guess", "success=101"], "expected a number from 0 to 100"),
        (["load", "herd", "--users", "5"], "bursts only"),
    ],
)
def test_what_cannot_be_is_refused_in_words(lab: Workbench, tmp_path: Path, words: list[str], said: str) -> None:
    code, _, errors = Command(lab, tmp_path, *words).end()
    assert code == 2
    assert said in errors


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("http://192.0.2.1:8000", "load goes to this one only"),
        (None, "the workbench profile calls a simulator: name it"),
    ],
    ids=["another machine", "no simulator"],
)
def test_what_is_named_must_be_here_and_whole(lab: Workbench, tmp_path: Path, service: str | None, said: str) -> None:
    words = ["load", "hang", "--service", service or lab.urls["service"], "--collector", lab.urls["collector"]]
    done = subprocess.run(
        [sys.executable, "-m", "gauntlet", *words],
        cwd=ROOT,
        env={**os.environ, "GAUNTLET_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr


def test_flags_that_the_page_chooses_are_refused_beside_it(lab: Workbench, tmp_path: Path) -> None:
    code, _, errors = Command(lab, tmp_path, "load", "outage", "--web", "--seed", "8").end()
    assert code == 2
    assert "--web with SCENARIO, --seed: that is chosen on Locust's page" in errors


def test_the_list_says_what_there_is_for_people_and_programs(tmp_path: Path) -> None:
    env = {**os.environ, "GAUNTLET_HOME": str(tmp_path), "COLUMNS": "120"}
    call = [sys.executable, "-m", "gauntlet", "load", "--list"]
    shown = subprocess.run(call, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True).stdout
    told = subprocess.run([*call, "--json"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True)
    rows = json.loads(told.stdout)
    assert {row["name"] for row in rows} >= {"steady", "outage", "black-friday"}
    assert all(row["name"] in shown and row["title"] in shown for row in rows)
    assert {*rows[0]} == {"name", "title", "about", "duration_s", "short_s", "shape"}


def test_a_prediction_is_laid_beside_what_came(lab: Workbench, mine: Path, tmp_path: Path) -> None:
    guess = "success=50,p99=1,calls=0,usd=1000"
    code, output, errors = Command(lab, tmp_path, "predict", str(mine), "--guess", guess, "--for", "2s").end()
    assert code == 0, errors
    assert "50.0 points off" in output
    run = Run.latest(tmp_path)
    assert run is not None
    told = {row["measure"]: row for row in json.loads((run.folder / "prediction.json").read_text())}
    assert told["success_share"]["predicted"] == 0.5
    assert told["success_share"]["measured"] == 1.0
    assert "50 %" in (run.folder / "report.html").read_text()


def test_predict_asks_and_asks_again(lab: Workbench, mine: Path, tmp_path: Path) -> None:
    command = Command(lab, tmp_path, "predict", str(mine), "--for", "2s")
    for answer in ("many", "99", "-4", "900", "0", "0", "2"):
        command.say(answer)
    code, output, errors = command.end()
    assert code == 0, errors
    assert "got 'many'; expected a number" in errors
    assert "expected a number from 0" in errors
    assert "900 ms" in output


def test_locusts_own_page_runs_what_is_chosen_there_and_judges_it(lab: Workbench, tmp_path: Path) -> None:
    port = ports.free_port(())
    where = [word for name in ("service", "simulator", "collector") for word in (f"--{name}", lab.urls[name])]
    process = subprocess.Popen(
        [sys.executable, "-m", "gauntlet", "load", "--web", *where],
        cwd=ROOT,
        env={**os.environ, "GAUNTLET_HOME": str(tmp_path), "GAUNTLET_LOCUST_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        page = _eventually(lambda: _asked(port, "/"))
        assert all(word in page for word in ("outage", "anthropic: hang", "rate_limit"))
        chosen = {"scenario": "steady", "fault": "anthropic: 503", "stages_off": "cache", "seconds": "5", "seed": "3"}
        assert json.loads(_asked(port, "/swarm", chosen))["success"]
        run = _eventually(lambda: (found := Run.latest(tmp_path)) and found.verdict and found)
        assert (run.scenario, run.seed, list(run.stages_off)) == ("steady", 3, ["cache"])
        assert run.verdict == "unknown"  # what breaks was chosen by hand
        statuses = {call.status for call in (ledger.snapshot(run.folder) or ledger.ProviderLedger()).calls}
        assert statuses >= {200, 503}
        stages = _stages(lab)
        assert all(stages.values())
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


def _asked(port: int, path: str, form: dict[str, str] | None = None) -> str:
    """A page of Locust's, or its answer to a form. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = None if form is None else urllib.parse.urlencode(form)
    headers = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("GET" if form is None else "POST", path, body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.status == 200, text
    return text


def _eventually(get: Any, within_s: float = 60.0) -> Any:
    """The first true value; fails when none came in time."""
    until = time.monotonic() + within_s
    while True:
        try:
            found = get()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


def _stages(lab: Workbench) -> dict[str, bool]:
    stages: dict[str, bool] = wire.ask("the service", lab.urls["service"], "GET", "/admin/stages", headers=ADMIN)[
        "stages"
    ]
    return stages
