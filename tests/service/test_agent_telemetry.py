"""What is told of the agent: its calls, its runs, what waits; and that the books know its refunds and their charges."""

import asyncio
import time
from collections.abc import Callable

from loadtests.books.gather import Asked, judge
from loadtests.books.ledger import LedgerReader
from loadtests.books.service import ServiceReader

from ..stack import Stack
from ..waiting import eventually
from . import agent
from .agent import ABOVE, BELOW, begin, decide, until


async def test_a_run_is_told_counted_linked_and_in_the_books(start_stack: Callable[..., Stack]) -> None:
    began = time.time()
    async with start_stack(toml=agent.settings(), worker=1, env={}) as stack:
        alice = stack.caller()
        cheap, dear = await begin(alice, f"alice-{BELOW}"), await begin(alice, f"alice-{ABOVE}")
        await until(alice, cheap, "completed")
        await until(alice, dear, "waiting")
        worker = f"instance like '{stack.work[0].pid}-%'"

        async def waits() -> bool:
            rows = await stack.told(
                f"select name, arg_max(value, time) as value from metric_points where {worker} "
                "and name like 'gauntlet.agent.%' group by name",
                rows=0,
            )
            found = {row["name"]: row["value"] for row in rows}
            return found.get("gauntlet.agent.waiting") == 1 and found.get("gauntlet.agent.oldest_approval", 0) > 0

        await eventually(waits, "an approval that waits, as a metric")
        await decide(stack.admin, dear, "approve")
        run = await until(alice, dear, "completed")
        (first, second) = await stack.told(
            f"select * from agent_runs where run_id in ('{cheap}', '{dear}') order by amount", rows=2
        )
        assert (first["outcome"], first["needed_approval"], first["approved_by"]) == ("refunded", False, None)
        assert (second["amount"], second["needed_approval"], second["trace_id"]) == (12_900, True, run["trace_id"])
        assert len(second["approved_by"]) == 16
        assert second["cost_nano_usd"] == round(run["cost_usd"] * 1e9) > 0
        calls = await stack.told(
            f"select * from requests where endpoint = '/agent' and method = 'WORK' and {worker}", rows=6
        )
        assert sum(row["cost_nano_usd"] for row in calls) == first["cost_nano_usd"] + second["cost_nano_usd"]
        assert {row["charge_key"] for row in calls if row["charge_key"]} == {first["charge_key"], second["charge_key"]}
        await stack.told(f"select 1 from spans where links::varchar like '%{run['trace_id']}%' and {worker}", rows=1)
        assert stack.collector is not None
        reader, ledger = ServiceReader(stack.collector.url), LedgerReader(stack.sim.url)
        _, found = await asyncio.to_thread(judge, Asked(began, time.time()), reader, ledger)
        assert found.differences == []
        (line,) = (one for one in found.lines if one.what == "refunds of the agent and charges")
        assert (line.service, line.ledger) == (2, 2)
