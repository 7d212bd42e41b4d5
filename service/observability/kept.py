"""What is kept of a request until its spans are made. Next: ``attributes.py``."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..gateway.context import Context
from ..stages.ask import Attempt, Decision, Entered
from .record import Record


@dataclass(slots=True)
class Content:
    """What was said, masked: each message with its role, the system text, and the answer of each attempt."""

    messages: list[tuple[str, str]] = field(default_factory=list)
    system: str | None = None
    answers: list[str | None] = field(default_factory=list)


@dataclass(slots=True)
class Kept:
    """All that the spans of one request are made of."""

    record: Record
    span_id: str
    parent_span_id: str | None
    started_s: float
    ended_s: float
    thread_id: str | None
    link: str | None = None
    deadline_s: float | None = None
    entered: Sequence[Entered] = ()
    path: Sequence[Decision] = ()
    attempts: Sequence[Attempt] = ()
    content: Content | None = None

    @classmethod
    def of(cls, context: Context, record: Record) -> "Kept":
        """From a request that has ended; keeps nothing of what was said."""
        kept = cls(
            record,
            context.traceparent[36:52],
            context.parent_span_id,
            context.started_s,
            context.ended_s,
            context.thread_id,
            context.link,
        )
        ask = context.ask
        if ask is not None:
            kept.deadline_s = round(ask.allowed_s, 3)
            kept.entered, kept.path, kept.attempts = ask.entered, ask.path, ask.attempts
        return kept
