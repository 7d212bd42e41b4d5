"""Five hundred jobs while workers are killed at random: all done, each effect once, each told, the books exact."""

import asyncio
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from rich.console import Console

from loadtests.books import ClientBook, Entry, Places, Run, balance
from service.own_work import request_id
from service.tracks.analysis import steps_of

from ..answer import Answer
from ..caller import Caller
from ..settings import QUICK, ROUTES
from ..stack import Stack
from ..waiting import eventually
from .jobs import document, nothing_kept

JOBS = 500
CALLERS = 50
WORKERS = 3
PARTS = 3
STEPS = ["map/1", "map/2", "map/3", "reduce/1/1"]
MODELS = ("anthropic", "openai")
AT_ONCE = 20
KILL_EVERY_S = (2.0, 4.0)
WRITTEN_WITHIN_S = 1.5
"""A step that was answered this long before its worker's death has been written down, on a busy machine too."""
SEED = 7
WITHIN_S = 150.0
REDELIVER_S = 2.0
TOML = f"""{QUICK}
[queue]
redeliver_s = {REDELIVER_S}
[jobs]
part_tokens = 60
base_s = 0.2
cap_s = 0.5
sweep_s = 1
[rate_limit.user]
requests_per_min = 100000
burst = 10000
tokens_per_min = 100000000
[rate_limit.tenant]
requests_per_min = 1000000
burst = 100000
tokens_per_min = 1000000000
{ROUTES}"""
PAUSE_S = 0.25
KILLS, LAST = 5, 100
"""So many kills at least; where the jobs are done sooner, so many of them wait for that."""


class Storm:
    """The jobs, who sends them, and who kills."""

    def __init__(self, stack: Stack, book: ClientBook) -> None:
        self.stack = stack
        self.book = book
        self.ended: dict[str, dict[str, Any]] = {}
        self.kills: list[float] = []
        self._enough = asyncio.Event()
        self._random = random.Random(SEED)  # noqa: S311 - a seeded storm, no secret

    async def rage(self) -> None:
        """Send all jobs, kill until the last has ended."""
        killing = asyncio.create_task(self._kill())
        numbers = iter(range(JOBS))
        callers = [self.stack.caller(f"storm{n % 5}", f"user{n}") for n in range(CALLERS)]
        try:
            await asyncio.wait_for(asyncio.gather(*(self._send(numbers, callers) for _ in range(AT_ONCE))), WITHIN_S)
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)

    async def _send(self, numbers: Any, callers: list[Caller]) -> None:
        for number in numbers:
            if number >= JOBS - LAST:
                await self._enough.wait()
            caller = callers[number % CALLERS]
            body = {"text": document(PARTS), "webhook_url": self.stack.sim.receiver}
            accepted = await self._ask(caller, "POST", "/jobs", body, key=f"storm-{number}")
            assert accepted.status == 202, accepted.body
            job_id = accepted.json()["job_id"]
            while True:
                told = (await self._ask(caller, "GET", f"/jobs/{job_id}")).json()
                if told["status"] in ("completed", "failed", "cancelled"):
                    break
                await asyncio.sleep(PAUSE_S)
            self.ended[job_id] = told

    async def _ask(self, caller: Caller, method: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        """A request that is in the client's book."""
        name, t, begun = str(uuid.uuid4()), time.time(), time.monotonic()
        headers = {"X-Request-ID": name, **({"Idempotency-Key": key} if key else {})}
        answer = await caller.request(method, path, body, headers=headers)
        entry = Entry(
            request_id=name,
            t=t,
            duration_ms=(time.monotonic() - begun) * 1000,
            endpoint=path,
            stream=False,
            status=answer.status,
            outcome="answered" if answer.status < 400 else "refused" if answer.status < 500 else "failed",
            worker=answer.worker,
            key=key,
        )
        self.book.write(entry)
        return answer

    async def _kill(self) -> None:
        """Its keeper forks the next one at once."""
        while True:
            await asyncio.sleep(self._random.uniform(*KILL_EVERY_S))
            self._random.choice(self.stack.work).kill()
            self.kills.append(time.time())
            if len(self.kills) >= KILLS:
                self._enough.set()


@pytest.mark.alone
@pytest.mark.timeout(300)
async def test_five_hundred_jobs_while_workers_are_killed(
    start_stack: Callable[..., Stack], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(STEPS) == steps_of(PARTS)
    async with start_stack(toml=TOML, worker=WORKERS) as stack:
        assert stack.collector is not None
        await stack.reset()
        await stack.sim.latency("anthropic", first_token_ms=40, per_token_ms=1)
        run = await asyncio.to_thread(
            lambda: Run.begin(
                tmp_path,
                seed=SEED,
                command="pytest",
                service=stack.url,
                simulator=stack.sim.url,
                collector=stack.collector.url if stack.collector else "",
            )
        )
        with ClientBook(run.folder) as book:
            storm = Storm(stack, book)
            await storm.rage()
        assert len(storm.kills) >= KILLS
        assert len(storm.ended) == JOBS
        assert {told["status"] for told in storm.ended.values()} == {"completed"}
        assert max(told["attempts"] for told in storm.ended.values()) > 1, "no kill met a job"
        await _webhooks(stack, set(storm.ended))
        _paid_once(storm, await stack.sim.calls())
        run = await asyncio.to_thread(run.end)
        places = Places(tmp_path, stack.collector.url, stack.sim.url)
        code = await asyncio.to_thread(balance, places, Console(width=120), run_id=run.id)
        said = capsys.readouterr().out
        assert code == 0, said
        assert "lost by the kill of" in said
        async with Redis.from_url(stack.valkey.url) as redis:
            await nothing_kept(redis, within_s=30)  # a killed try's claim ends after some seconds


async def _webhooks(stack: Stack, jobs: set[str]) -> None:
    """Each job's end was told, verified, under one id."""

    async def all_told() -> bool:
        return {row["subject_id"] for row in await stack.sim.webhooks() if row["verified"]} >= jobs

    await eventually(all_told, "every job's webhook", within_s=30)
    ids = defaultdict(set)
    for row in await stack.sim.webhooks():
        assert row["verified"], row
        assert row["event"] == "job.completed"
        ids[row["subject_id"]].add(row["message_id"])
    assert set(ids) == jobs
    assert {len(found) for found in ids.values()} == {1}


def _paid_once(storm: Storm, calls: list[dict[str, Any]]) -> None:
    """A step that was paid again was under way, or just not yet written down, when its worker was killed."""
    paid = defaultdict(list)
    for row in calls:
        if row["target"] in MODELS and row["status"] == 200 and row["completed"]:
            paid[row["request_id"]].append(row["t"] + row["duration_s"])
    known: set[str] = set()
    for job_id, told in storm.ended.items():
        for step in STEPS:
            names = [request_id(f"{job_id}/{step}", number) for number in range(1, told["attempts"] + 1)]
            known.update(names)
            ends = sorted(end for name in names for end in paid[name])
            assert ends, f"{job_id}/{step} was never answered"
            for end in ends[:-1]:
                assert any(end - WRITTEN_WITHIN_S / 2 <= kill <= end + WRITTEN_WITHIN_S for kill in storm.kills), (
                    f"{job_id}/{step} was paid at {end} and again, and nobody was killed then: {storm.kills}"
                )
    assert {name for name, ends in paid.items() if ends} <= known
