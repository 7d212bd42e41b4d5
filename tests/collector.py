"""A collector as a process on a free port, for tests that look at what arrives in it. `stack.py` starts the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from .root import ROOT

START_WITHIN_S = 60
ANSWER_WITHIN_S = 30


class Collector:
    """`python -m dashboard.collector` with its data in a folder; `url` is where OTLP goes and SQL is asked."""

    def __init__(self, folder: Path, popen: subprocess.Popen[bytes], url: str) -> None:
        self.folder = folder
        self.popen = popen
        self.url = url

    @classmethod
    def start(cls, folder: Path, *flags: str, port: int = 0, wrapper: tuple[str, ...] = ()) -> Self:
        """Start one and wait until it is ready. A second start on the same folder finds what the first one kept."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [*wrapper, sys.executable, "-m", "dashboard.collector", "--port", str(port), "--data", str(folder)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GAUNTLET_")}
        with cls.log_in(folder).open("ab") as log:
            popen = subprocess.Popen(
                [*command, *flags],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert popen.stdout is not None
        with popen.stdout:
            line = popen.stdout.readline()
        if not line:
            popen.wait(START_WITHIN_S)
            raise AssertionError(f"the collector ended before it was ready:\n{cls.log_in(folder).read_text()[-3000:]}")
        return cls(folder, popen, json.loads(line)["url"])

    @staticmethod
    def log_in(folder: Path) -> Path:
        """Where it writes what it has to say."""
        return folder / "collector.log"

    @property
    def log(self) -> str:
        """What it had to say."""
        return self.log_in(self.folder).read_text()

    def sql(self, query: str) -> list[dict[str, Any]]:
        """The rows of one SELECT, as dictionaries; fails with the collector's words when it is refused."""
        status, answer = self.post("/sql", {"sql": query})
        assert status == 200, answer["detail"]
        names = [column["name"] for column in answer["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer["rows"]]

    def post(self, path: str, value: Any) -> tuple[int, Any]:
        """Status and JSON of a POST with JSON."""
        return self.request("POST", path, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a GET."""
        return self.request("GET", path)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of any request."""
        try:
            return 200, json.loads(self.raw(method, path, body, headers))
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def raw(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        """The body of an answer that is no refusal. Raises HTTPError for one that is."""
        asked = urllib.request.Request(self.url + path, body, headers or {}, method=method)  # noqa: S310 - our own URL
        with urllib.request.urlopen(asked, timeout=ANSWER_WITHIN_S) as response:  # noqa: S310
            answer: bytes = response.read()
            return answer

    def kill(self) -> None:
        """kill -9."""
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> None:
        """SIGSTOP: it hangs."""
        self.popen.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self.popen.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """End it in order, and by force when it does not; returns the exit code. Does nothing when it has ended."""
        if self.popen.poll() is None:
            self.go_on()
            self.popen.terminate()
            try:
                self.popen.wait(START_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.popen.wait()
