"""The proof of concept in both forms: real processes between us and the simulator, judged by its ledger."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import psutil
import pytest

from loadtests.poc.__main__ import main
from loadtests.simulator import Simulator

from .simulator.lab import QUESTION, ROOT, Lab

FORMS = ("sync", "blocking")
READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 3.0


class Proof:
    """`python -m loadtests.poc` on a free port; ended by its id."""

    def __init__(self, *words: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "loadtests.poc", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def ready(self) -> str:
        """Wait for the ready line and return the URL."""
        assert self.child.stdout is not None
        line = json.loads(self.child.stdout.readline())
        assert (line["ready"], line["pid"]) == (True, self.child.pid)
        url: str = line["url"]
        return url

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.child.pid).children(recursive=True)

    def end(self, signum: int = signal.SIGTERM) -> float:
        """Send a signal, wait for the end, return how long that took in seconds."""
        began = time.monotonic()
        self.child.send_signal(signum)
        self.child.communicate(timeout=20)
        return time.monotonic() - began


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Simulator(seed=7) as simulator, Lab(simulator.ports) as lab:
        yield lab


@pytest.fixture
def start(lab: Lab) -> Iterator[Callable[..., Proof]]:
    """Start one against the simulator; ended with the test."""
    started: list[Proof] = []

    def start(form: str, *words: str) -> Proof:
        started.append(Proof(form, "--upstream", lab.url("anthropic"), "--port", "0", *words))
        return started[-1]

    yield start
    for proof in started:
        if proof.child.poll() is None:
            proof.end()


async def ready(proof: Proof) -> str:
    async with asyncio.timeout(READY_WITHIN_S):
        return await asyncio.to_thread(proof.ready)


async def ask(url: str, path: str = "/chat", **headers: str) -> tuple[int, str, Any]:
    """Ask on a connection of its own; return status, content type and document (text when it is no JSON)."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(url + path, json={"text": QUESTION, "thread_id": "t"}, headers=headers) as answer,
    ):
        text = await answer.text()
        return answer.status, answer.content_type, json.loads(text) if answer.content_type.endswith("json") else text


@pytest.mark.parametrize("form", FORMS)
async def test_it_answers_in_the_services_shape_and_the_ledger_knows_the_callers_id(
    lab: Lab, start: Callable[..., Proof], form: str
) -> None:
    url, given = await ready(start(form, "--workers", "1")), str(uuid.uuid4())
    status, _, answer = await ask(url, **{"X-Request-ID": given, "Authorization": "Bearer demo-alice"})
    row = await lab.row()
    assert status == 200
    assert answer.pop("answer").startswith("Retries need jitter because")
    assert answer == {
        "thread_id": None,
        "source": "live",
        "degraded": [],
        "provider": "anthropic",
        "model": row["model"],
        "usage": {"input_tokens": row["input_tokens"], "output_tokens": row["output_tokens"]},
        "cost_usd": None,
        "ignored": [],
        "request_id": given,
    }
    assert (row["request_id"], row["attempt"], row["stream"]) == (given, 1, False)
    async with lab.http.get(f"{url}/ready") as there:
        assert (await there.json())["profile"] == "workbench"
    async with lab.http.get(f"{url}/health") as there:
        assert there.status == 200
    assert (await ask(url, "/refund"))[0] == 404
    assert uuid.UUID((await ask(url, **{"X-Request-ID": "no uuid"}))[2]["request_id"])
    await _its_stream_comes_at_the_end(lab, url)


async def _its_stream_comes_at_the_end(lab: Lab, url: str) -> None:
    await lab.latency("anthropic", first_token_ms=100, per_token_ms=5)
    began = time.monotonic()
    async with lab.http.post(f"{url}/chat/stream", json={"text": QUESTION}) as answer:
        assert answer.content_type == "text/event-stream"
        first_s = time.monotonic() - began
        blocks = (await answer.text()).strip().split("\n\n")
    row = (await lab.rows(3))[-1]
    assert first_s >= row["duration_s"] >= 0.1 + 0.005 * (row["output_tokens"] - 1) - 0.003
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    assert [event["event"] for event in events] == ["delta", "done"]
    delta, done = (json.loads(event["data"]) for event in events)
    assert done["answer"] == delta["text"]
    assert done["source"] == "live"


async def test_the_sdks_own_retries_are_counted_in_the_ledger_and_can_be_turned_off(
    lab: Lab, start: Callable[..., Proof]
) -> None:
    patient, hasty = start("sync"), start("sync", "--max-retries", "0")
    await lab.fault("anthropic", "status", times=4, params={"status": 503, "retry_after_ms": 1})
    given = str(uuid.uuid4())
    plain = (500, "text/plain", "Internal Server Error")
    assert await ask(await ready(hasty)) == plain
    url = await ready(patient)
    assert await ask(url, **{"X-Request-ID": given}) == plain
    assert (await ask(url))[0] == 200
    rows = await lab.rows(5)
    assert [row["attempt"] for row in rows] == [1, 1, 2, 3, 1]
    assert [row["request_id"] for row in rows[1:4]] == [given] * 3


