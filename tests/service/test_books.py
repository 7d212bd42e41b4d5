"""The three books of a run agree to the last call and nano-USD, whatever happened: faults of every kind, and a kill."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadtests.books import ClientBook, Places, Run, balance
from tests.mixed_run import MixedRun
from tests.settings import QUICK, ROUTES
from tests.stack import Stack
from tests.waiting import eventually

LIMITS = """
[rate_limit.user]
requests_per_min = 60000
burst = 10000
tokens_per_min = 1000000000
[rate_limit.tenant]
requests_per_min = 600000
burst = 100000
tokens_per_min = 1000000000
"""


def fault(target: str, name: str, at_s: float, for_s: float, share: float = 1.0, **params: Any) -> dict[str, Any]:
    return {"target": target, "fault": name, "at_s": at_s, "for_s": for_s, "share": share, "params": params}


INCIDENT = [
    fault("anthropic", "status", 1, 1.5, status=503),
    fault("anthropic", "status", 3, 1, 0.5, status=429, retry_after="0.3"),
    fault("anthropic", "hang", 0, 600, 0.02),
    fault("anthropic", "cut", 0, 600, 0.05),
    fault("openai", "status", 0, 600, 0.03, status=500),
    fault("openai", "cut", 0, 600, 0.05),
    fault("payments", "charge_then_drop", 0, 600, 0.2),
    fault("payments", "status", 0, 600, 0.1, status=503),
]
"""An outage, 429s, cuts, hangs, and money that moves before the connection drops."""

CATALOGUE: dict[str, dict[str, Any]] = {
    "status": {"status": 529},
    "refused": {},
    "reset": {},
    "slow_first_token": {"delay_ms": 1500},
    "slow_tokens": {"per_token_ms": 60},
    "stall": {},
    "stall_pings": {},
    "stream_error": {},
    "truncate": {},
    "malformed_chunk": {},
    "bad_body": {"kind": "truncated_json"},
}
"""What the incident has not; the other bad bodies take turns below."""


async def judged(stack: Stack, run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``gauntlet books`` says of the run; it must balance."""
    assert stack.collector is not None
    places = Places(folder, stack.collector.url, stack.sim.url)
    code = await asyncio.to_thread(balance, places, Console(width=120), run_id=run.id)
    said = capsys.readouterr().out
    assert code == 0, said
    return said


async def run_of(stack: Stack, folder: Path) -> Run:
    assert stack.collector is not None
    collector = stack.collector.url
    return await asyncio.to_thread(
        lambda: Run.begin(
            folder, seed=7, command="pytest", service=stack.url, simulator=stack.sim.url, collector=collector
        )
    )


async def plan(stack: Stack, faults: list[dict[str, Any]]) -> None:
    answer = await stack.request("PUT", f"{stack.sim.url}/sim/timeline", {"seed": 7, "faults": faults})
    assert answer.status == 200, answer.body


@pytest.mark.timeout(240)
async def test_two_thousand_requests_under_an_incident_with_a_worker_killed(
    start_stack: Callable[..., Stack], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sampling = {"GAUNTLET_TELEMETRY__ORDINARY_PER_S": "2", "GAUNTLET_TELEMETRY__NOTABLE_PER_S": "5"}
    async with start_stack(toml=QUICK + ROUTES + LIMITS, env=sampling) as stack:
        for target in ("anthropic", "openai"):
            await stack.sim.latency(target, first_token_ms=60, per_token_ms=2)
        run = await run_of(stack, tmp_path)
        await plan(stack, INCIDENT)
        with ClientBook(run.folder) as book:
            mixed = MixedRun(stack, book, seed=7, count=2000)
            load = asyncio.create_task(mixed.run())
            await eventually(lambda: _sent(mixed, 1200), "1,200 requests", within_s=120)
            os.kill(stack.workers()[0], signal.SIGKILL)
            await load
        assert sum(mixed.outcomes.values()) >= 2000
        assert {"answered", "refused", "left", "lost"} <= set(mixed.outcomes), mixed.outcomes
        await stack.sim.heal()
        run = await asyncio.to_thread(run.end)
        said = await judged(stack, run, tmp_path, capsys)
        assert "lost by the kill of" in said
        calls = await stack.sim.calls()
        assert {None, "status", "cut", "hang"} <= {call["fault"] for call in calls}
        assert len(await stack.sim.charges()) > 20


@pytest.mark.timeout(180)
async def test_every_fault_of_the_catalogue(
    start_stack: Callable[..., Stack], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with start_stack(toml=QUICK + ROUTES + LIMITS) as stack:
        faults = [
            *CATALOGUE.items(),
            *(("bad_body", {"kind": k}) for k in ("html", "empty", "missing_fields", "empty_content")),
        ]
        run = await run_of(stack, tmp_path)
        with ClientBook(run.folder) as book:
            for number, (name, params) in enumerate(faults):
                for target in ("anthropic", "openai", "payments"):
                    if target == "payments" and name in ("stall_pings", "malformed_chunk"):
                        continue
                    share = 1.0 if name == "refused" else 0.7 if target == "anthropic" else 0.3
                    more = {} if name == "refused" else {"share": share}
                    await stack.sim.fault(target, name, **more, **params)
                mixed = MixedRun(stack, book, seed=100 + number, count=40, at_once=40)
                await mixed.run()
                await stack.sim.heal()
                await stack.admin.request("POST", "/admin/breakers/reset", {})
        run = await asyncio.to_thread(run.end)
        await judged(stack, run, tmp_path, capsys)
        struck = {call["fault"] for call in await stack.sim.calls()}
        assert set(CATALOGUE) - {"refused"} <= struck


async def _sent(mixed: MixedRun, count: int) -> bool:
    return sum(mixed.outcomes.values()) >= count
