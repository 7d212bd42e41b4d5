"""What both chat surfaces share: from a context and messages to an ``Ask``, and the words for what came back.

Next: ``chat.py``, ``completions.py``.
"""

from dataclasses import asdict
from typing import Any

from ..clock import Clock
from ..gateway.context import Context
from ..llm.prices import NANO_USD
from ..llm.provider import Message
from ..llm.routes import Route
from ..stages.ask import Ask
from ..stages.citations import cited
from ..stages.reply import Reply
from ..stages.switches import Switches


def ask_of(
    context: Context,
    route: Route,
    messages: tuple[Message, ...],
    *,
    clock: Clock,
    switches: Switches,
    max_tokens: int | None,
    **more: Any,
) -> Ask:
    """The request as the chain takes it; the deadline counts from the request's arrival."""
    deadline_s = route.deadline_s
    if context.deadline_ms is not None:
        deadline_s = min(deadline_s, context.deadline_ms / 1000)
    return Ask(
        request_id=context.request_id,
        tenant=context.caller.tenant,
        user=context.caller.user,
        route=route,
        messages=messages,
        clock=clock,
        started_s=context.started_s,
        deadline_s=context.started_s + deadline_s,
        max_tokens=min(max_tokens or route.max_tokens, route.max_tokens),
        off=switches.off,
        traceparent=context.traceparent,
        captures=context.captures,
        **more,
    )


def facts(ask: Ask, reply: Reply, answer: str) -> dict[str, Any]:
    """Everything about an ``answer`` but its text: where from, why, how much, and what it cites."""
    usage, cost = ask.answer_usage, ask.cost_nano_usd
    return {
        "source": reply.source,
        "degraded": reply.degraded,
        "provider": reply.provider,
        "model": reply.model,
        "finish_reason": reply.finish_reason,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
        },
        "cost_usd": None if cost is None else cost / NANO_USD,
        "ignored": list(reply.ignored),
        "citations": [asdict(source) for source in cited(answer, reply.sources)],
        "request_id": ask.request_id,
    }


def path(ask: Ask, begin: int = 0) -> list[dict[str, Any]]:
    """The stages' decisions from the ``begin``-th on, in ms: offset from the request's start, time since the last."""
    rows = []
    before_s = ask.path[begin - 1][2] if begin else 0.0
    for stage, decision, at_s, inputs in ask.path[begin:]:
        rows.append(
            {
                "stage": stage,
                "decision": decision,
                "inputs": inputs,
                "t_ms": round(at_s * 1000, 2),
                "duration_ms": round((at_s - before_s) * 1000, 2),
            }
        )
        before_s = at_s
    return rows