async def test_the_time_limit_is_the_sdks_unless_it_is_given(lab: Lab, start: Callable[..., Proof]) -> None:
    url = await ready(start("sync", "--timeout-s", "0.2", "--max-retries", "0"))
    await lab.fault("anthropic", "hang")
    async with asyncio.timeout(20):
        assert (await ask(url))[0] == 500


def most_at_once(rows: list[dict[str, Any]]) -> int:
    changes = sorted(change for row in rows for change in ((row["t"], 1), (row["t"] + row["duration_s"], -1)))
    return max(sum(step for _, step in changes[: n + 1]) for n in range(len(changes)))


async def test_the_sync_form_makes_as_many_calls_at_once_as_it_has_threads(
    lab: Lab, start: Callable[..., Proof]
) -> None:
    most = 4
    url = await ready(start("sync"))
    await lab.latency("anthropic", first_token_ms=150)
    answers = await asyncio.gather(*(ask(url) for _ in range(3 * most)))
    assert {status for status, _, _ in answers} == {200}
    assert most_at_once(await lab.rows(3 * most)) == most


async def test_a_blocked_process_answers_nobody_else_and_a_pool_of_threads_does(
    lab: Lab, start: Callable[..., Proof]
) -> None:
    proofs = {form: start(form, "--workers", "1") for form in FORMS}
    await lab.fault("anthropic", "hang")
    heard = {}
    for n, (form, proof) in enumerate(proofs.items(), 1):
        url = await ready(proof)
        asking = asyncio.create_task(ask(url))
        await lab.pending(n)
        try:
            async with lab.http.get(f"{url}/health", timeout=aiohttp.ClientTimeout(1)) as answer:
                heard[form] = answer.status == 200
        except TimeoutError:
            heard[form] = False
        asking.cancel()
    assert heard == {"sync": True, "blocking": False}


async def test_the_blocking_form_has_processes_that_each_make_one_call_at_a_time(
    lab: Lab, start: Callable[..., Proof]
) -> None:
    url = await ready(start("blocking", "--workers", "2"))
    await lab.latency("anthropic", first_token_ms=100)
    await asyncio.gather(*(ask(url) for _ in range(16)))
    assert most_at_once(await lab.rows(16)) == 2


@pytest.mark.alone
@pytest.mark.parametrize(("form", "signum"), [("sync", signal.SIGTERM), ("blocking", signal.SIGINT)])
async def test_it_ends_at_once_with_calls_under_way(
    lab: Lab, start: Callable[..., Proof], form: str, signum: signal.Signals
) -> None:
    proof = start(form, "--workers", "2")
    url = await ready(proof)
    await lab.fault("anthropic", "hang")
    calls = [asyncio.create_task(ask(url)) for _ in range(8)]
    await lab.pending(2)
    family = proof.family()
    took_s = await asyncio.to_thread(proof.end, signum)
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(end, aiohttp.ClientError) for end in ends)
    assert took_s < ENDS_WITHIN_S
    assert proof.child.returncode == 0
    assert len(family) >= (2 if form == "blocking" else 1)
    assert psutil.wait_procs(family, timeout=ENDS_WITHIN_S)[1] == []


async def test_no_process_outlives_a_parent_that_was_killed(lab: Lab, start: Callable[..., Proof]) -> None:
    proof = start("blocking", "--workers", "2")
    url = await ready(proof)
    await lab.fault("anthropic", "hang")
    asking = asyncio.create_task(ask(url))
    await lab.pending(1)
    family = proof.family()
    await asyncio.to_thread(proof.end, signal.SIGKILL)
    assert psutil.wait_procs(family, timeout=ENDS_WITHIN_S)[1] == []
    with pytest.raises(aiohttp.ClientError):
        await asking


async def test_a_process_that_dies_ends_the_whole_with_status_1(lab: Lab, start: Callable[..., Proof]) -> None:
    proof = start("blocking", "--workers", "2")
    url = await ready(proof)
    port = int(url.rsplit(":", 1)[1])
    workers = [
        process
        for process in proof.family()
        if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in process.net_connections("tcp"))
    ]
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    _, said = await asyncio.to_thread(proof.child.communicate, timeout=20)
    assert proof.child.returncode == 1
    assert "ended by itself" in said


def test_a_taken_port_is_named_and_the_exit_code_is_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proof = Proof("sync", "--upstream", "http://127.0.0.1:9", "--port", str(port))
        out, err = proof.child.communicate(timeout=20)
    assert (proof.child.returncode, out) == (2, "")
    assert f"127.0.0.1:{port} is taken" in err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--workers", "0", "at least 1"),
        ("--timeout-s", "nan", "above 0"),
        ("--timeout-s", "0", "above 0"),
        ("--max-retries", "-1", "at least 0"),
        ("--port", "70000", "65535"),
    ],
)
def test_a_wrong_option_is_named(option: str, value: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["sync", "--upstream", "http://127.0.0.1:9", option, value])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert option in said
    assert says in said
