"""What the tests of the agent share: asking, deciding, waiting for a run, and workers that die where they are told."""

import hashlib
import sys
import uuid
from pathlib import Path
from typing import Any

from service.tracks.agent_record import charge_key

from ..answer import Answer
from ..caller import Caller
from ..process import Process
from ..settings import QUICK, ROUTES
from ..stack import Stack
from ..waiting import eventually

REDELIVER_S = 1.5
AGENT = f"""
[queue]
redeliver_s = {REDELIVER_S}
[agent]
lease_s = 0.9
retry_s = 0.2
"""
LOOK_EVERY_S = 0.2
"""Where many runs are followed at once, so that looking at them is not the load."""
ENDED = frozenset({"completed", "failed", "rejected"})
BELOW, ABOVE = "1002", "1003"
"""Orders of each caller below and above the limit: 49.99 and 129.00 USD."""


def settings(more: str = "") -> str:
    return QUICK + ROUTES + AGENT + more


def checkpoints(folder: Path) -> dict[str, str]:
    """The environment that puts a stack's checkpoints into its folder."""
    return {"GAUNTLET_AGENT__CHECKPOINTS": f"sqlite:{folder / 'agent' / 'checkpoints.sqlite'}"}


def run_id_of(caller: Caller, idempotency: str) -> str:
    """The id that a run with this Idempotency-Key will have."""
    _, tenant, user = caller.key.split("-")
    return f"run_{hashlib.sha256(f'{tenant}{chr(0)}{user}{chr(0)}{idempotency}'.encode()).hexdigest()[:32]}"


async def ask(caller: Caller, text: str, *, idempotency: str | None = None, **more: Any) -> str:
    """A run with these words; its id."""
    headers = {"Idempotency-Key": idempotency or uuid.uuid4().hex}
    answer = await caller.request("POST", "/agent", {"text": text, **more}, headers=headers)
    assert answer.status == 202, answer.body
    run_id: str = answer.json()["run_id"]
    assert answer.headers["location"] == f"/agent/{run_id}"
    return run_id


async def begin(caller: Caller, order: str, **more: Any) -> str:
    """A run that asks for the refund of an order; its id."""
    return await ask(caller, f"Please refund order {order} because it is broken.", **more)


async def decide(caller: Caller, run_id: str, decision: str, *, idempotency: str | None = None) -> Answer:
    headers = {"Idempotency-Key": idempotency or uuid.uuid4().hex}
    return await caller.request("POST", f"/agent/{run_id}/resume", {"decision": decision}, headers=headers)


async def seen(caller: Caller, run_id: str) -> dict[str, Any]:
    answer = await caller.request("GET", f"/agent/{run_id}")
    assert answer.status == 200, answer.body
    run: dict[str, Any] = answer.json()
    return run


async def until(caller: Caller, run_id: str, *statuses: str, within_s: float = 30.0) -> dict[str, Any]:
    """The run once it has one of these statuses."""
    run: dict[str, Any] = {}

    async def there() -> bool:
        answer = await caller.request("GET", f"/agent/{run_id}")
        run.update(answer.json())  # a problem, while Redis is away
        return answer.status == 200 and run["status"] in statuses

    await eventually(there, (run_id, "to be", statuses, run), within_s=within_s)
    return run


async def charged(stack: Stack, run: dict[str, Any]) -> list[int]:
    """The amounts that moved for a run."""
    key = charge_key(run["run_id"], run["created_at"])
    return [row["amount"] for row in await stack.sim.charges() if row["idempotency_key"] == key]


def dying_workers(stack: Stack, count: int) -> Process:
    """So many workers that die where they are told to, and come back; whoever asks for them ends them."""
    command = [sys.executable, "-m", "tests.service.dying_workers", str(count)]
    process = Process("dying", command, stack.environment, stack.folder)
    try:
        process.ready()
    except BaseException:
        process.end()
        raise
    return process


async def charges(stack: Stack) -> list[int]:
    """The amounts that moved, in order."""
    return [row["amount"] for row in await stack.sim.charges()]
