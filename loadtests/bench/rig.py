"""The rig: every process of a run, pinned, and the one way to measure a load.

The process under test has a CPU to itself; load generator, upstream and Valkey share the others.

Read `paired.py` next: the benchmarks that compare subjects in rounds.
"""

import asyncio
import os
import resource
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from loadtests.bench import load
from loadtests.bench.load import Outcome, Plan
from loadtests.bench.processes import DidNotStartError, Process, pin, split_cpus
from loadtests.bench.report import Book, Figures
from loadtests.bench.retrieval.stage import simulator
from loadtests.bench.store import Store
from loadtests.bench.subjects import UPSTREAM, Needs, Subject, WrongAnswerError, check, request


def raise_open_files() -> int:
    """Raise the soft limit of open files to the hard one, for this process and its children, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Upstream:
    """The fake provider's control, over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set_delay(self, delay_ms: float) -> None:
        """Answer after this many ms from now on, and start the counts anew."""
        request(f"{self.url}/control", "PUT", {"delay_ms": delay_ms})

    def counts(self) -> tuple[int, int]:
        """Requests, and most in flight at once, since the delay was set."""
        _, counts = request(f"{self.url}/control")
        return counts["requests"], counts["most_in_flight"]


@dataclass(frozen=True, slots=True)
class Server:
    """A subject that runs and answers right; `url` is where its questions go."""

    subject: Subject
    process: Process
    url: str

    @property
    def base_url(self) -> str:
        """The URL without the question's path."""
        return self.url.removesuffix(self.subject.path)

    def plan(self, connections: int, seconds: float | None = None, requests_each: int | None = None) -> Plan:
        """Questions that were never asked before, from so many connections."""
        return Plan(
            url=self.url,
            bodies=load.unique_bodies(),
            connections=connections,
            headers=self.subject.headers,
            seconds=seconds,
            requests_each=requests_each,
            marker=self.subject.marker,
        )


class Rig:
    """Starts what a run needs and, as a context manager, ends all of it whatever happens."""

    def __init__(self, logs: Path, book: Book) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs, self._book = logs, book
        self._processes: list[Process] = []
        self._subject_cpus, self._tool_cpus = split_cpus()
        self.store = Store(self._tool_cpus, logs)
        self._collector_url = ""
        self._silent = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._scratch = tempfile.TemporaryDirectory(prefix="gauntlet-bench-")

    def __enter__(self) -> "Rig":
        self.open_files = raise_open_files()
        pin(os.getpid(), self._tool_cpus)
        try:
            self.store.start()
            self._collector_url = self._start_collector()
            process = self._start(UPSTREAM, "", self._tool_cpus)
            self.direct = Server(UPSTREAM, process, process.wait_ready()["url"] + UPSTREAM.path)
            self.upstream = Upstream(self.direct.base_url)
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_all()

    def _end_all(self) -> None:
        for process in reversed(self._processes):
            process.end()
        self.store.close()
        self._scratch.cleanup()
        self._silent.close()
        pin(os.getpid(), self._subject_cpus + self._tool_cpus)

    def _start_collector(self) -> str:
        """Where the service tells what happens: its own collector, as in the workbench."""
        command = [sys.executable, "-m", "dashboard.collector", "--port", "0", "--data", self._scratch.name]
        process = Process("collector", command, {}, self._tool_cpus, self._logs)
        self._processes.append(process)
        return str(process.wait_ready()["url"])

    def _start(self, subject: Subject, upstream_url: str, cpus: Sequence[int]) -> Process:
        silent = f"http://127.0.0.1:{self._silent.getsockname()[1]}"
        environment = subject.environment(Needs(upstream_url, self.store.url, self._collector_url, silent))
        process = Process(subject.name, subject.command(upstream_url), environment, cpus, self._logs)
        self._processes.append(process)
        return process

    def _checked(self, subject: Subject, process: Process) -> Server:
        server = Server(subject, process, process.wait_ready()["url"] + subject.path)
        self.upstream.set_delay(0)
        check(subject, server.base_url, lambda: self.upstream.counts()[0])
        return server

    def simulator(self) -> AbstractContextManager[Mapping[str, int]]:
        """The real simulator beside the tools; its ports by house."""
        return simulator(self._tool_cpus, self._logs)

    @asynccontextmanager
    async def serving(self, benchmark: str, *subjects: Subject) -> AsyncIterator[list[Server]]:
        """Start these subjects and check their answers; end them afterwards.

        A subject that does not start or answers wrongly is noted as a failure of the benchmark and left out.
        """
        count = len(self._processes)
        servers = []
        try:
            for subject in subjects:
                process = self._start(subject, self.upstream.url, self._subject_cpus)
                try:
                    # In a thread, so that an interrupt is obeyed at once: ending the process ends the wait.
                    servers.append(await asyncio.to_thread(self._checked, subject, process))
                except (DidNotStartError, WrongAnswerError, OSError) as error:
                    self._book.fail(benchmark, subject.name, str(error))
            yield servers
        finally:
            while len(self._processes) > count:
                self._processes.pop().end()

    async def measure(self, server: Server, plan: Plan) -> tuple[Outcome, Figures]:
        """Run a plan: its outcome, and the figures of a table's row.

        `cpu_us` is user and system time of the server's processes for each answered request; `steal_pct` is the share
        of all CPUs that the machine gave to others meanwhile, a sign of noise.
        """
        cpu_s, steal_s = server.process.cpu_s(), _steal_s()
        outcome = await load.run(plan)
        cpu_s, steal_s = server.process.cpu_s() - cpu_s, _steal_s() - steal_s
        figures = {
            "sent": float(outcome.sent),
            "failed_pct": 100 * outcome.failed_share,
            "req_per_s": outcome.requests_per_s,
            "cpu_us": 1e6 * cpu_s / max(outcome.ok, 1),
            "p50_ms": outcome.percentile_ms(0.50),
            "p90_ms": outcome.percentile_ms(0.90),
            "p99_ms": outcome.percentile_ms(0.99),
            "max_ms": outcome.percentile_ms(1),
            "wall_s": outcome.wall_s,
            "steal_pct": 100 * steal_s / (outcome.wall_s * (os.cpu_count() or 1)) if outcome.wall_s else 0.0,
        }
        return outcome, figures


def _steal_s() -> float:
    return float(getattr(psutil.cpu_times(), "steal", 0.0))
