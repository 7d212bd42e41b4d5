"""The service's book: one record per request, never sampled, with its whole story and every attempt.

``docs/telemetry.md`` has the form. It is a line of the log and an OTLP log record, and what metrics and the sampling
decision are made from. Next: ``sampling.py``.
"""

from typing import Any

from ..gateway.context import Context
from ..settings import SEARCHERS
from ..stages.ask import Attempt
from .cost import purpose

CLIENT_LEFT = 499
OTHER = "other"
Record = dict[str, Any]

FROM_ELSEWHERE = ("cache", "shared", "stale")
"""Sources of answers that this request paid nothing for."""


def record_of(context: Context, *, instance: str, user: str | None) -> Record:
    """The record of a request that has ended; ``kept`` and ``weight`` are still to be decided."""
    ask, reply = context.ask, context.reply
    caller = context.caller
    outcome, error = _outcome(context)
    record: Record = {
        "request_id": context.request_id,
        "trace_id": context.traceparent[3:35],
        "instance": instance,
        "t": context.t,
        "duration_ms": _ms(context.ended_s - context.started_s),
        "method": context.method,
        "endpoint": context.endpoint or OTHER,
        "status": CLIENT_LEFT if context.status is None else context.status,
        "outcome": outcome,
        "error": error,
        "tenant": caller.tenant or None,
        "user": user,
        "kept": None,
        "weight": 0,
        "charge_key": context.charge_key,
        "replayed": context.replayed,
    }
    if context.step is not None:
        record["step"] = context.step
        record["cause"] = None if context.link is None else context.link[3:35]
    if ask is None:
        return record | _NOTHING_ASKED
    usage = ask.usage
    record["route"] = ask.route.alias
    record["stream"] = ask.stream
    record["source"] = reply.source if reply else None
    record["degraded"] = list(reply.degraded) if reply else []
    record["provider"] = reply.provider if reply else None
    record["model"] = reply.model if reply else None
    record["finish_reason"] = reply.finish_reason if reply else None
    first_s = context.first_token_s
    record["first_token_ms"] = None if first_s is None else _ms(first_s - context.started_s)
    record["input_tokens"], record["output_tokens"] = usage.input_tokens, usage.output_tokens
    record["cached_tokens"] = usage.cached_tokens
    record["cost_nano_usd"] = ask.cost_nano_usd
    record["unpriced"] = sum(attempt.cost_nano_usd is None for attempt in ask.attempts)
    # Whoever shares a degraded answer has its source, and has paid nothing either.
    elsewhere = reply is not None and (reply.source in FROM_ELSEWHERE or not ask.attempts)
    record["saved_nano_usd"] = (reply.cost_nano_usd or 0) if reply and elsewhere else 0
    record["max_tokens"] = ask.max_tokens
    record["off"] = sorted(ask.off)
    found = ask.retrieved
    record["retrieval"] = found and {
        "passages": found.passages,
        "mode": found.mode,
        "cached": found.cached,
        "duration_ms": _ms(found.duration_s),
    }
    record["path"] = [(stage, decision, _ms(at_s)) for stage, decision, at_s, _ in ask.path]
    record["attempts"] = [
        _attempt(attempt, ask.started_s, _purpose(attempt, outcome, record["source"])) for attempt in ask.attempts
    ]
    return record


_NOTHING_ASKED: Record = {
    "route": None,
    "stream": False,
    "source": None,
    "degraded": [],
    "provider": None,
    "model": None,
    "finish_reason": None,
    "first_token_ms": None,
    "input_tokens": 0,
    "output_tokens": 0,
    "cached_tokens": 0,
    "cost_nano_usd": 0,
    "unpriced": 0,
    "saved_nano_usd": 0,
    "max_tokens": None,
    "off": [],
    "retrieval": None,
    "path": [],
    "attempts": [],
}


def _outcome(context: Context) -> tuple[str, str | None]:
    reply, status, error = context.reply, context.status, context.error
    if status is None or status == CLIENT_LEFT:
        return "cancelled", None
    if status < 400:
        if reply is not None and reply.outcome == "cancelled":
            return "cancelled", None
        if error is not None or (reply is not None and reply.outcome == "error"):  # after the first byte
            return "broken", error or (reply.error if reply is not None else None)
        if reply is not None and reply.source == "message":  # a stream that broke, and nobody could go on
            return "unavailable", "message"
        return ("degraded" if reply is not None and reply.degraded else "answered"), None
    if status == 503:
        return "unavailable", error or "message"
    return ("failed" if status >= 500 else "refused"), error


def _purpose(attempt: Attempt, outcome: str, source: str | None) -> str:
    """What a search costs is for the answer, whichever rung then gives it."""
    return purpose(attempt.status, outcome=outcome, source=None if attempt.provider in SEARCHERS else source)


def _attempt(attempt: Attempt, started_s: float, spent_on: str) -> Record:
    usage = attempt.usage
    return {
        "n": attempt.number,
        "target": attempt.provider,
        "model": attempt.model,
        "status": attempt.status,
        "upstream_status": attempt.upstream_status,
        "t_ms": _ms(attempt.started_s - started_s),
        "duration_ms": None if attempt.duration_s is None else _ms(attempt.duration_s),
        "first_token_ms": None if attempt.first_token_s is None else _ms(attempt.first_token_s),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cost_nano_usd": attempt.cost_nano_usd,
        "purpose": spent_on,
        "exact": attempt.exact,
        "most_nano_usd": attempt.most_nano_usd,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
