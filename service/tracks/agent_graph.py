"""The agent's steps as a LangGraph graph, with the wait for an approval as its interrupt.

Only the worker process imports LangGraph (1.3 s of CPU). The graph is built anew for each delivery, around the hold on
its run: a late worker's checkpoint is refused like everything else of its. Next: ``checkpoints.py`` and
``agent_track.py``.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphBubbleUp
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from .agent_held import Held
from .agent_steps import State, Steps

TOLD = ("proposal", "refund", "outcome", "answer")
"""Of what a step brings: what everybody may see."""
Graph = CompiledStateGraph[State, None, State, State]


class Step(Protocol):
    """From a state to what is new in it."""

    def __call__(self, state: State) -> Awaitable[dict[str, Any]]:
        """Do it."""
        ...


def graph_of(steps: Steps, held: Held, saver: BaseCheckpointSaver[Any]) -> Graph:
    """The graph of one delivery of one run."""

    async def approve(state: State) -> dict[str, Any]:
        """Nothing happens before the interrupt: on resume this runs again from its start."""
        if not state["proposal"]["needs_approval"]:
            return {"decision": {"decision": "approve", "by": "limit"}}
        return steps.decided(interrupt(state["proposal"]))

    graph = StateGraph(State)
    for name, step in {
        "understand": steps.understand,
        "look_up": steps.look_up,
        "propose": steps.propose,
        "approve": approve,
        "execute": steps.execute,
        "tell": steps.tell,
    }.items():
        graph.add_node(name, _told(name, step, held))
    graph.add_edge(START, "understand")
    for name, following in (
        ("understand", "look_up"),
        ("look_up", "propose"),
        ("propose", "approve"),
        ("approve", "execute"),
    ):
        graph.add_conditional_edges(name, _unless_over(following), [following, "tell"])
    graph.add_edge("execute", "tell")
    graph.add_edge("tell", END)
    return graph.compile(checkpointer=saver, name="refund")


def _unless_over(following: str) -> Callable[[State], str]:
    """On to the next step, unless the run has its outcome: then it is told."""

    def choose(state: State) -> str:
        return "tell" if "outcome" in state else following

    return choose


def _told(name: str, step: Step, held: Held) -> Step:
    """The step, told when it begins and when it ends; it does not begin when the run is not ours any more."""

    async def run(state: State) -> dict[str, Any]:
        await held.begin(name)
        try:
            brought = await step(state)
        except GraphBubbleUp:
            held.paused()
            raise
        await held.end(**{field: brought[field] for field in TOLD if field in brought})
        return brought

    return run
