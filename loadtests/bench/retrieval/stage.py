"""The real thing to measure: the simulator at 5 ms, and the service with one worker. Read `quality.py` next."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.processes import DidNotStartError, Process
from loadtests.bench.store import Store
from loadtests.bench.subjects import request

HOUSES = ("control", "anthropic", "openai", "payments", "retrieval")
TARGETS = ("anthropic", "openai", "embeddings", "rerank")
LATENCY_MS = 5.0
READY_WITHIN_S = 60.0
POLL_S = 0.1
UNHURRIED = {
    "GAUNTLET_RETRIEVAL__EMBEDDINGS__TIMEOUT_S": "5",
    "GAUNTLET_RETRIEVAL__RERANK__TIMEOUT_S": "5",
}
"""Where it is not time that is measured, a busy machine must not turn a search into a lesser one."""
ADMIN = {"authorization": "Bearer demo-admin"}


@contextmanager
def simulator(cpus: Sequence[int], logs: Path) -> Iterator[Mapping[str, int]]:
    """A simulator whose calls take `LATENCY_MS`; its ports by house."""
    words = [word for house in HOUSES for word in (f"--{house}-port", "0")]
    process = Process("simulator", [sys.executable, "-m", "loadtests.simulator", *words], {}, cpus, logs)
    try:
        ports: Mapping[str, int] = process.wait_ready()["ports"]
        for target in TARGETS:
            pace = {"target": target, "first_token_ms": LATENCY_MS, "per_token_ms": 0, "sigma": 0}
            status, said = request(f"http://127.0.0.1:{ports['control']}/sim/latency", "PUT", pace)
            if status >= 300:
                raise DidNotStartError(f"the simulator took no latency for {target}: {status} {said}")
        yield ports
    finally:
        process.end()


def environment(ports: Mapping[str, int]) -> dict[str, str]:
    """Where the service finds the simulator."""
    search = f"http://127.0.0.1:{ports['retrieval']}/v1"
    return {
        "GAUNTLET_PROVIDERS__ANTHROPIC__BASE_URL": f"http://127.0.0.1:{ports['anthropic']}",
        "GAUNTLET_PROVIDERS__OPENAI__BASE_URL": f"http://127.0.0.1:{ports['openai']}/v1",
        "GAUNTLET_RETRIEVAL__EMBEDDINGS__BASE_URL": search,
        "GAUNTLET_RETRIEVAL__RERANK__BASE_URL": search,
    }


@dataclass(frozen=True, slots=True)
class Stage:
    """A service that is ready to search."""

    url: str


@contextmanager
def stage(logs: Path) -> Iterator[Stage]:
    """All that a search needs, on free ports; ended whatever happens. Raises DidNotStartError."""
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ended:
        store = Store((), logs)
        ended.callback(store.close)
        store.start()
        ports = ended.enter_context(simulator((), logs))
        command = [sys.executable, "-m", "service", "--host", "127.0.0.1", "--port", "0", "--workers", "1"]
        told = {"GAUNTLET_PROFILE": "bench", "REDIS_URL": store.url, "OTEL_SDK_DISABLED": "true", **UNHURRIED}
        service = Process("service", command, {**told, **environment(ports)}, (), logs)
        ended.callback(service.end)
        url = service.wait_ready()["url"]
        until_ready(url)
        yield Stage(url)


def look(url: str, query: str) -> object:
    """What a search by every means says. Raises OSError."""
    _, said = request(f"{url}/retrieve", "POST", {"query": query}, ADMIN)
    return said


def until_ready(url: str) -> None:
    """Wait until the service at `url` finds passages by every means. Raises DidNotStartError."""
    end_s = time.monotonic() + READY_WITHIN_S
    said: object = None
    while time.monotonic() < end_s:
        try:
            said = look(url, "what is full jitter?")
        except OSError as error:
            said = str(error)
        if isinstance(said, dict) and said.get("mode") == "hybrid+rerank" and not said["degraded"]:
            return
        time.sleep(POLL_S)
    raise DidNotStartError(f"the service could not search within {READY_WITHIN_S:g} s: {json.dumps(said)[:300]}")
