"""Drills as real processes: a player who knows, one who does nothing, one who interrupts, and where none is played."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from door.home import ROOT, RUNS
from loadtests.books import client
from loadtests.drill import objective
from loadtests.drill.incidents import seed_of
from tests.door.cli import BOUND_S, Up, eventually, gauntlet

SEED = seed_of("no-net")
"""Fallback is off before, then anthropic fails: nobody gets an answer until somebody acts."""


class Player:
    """A `gauntlet drill` with somebody at its pipe."""

    def __init__(self, up: Up, output: Path, *flags: str) -> None:
        self.up = up
        self._output = output
        self._known = set((up.home / RUNS).glob("*"))
        with output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gauntlet", "drill", "--seed", str(SEED), *flags],
                cwd=ROOT,
                env=up.env,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def folder(self) -> Path:
        (run,) = {path for path in (self.up.home / RUNS).glob("*/") if path not in self._known}
        return run

    def type(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.process.stdin.flush()

    def wait_for(self, holds: Callable[[], object], what: str) -> None:
        """Wait as long as it runs."""
        eventually(lambda: self.process.poll() is not None or holds(), what)
        assert self.process.poll() is None, self.output

    def hidden(self, state: str) -> list[dict[str, Any]]:
        told = get(self.up.urls["simulator"] + "/sim/state?hidden=1")
        return [fault for fault in told["plan"] if fault.get("hidden") and fault["state"] == state]

    def ended(self) -> dict[str, Any]:
        """Its `drill.json`, with the world as it was before."""
        assert self.process.wait(BOUND_S) == 0, self.output
        self.assert_tidy()
        told: dict[str, Any] = json.loads((self.folder / "drill.json").read_text())
        return told

    def assert_tidy(self) -> None:
        assert self.hidden("active") == self.hidden("pending") == []
        assert all(get(self.up.urls["service"] + "/admin/stages", "demo-admin")["stages"].values())

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(BOUND_S)
        if self.process.stdin is not None:
            self.process.stdin.close()


def get(url: str, key: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310
        return json.load(answer)


@pytest.fixture
def play(workbench: Up, tmp_path: Path) -> Iterator[Callable[..., Player]]:
    players: list[Player] = []

    def begin(*flags: str) -> Player:
        players.append(Player(workbench, tmp_path / "said", *flags))
        return players[-1]

    yield begin
    for player in players:
        player.end()


def test_who_sees_names_and_mends_it_at_once_has_nearly_all_points(play: Callable[..., Player]) -> None:
    player = play("--for", "32s")
    player.wait_for(lambda: player.hidden("active"), "the fault begins")
    began = time.time()
    player.type("alarm", "diagnose anthropic 503 1", "stage fallback on")

    def well() -> bool:
        lines = client.read(player.folder)
        return lines is not None and objective.well_since(lines.entries, began, time.time()) is not None

    player.wait_for(well, "it is well again")
    player.type("done")
    told = player.ended()
    assert told["score"]["points"] >= 85, player.output
    assert told["score"]["mitigated_s"] < 10
    assert (told["incident"], told["truth"]["provider"], told["truth"]["kind"]) == ("no-net", "anthropic", "errors")
    assert [move["what"] for move in told["moves"]] == ["alarm", "diagnose", "act", "end"]
    assert "fallback is on, for the whole fleet" in player.output
    assert "fallback had been left off" in player.output
    assert f"drill --for 32s --seed {SEED}" in " ".join(player.output.split())
    run = json.loads((player.folder / "run.json").read_text())
    assert run["label"] == "Drill: The primary provider died, and a colleague had left fallback off"
    assert (player.folder / "report.html").exists()


def test_who_cries_wolf_and_then_does_nothing_has_no_points_and_a_spent_budget(play: Callable[..., Player]) -> None:
    player = play("--for", "16s", "--practice")
    player.wait_for(lambda: player.hidden("pending"), "the load runs")
    assert get(player.up.urls["simulator"] + "/sim/state")["plan"] == []
    player.type("alarm", "diagnose anthropic flu")
    told = player.ended()
    score = told["score"]
    assert (score["points"], score["false_alarms"], score["mitigated_s"]) == (0, 1, None)
    assert score["budget"]["bad"] > 50
    assert score["spent"] > 5
    words = " ".join(player.output.split())
    assert "so this is a false alarm" in words
    assert "'flu' is no fault; there are errors, rate_limit" in words
    assert "the first that it hurt: " in words


def test_an_interrupted_drill_leaves_nothing_broken(play: Callable[..., Player]) -> None:
    player = play("--for", "60s")
    player.wait_for(lambda: player.hidden("pending"), "the load runs")
    player.process.send_signal(signal.SIGINT)
    assert player.process.wait(BOUND_S) == 130
    player.assert_tidy()
    assert not (player.folder / "drill.json").exists()


def test_no_drill_against_real_providers_whatever_may_be_spent(workbench: Up) -> None:
    class Live(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "ready", "profile": "live"}')

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Live) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        where = ("--service", url, "--simulator", url, "--collector", url)
        done = gauntlet("drill", *where, "--max-usd", "1", env=workbench.env)
        server.shutdown()
    assert done.returncode == 2
    assert "nobody can break them" in " ".join(done.stderr.split())
