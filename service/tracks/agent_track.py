"""The agent's side of the worker process: takes a run from the queue and leads it through its graph as far as it goes.

A task may come again: after a kill, after a dependency was away, when a run is resumed. Each time the checkpoint says
where the run stands, and what everybody sees is brought in line with it (``agent_again.py``). A run that is waiting
holds nothing here. A task ends with its run, or its wait, and with nothing else. Next: ``agent_ends.py``.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, cast

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from ..clock import Clock
from ..errors import StoreUnavailable
from ..observability.telemetry import Telemetry
from ..settings import AgentSettings
from ..stages.chain import compose
from .agent_again import MOVING, Contradicted, begun, brought_in_line, forgotten
from .agent_ends import Ends
from .agent_graph import Graph, graph_of
from .agent_held import NO_TROUBLE, Held, TryLater, code_of
from .agent_record import Run
from .agent_runs import STEP, Lost, Runs, Taken
from .agent_steps import State, Steps, Tools
from .agent_sweep import Sweep
from .agent_words import GAVE_UP, IN_DOUBT, UNKNOWN, money, plainly
from .checkpoints import TROUBLE, Checkpoints, CheckpointsUnusable, Fenced
from .orders import WorkbenchOrders
from .queue import Later, Queue, TaskFn, Track
from .webhook import Webhooks

if TYPE_CHECKING:
    from ..parts import Service

log = structlog.get_logger(__name__)
MOST_BACK_OFF_S = 30.0
MOST_DOUBLINGS = 20
"""Of the back-off: beyond any wait, and within what a float can hold."""
MOST_DEFECTS = 5
"""A run that meets errors of ours so often in one step fails; waits for a dependency do not count."""
STATUS_OF = {"rejected": "rejected", "withdrawn": "rejected", "expired": "rejected"}
"""Outcome -> status; ``completed`` for all others."""


class AgentTrack(Track):
    """The track. ``start`` and ``aclose`` belong to the worker process's event loop."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        runs: Runs,
        tools: Tools,
        checkpoints: Checkpoints,
        queue: Queue,
        redeliver_s: float,
        webhooks: Webhooks,
        telemetry: Telemetry,
        pseudonym_key: str,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._runs, self._tools, self._checkpoints = runs, tools, checkpoints
        self._ends = Ends(runs=runs, desk=tools.desk, webhooks=webhooks, pseudonym_key=pseudonym_key)
        self._sweep = Sweep(
            settings, runs=runs, checkpoints=checkpoints, queue=queue, redeliver_s=redeliver_s, clock=clock
        )
        self._telemetry, self._clock = telemetry, clock
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def tasks(self) -> Mapping[str, TaskFn]:
        """One task: a run goes on."""
        return {STEP: self.step}

    async def start(self) -> None:
        """Begin to sweep; that says first when the checkpoints cannot be kept, and holds up no other track."""
        self._telemetry.watch_agent(lambda: self._sweep.waiting)
        self._sweeping = asyncio.create_task(self._sweep.for_ever())

    async def aclose(self) -> None:
        """End the sweep, and the saver."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        await self._checkpoints.aclose()

    async def step(self, run_id: str) -> None:
        """The run goes on as far as it can. Raises Later, to go on then."""
        taken = await self._runs.take(run_id)
        if taken is None:
            log.info("agent_run_gone", run_id=run_id)
            await self._runs.unlist(run_id)
        elif isinstance(taken, float):
            raise Later(taken)
        elif isinstance(taken, Run):  # it had ended, and perhaps its worker died before all was told
            await self._ends.tell(taken)
        else:
            await self._held(taken)

    async def _held(self, taken: Taken) -> None:
        held = Held(taken, self._runs, lease_s=self._settings.lease_s, clock=self._clock)
        try:
            async with held.renewed():
                await self._go_on(held)
        except Lost:
            log.warning("agent_run_taken_over", run_id=held.run.run_id, fence=held.fence)
            await self._taken_over(held.run.run_id)
        except (TryLater, StoreUnavailable, CheckpointsUnusable) as error:
            await self._later(held, error)
        except Exception as error:
            log.exception("agent_step_failed", run_id=held.run.run_id, step=held.at)
            held.run.defects += 1
            await self._later(held, error)

    async def _taken_over(self, run_id: str) -> NoReturn:
        """Another has it, or had: what we held for it since it ended is given back. Raises Later: this may be its only
        task, and the other dead by now."""
        run = await self._runs.find(run_id)
        if run is not None and run.ended is not None:
            await self._ends.settle(run)
        raise Later(0.0) from None

    async def _go_on(self, held: Held) -> None:
        """Through the graph until it ends or waits."""
        saver = await self._checkpoints.saver()
        graph = graph_of(Steps(held, self._tools), held, Fenced(saver, held.check, held.kept))
        try:
            await self._through(graph, held)
        except TROUBLE as error:
            raise await self._checkpoints.failed(saver, error) from None

    async def _through(self, graph: Graph, held: Held) -> None:
        run = held.run
        config: RunnableConfig = {"configurable": {"thread_id": run.run_id}}
        snapshot = await graph.aget_state(config)
        if snapshot.created_at is not None:
            state = cast(State, snapshot.values)
            at = frozenset(task.name for task in snapshot.tasks)
            try:
                is_ours = await brought_in_line(held, state, at, self._checkpoints)
            except Contradicted as error:
                await self._give_up(held, error.why, in_doubt=True)
                return
            if not is_ours:
                await forgotten(held, state, self._checkpoints, self._tools.desk)
                snapshot = await graph.aget_state(config)
        while True:
            given: Any = None
            if snapshot.created_at is None:
                if run.proposal is not None:
                    raise self._checkpoints.without("what this run has proposed")
                given = {"begun": begun(run)}
            elif snapshot.interrupts:
                decision = await self._decision(held, snapshot.interrupts[0].value)
                if decision is None:
                    return
                given = Command(resume=decision)
            elif not snapshot.tasks:  # where `next` is empty, a step's writes may only lack their checkpoint
                await self._ended(held, snapshot.values)
                return
            held.has_read = True
            await graph.ainvoke(given, config, durability="sync")
            snapshot = await graph.aget_state(config)

    async def _decision(self, held: Held, proposal: dict[str, Any]) -> dict[str, Any] | None:
        """What was decided on the proposal; None when nothing was, and the run then waits."""
        run = held.run
        if run.decision is None and await held.wait():
            await self._ends.say(run, "agent.waiting", {"status": "waiting", "proposal": await self._proposal(run)})
            return None
        known = await self._runs.find(run.run_id) if run.decision is None else run
        if known is None or known.decision is None:
            raise Lost
        if known.decision == "approve" and known.decided_on != proposal:
            raise self._checkpoints.without("the proposal that was approved")
        run.decision, run.approver, run.note = known.decision, known.approver, known.note
        return {"decision": known.decision, "by": known.approver, "note": known.note}

    async def _proposal(self, run: Run) -> dict[str, Any] | None:
        known = await self._runs.find(run.run_id)
        return None if known is None else known.proposal

    async def _ended(self, held: Held, state: State | dict[str, Any]) -> None:
        """The graph is through: so is the run."""
        status = STATUS_OF.get(state["outcome"], "completed")
        await self._finish(held, status, state["outcome"], state["answer"], NO_TROUBLE)

    async def _give_up(self, held: Held, why: str, *, in_doubt: bool = False) -> None:
        """It fails, in doubt where money may have moved; else what it held of its order is given back after it.

        Where its checkpoint could not be read, money may have moved whatever Redis remembers.
        """
        run = await self._runs.find(held.run.run_id)
        proposal = None if run is None else run.proposal
        in_doubt = in_doubt or not held.has_read or (proposal is not None and (held.run.doubt or held.at in MOVING))
        outcome = IN_DOUBT if in_doubt else GAVE_UP
        facts: dict[str, Any] = {}
        if proposal is not None:
            facts = {**proposal, "amount": money(proposal["amount"], proposal["currency"])}
        answer = UNKNOWN if in_doubt and proposal is None else plainly(outcome, facts)
        await self._finish(held, "failed", outcome, answer, {"trouble": why})

    async def _finish(self, held: Held, status: str, outcome: str, answer: str, more: dict[str, str]) -> None:
        created_ms = held.run.created_ms
        await held.finish(status=status, outcome=outcome, answer=answer, created_ms=created_ms, **more)
        self._telemetry.agent_run(outcome)
        run = await self._runs.find(held.run.run_id)
        if run is not None:
            await self._ends.tell(run)

    async def _later(self, held: Held, error: Exception) -> None:
        """Let the run go, and have it taken up again; after ``retry_within_s`` with the same step it fails.

        So it does with the sixth defect of ours.
        """
        run, settings = held.run, self._settings
        held.failed(error)
        why, detail = code_of(error), ""
        if isinstance(error, CheckpointsUnusable):
            why, detail = error.code, str(error)
        now = self._clock.time()
        since = run.trouble_since or now
        delay_s = min(settings.retry_s * 2 ** min(run.tries, MOST_DOUBLINGS), MOST_BACK_OFF_S)
        if isinstance(error, TryLater):
            delay_s = max(delay_s, min(error.delay_s, MOST_BACK_OFF_S))
        log.warning("agent_run_waits", run_id=run.run_id, step=held.at, reason=detail or why, delay_s=delay_s)
        try:
            if now - since > settings.retry_within_s or run.defects > MOST_DEFECTS:
                await self._give_up(held, why)
                return
            tries, defects = str(run.tries + 1), str(run.defects)
            await held.let_go(
                delay_s, trouble=why, trouble_detail=detail, trouble_since=str(since), tries=tries, defects=defects
            )
        except Lost:  # it may have ended, and our words of that be lost
            await self._taken_over(run.run_id)
        except StoreUnavailable as away:
            log.info("not_let_go", run_id=run.run_id, reason=away.message)  # the lease runs out by itself
        raise Later(delay_s)


def agent_track(service: "Service", runs: Runs) -> AgentTrack:
    """The track of a worker process, from its parts."""
    settings = service.settings
    if service.payments is None:
        raise RuntimeError("an agent that refunds needs a payments provider")
    tools = Tools(
        chain=service.chain,
        payments=compose([service.retry, service.breaker, service.bulkhead], service.payments),
        work=service.work,
        desk=WorkbenchOrders(service.store),
        routes=service.routes,
        default_route=settings.default_route,
        payments_deadline_s=settings.payments.deadline_s,
        approval_above=settings.agent.approval_above,
        switches=service.switches,
        clock=service.clock,
    )
    return AgentTrack(
        settings.agent,
        runs=runs,
        tools=tools,
        checkpoints=Checkpoints(settings.agent.checkpoints),
        queue=service.queue,
        redeliver_s=settings.queue.redeliver_s,
        webhooks=service.webhooks,
        telemetry=service.telemetry,
        pseudonym_key=settings.telemetry.pseudonym_key,
        clock=service.clock,
    )
