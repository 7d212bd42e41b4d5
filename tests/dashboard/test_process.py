"""The dashboard as a process: it says when it serves, ends when asked, and says what is in the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.dashboard.conftest import NOWHERE

COMMAND = [sys.executable, "-m", "dashboard"]
ENDS_WITHIN_S = 30


class Dashboard:
    """A dashboard whose backends are all away."""

    def __init__(self, folder: Path, *flags: str) -> None:
        urls = [part for name in ("collector", "service", "simulator") for part in (f"--{name}", NOWHERE)]
        self.log = folder / "dashboard.log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [*COMMAND, "--port", "0", "--runs", str(folder / "runs"), *urls, *flags],
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, self.log.read_text()
        self.ready: dict[str, Any] = json.loads(line)

    def end(self) -> int:
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        self.popen.terminate()
        return self.popen.wait(ENDS_WITHIN_S)


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    started = Dashboard(tmp_path)
    yield started
    if started.popen.poll() is None:
        started.popen.send_signal(signal.SIGKILL)
        started.popen.wait()
    assert started.popen.stdout is not None
    started.popen.stdout.close()


def test_it_says_where_it_serves_and_ends_in_order(dashboard: Dashboard) -> None:
    assert dashboard.ready["ready"] is True
    assert dashboard.ready["pid"] == dashboard.popen.pid
    assert dashboard.ready["url"].startswith("http://127.0.0.1:")
    with urllib.request.urlopen(f"{dashboard.ready['url']}/_stcore/health", timeout=30) as response:  # noqa: S310 - our own
        assert response.read() == b"ok"
    assert dashboard.end() == 0


def test_a_port_that_is_held_is_said_with_what_to_do() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run([*COMMAND, "--port", str(port)], capture_output=True, text=True, timeout=ENDS_WITHIN_S)
    assert done.returncode == 2
    assert f"{port} is taken" in done.stderr
    assert "GAUNTLET_DASHBOARD_PORT" in done.stderr


@pytest.mark.parametrize("flags", [["--port", "70000"], ["--port", "x"], ["--nonsense"]])
def test_a_wrong_argument_is_refused(flags: list[str]) -> None:
    done = subprocess.run([*COMMAND, *flags], capture_output=True, text=True, timeout=ENDS_WITHIN_S)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_the_environment_is_the_default_of_the_flags() -> None:
    environment = {**os.environ, "GAUNTLET_COLLECTOR_URL": "http://127.0.0.1:1234/", "GAUNTLET_SERVICE_URL": ""}
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=ENDS_WITHIN_S, env=environment)
    assert "http://127.0.0.1:1234" in done.stdout
    assert "http://127.0.0.1:8000" in done.stdout


@pytest.mark.parametrize(
    ("host", "origin", "is_let_in"),
    [
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}", True),
        ("localhost:{port}", "http://localhost:{port}", True),
        ("127.0.0.1:{port}", "http://evil.example", False),
        ("evil.example:{port}", "http://evil.example:{port}", False),
    ],
)
async def test_only_pages_of_our_own_may_turn_things(
    dashboard: Dashboard, host: str, origin: str, is_let_in: bool
) -> None:
    """A page of another site, or one whose name was pointed at us (DNS rebinding), gets no socket."""
    url = dashboard.ready["url"]
    port = url.rsplit(":", 1)[1]
    headers = {"Host": host.format(port=port), "Origin": origin.format(port=port)}
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(f"{url}/_stcore/stream", protocols=["streamlit"], headers=headers):
                got_in = True
        except aiohttp.WSServerHandshakeError:
            got_in = False
    assert got_in is is_let_in
