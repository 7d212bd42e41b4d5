"""Two pupils on one store, the simulator that they call, and what an audit must know of them."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadtests.audit import Options, Report, Shape, audit
from loadtests.books import wire
from tests.process import Process
from tests.valkey import Valkey

PORTS = ("control", "anthropic", "openai", "payments", "retrieval", "webhooks")
PATIENT = {"answer_within_s": 10, "linger_s": 0.3, "at_once": 40, "wait_s": 1.0}
HASTY = {"answer_within_s": 10, "settle_s": 0.6, "linger_s": 0.3, "at_once": 6, "wait_s": 0.25}
"""For what shall be refuted: it need not be waited for."""


@dataclass(frozen=True)
class School:
    """The processes; `described` is an audit.toml in which nothing is as our own service has it."""

    folder: Path
    valkey: Valkey
    simulator: str
    urls: Sequence[str]

    @property
    def described(self) -> dict[str, Any]:
        """Everything that can be known."""
        find = {"url": "{service}/find?of={value}"}
        cached = r'pupil_answers_total\{cache="hit"\} (\d+)'
        return {
            "service": self.urls[0],
            "replicas": self.urls[1:],
            "simulator": self.simulator,
            "profile": "workbench",
            "health": "/livez",
            "ready": "/readyz",
            "chat": {
                "path": "/v1/ask",
                "question": "prompt.text",
                "answer": "reply.text",
                "thread_sent": "conversation",
                "thread_told": "conversation",
                "request_id_header": "X-Trace",
                "worker_header": "",
            },
            "keys": {"header": "X-Api-Key", "value": "{key}", "template": "key-{run}-{user}"},
            "refund": {"path": "/pay", "body": {"order": "order_1"}, "amount": "sum.cents"},
            "providers": {"targets": ["anthropic", "openai"], "reset": ""},
            "hit_rate": {
                "source": {"url": "{service}/metrics"},
                "hits": {"regex": cached},
                "asked": {"regex": r"pupil_answers_total\{.*\} (\d+)"},
            },
            "search": {"by_request": find, "by_user": find, "pseudonym_key": ""},
            "logs": [{"files": [str(self.folder / "pupil*.jsonl")]}],
            "store": {"url": self.valkey.url, "sessions": ["session:*"], "pid": self.valkey.pid},
            "bounds": PATIENT,
        }

    def told(self, *flaws: str, deadline_s: float = 2.0) -> None:
        """Have these flaws from now on, and no others."""
        for url in self.urls:
            wire.ask("the pupil", url, "PUT", "/flaws", {"flaws": flaws, "deadline_s": deadline_s})


def audited(described: dict[str, Any], *only: int) -> Report:
    """The report of an audit."""
    return asyncio.run(audit(Shape.model_validate(described), Options(only=only)))


def changed(described: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The same with one line different."""
    first, _, rest = path.partition(".")
    return {**described, first: changed(described.get(first, {}), rest, value) if rest else value}


@pytest.fixture(scope="package")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """Without flaws, until it is told."""
    folder = tmp_path_factory.mktemp("school")
    with ExitStack() as started:
        valkey = Valkey(folder)
        started.callback(valkey.end)
        flags = itertools.chain.from_iterable((f"--{name}-port", "0") for name in PORTS)
        simulator = Process("simulator", [sys.executable, "-m", "loadtests.simulator", *flags], {}, folder)
        started.callback(simulator.end)
        ports = simulator.ready()["ports"]
        control = f"http://127.0.0.1:{ports['control']}"
        for target in ("anthropic", "openai", "payments"):
            latency = {"target": target, "first_token_ms": 5, "per_token_ms": 0, "sigma": 0}
            wire.ask("the simulator", control, "PUT", "/sim/latency", latency)
        base = {name: f"http://127.0.0.1:{ports[name]}" for name in ("anthropic", "payments")}
        places = {**base, "openai": f"http://127.0.0.1:{ports['openai']}/v1", "redis": valkey.url}
        pupils = []
        for number in range(2):
            given = {**places, "log": str(folder / f"pupil{number}.jsonl")}
            words = itertools.chain.from_iterable((f"--{name}", value) for name, value in given.items())
            command = [sys.executable, "-m", "tests.loadtests.audit.pupil", *words]
            pupils.append(Process(f"pupil{number}", command, {}, folder))
            started.callback(pupils[-1].end)
        yield School(folder, valkey, control, [str(pupil.ready()["url"]) for pupil in pupils])


@pytest.fixture
def pupil(school: School) -> Iterator[School]:
    """The school, without flaws before and after."""
    school.told()
    yield school
    school.told()
