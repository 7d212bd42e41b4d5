"""Langfuse, when its keys are set: each kept request once, as a trace with a generation per attempt.

Its SDK has a tracer provider of its own here, which sees nothing but what this file makes: the service's other spans
would be taken for generations a second time. User by hash, session by thread, text only where content is captured, and
masked by then. Next: ``telemetry.py``.
"""

from datetime import UTC, datetime
from typing import Any

from langfuse import Langfuse
from opentelemetry.context import Context as TraceContext
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from ..settings import PAYMENTS, SEARCHERS, Settings
from ..stages.ask import Attempt
from . import names
from .attributes import as_json
from .kept import Content, Kept
from .traces import GivenIds, ns

FLUSH_EVERY_S = 0.5
TIMEOUT_S = 2


class LangfuseSink:
    """Hands kept requests to Langfuse; from the outbox's thread."""

    def __init__(self, settings: Settings) -> None:
        self._ids = GivenIds()
        provider = TracerProvider(id_generator=self._ids, shutdown_on_exit=False)
        self._client = Langfuse(
            public_key=settings.langfuse_public_key,
            secret_key=settings.langfuse_secret_key,
            base_url=settings.langfuse_base_url,
            timeout=TIMEOUT_S,
            flush_interval=FLUSH_EVERY_S,
            tracer_provider=provider,
            should_export_span=lambda _: True,
        )
        self._tracer = provider.get_tracer("gauntlet")

    def tell(self, kept: Kept) -> None:
        """One trace; nothing for a request that asked no model."""
        attempts = [attempt for attempt in kept.attempts if attempt.provider not in SEARCHERS | {PAYMENTS}]
        if not attempts:
            return
        record = kept.record
        offset_s = record["t"] - kept.started_s
        common = {
            names.LANGFUSE_TRACE_NAME: f"{record['method']} {record['endpoint']}",
            names.LANGFUSE_USER: record["user"],
            names.LANGFUSE_SESSION: kept.thread_id,
            names.LANGFUSE_TAGS: _tags(kept),
        }
        common = {name: value for name, value in common.items() if value is not None}
        self._ids.trace_id, self._ids.span_id = int(record["trace_id"], 16), int(kept.span_id, 16)
        root = self._tracer.start_span(
            f"{record['method']} {record['endpoint']}",
            context=TraceContext(),
            kind=SpanKind.SERVER,
            attributes={
                **common,
                names.LANGFUSE_TYPE: "span",
                names.LANGFUSE_LEVEL: "DEFAULT" if record["outcome"] == "answered" else "WARNING",
                names.LANGFUSE_METADATA + "request_id": record["request_id"],
                names.LANGFUSE_METADATA + "outcome": record["outcome"],
                names.LANGFUSE_METADATA + "weight": record["weight"],
            },
            start_time=ns(record["t"]),
        )
        self._ids.trace_id = None
        for attempt in attempts:
            self._ids.span_id = int(attempt.span_id, 16)
            answer = kept.content.answers[attempt.number - 1] if kept.content is not None else None
            span = self._tracer.start_span(
                f"{names.CHAT_OPERATION} {attempt.model}",
                context=set_span_in_context(root),
                kind=SpanKind.CLIENT,
                attributes={**common, **_generation(attempt, kept.content, answer, offset_s)},
                start_time=ns(attempt.started_s + offset_s),
            )
            if attempt.status != "ok":
                span.set_status(Status(StatusCode.ERROR, attempt.status))
            span.end(ns(attempt.started_s + (attempt.duration_s or 0) + offset_s))
        root.end(ns(kept.ended_s + offset_s))

    def close(self) -> None:
        """Send what is there; may block while Langfuse is away, so on a thread that nobody waits for."""
        self._client.shutdown()


def _tags(kept: Kept) -> list[str]:
    record = kept.record
    given = (record["tenant"], record["route"], record["outcome"], record["source"])
    return [str(tag) for tag in given if tag]


def _generation(attempt: Attempt, content: Content | None, answer: str | None, offset_s: float) -> dict[str, Any]:
    usage, cost = attempt.usage, attempt.cost_nano_usd
    fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    given: dict[str, Any] = {
        names.LANGFUSE_TYPE: "generation",
        names.LANGFUSE_MODEL: attempt.model,
        names.LANGFUSE_USAGE: as_json(
            {
                "input": fresh,
                "output": usage.output_tokens,
                "input_cached_tokens": usage.cached_tokens,
                "input_cache_creation": usage.cache_write_tokens,
                "total": usage.input_tokens + usage.output_tokens,
            }
        ),
        names.LANGFUSE_LEVEL: "DEFAULT" if attempt.status == "ok" else "ERROR",
        names.LANGFUSE_METADATA + "attempt": attempt.number,
        names.LANGFUSE_METADATA + "status": attempt.status,
    }
    if cost is not None:
        given[names.LANGFUSE_COST] = as_json({"total": cost / 1e9})
    if attempt.first_token_s is not None:
        at_s = attempt.started_s + attempt.first_token_s + offset_s
        given[names.LANGFUSE_FIRST_TOKEN] = as_json(datetime.fromtimestamp(at_s, UTC).isoformat())
    if content is not None:
        asked = [{"role": role, "content": text} for role, text in content.messages]
        system = [{"role": "system", "content": content.system}] if content.system else []
        given[names.LANGFUSE_INPUT] = as_json([*system, *asked])
        if answer is not None:
            given[names.LANGFUSE_OUTPUT] = as_json({"role": "assistant", "content": answer})
    return given
