"""One JSON line per event on standard error: structlog, and everything the libraries say through logging.

A line about a request names it: request and trace id, tenant, and the user by keyed hash. What looks like personal data
is masked in every string, exception texts included. Each line also goes to whoever collects logs (``forward_to``). The
line per request comes from ``outbox.py``. Next: ``lines.py``, ``pii.py``.
"""

import logging
from collections.abc import Callable, MutableMapping
from multiprocessing.util import Finalize
from typing import Any

import orjson
import structlog

from ..gateway.context import Context, current
from .lines import LINES
from .pii import masked

Event = MutableMapping[str, Any]
Forward = Callable[[Event], None]
_forward: Forward | None = None
_user_of: Callable[[Context], str | None] | None = None
MOST_CHARACTERS = 20_000
"""Of one string of a line."""
NOT_FORWARDED = ("opentelemetry", "langfuse", "urllib3")
"""Loggers of those who send: what they say about a failed sending is not sent."""


class _Handler(logging.Handler):
    """Formats here, where the line is said, and leaves the writing to ``lines.py``."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            LINES.put(self.format(record).encode())
        except Exception:  # noqa: BLE001 - as the standard library's handlers do
            self.handleError(record)

    def flush(self) -> None:
        LINES.flush()


def set_up() -> None:
    """Configure structlog and the root logger of this process."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_the_request,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _mask,
                _tell_others,
                structlog.processors.JSONRenderer(
                    serializer=lambda event, **_: orjson.dumps(event, default=str).decode()
                ),
            ],
        )
    )
    Finalize(None, LINES.flush, exitpriority=1)  # workers end without the interpreter's own farewell
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("httpx2", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(noisy)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.WARNING)


def forward_to(forward: Forward | None, user_of: Callable[[Context], str | None] | None) -> None:
    """Give each event to ``forward``, too; ``user_of`` gives the hash of a request's user. None: to nobody any more."""
    global _forward, _user_of
    _forward, _user_of = forward, user_of


def _name_the_request(_logger: Any, _method: str, event: Event) -> Event:
    context = current.get()
    if context is not None:
        event.setdefault("request_id", context.request_id)
        event["trace_id"], event["span_id"] = context.traceparent[3:35], context.traceparent[36:52]
        event["tenant"], event["user"] = context.caller.tenant or None, _user_of(context) if _user_of else None
    return event


OURS = frozenset({"request_id", "trace_id", "span_id", "user", "timestamp", "level", "logger"})
"""What we wrote ourselves."""


def _mask(_logger: Any, _method: str, event: Event) -> Event:
    for name, value in event.items():
        if name not in OURS:
            event[name] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value[:MOST_CHARACTERS])
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    if isinstance(value, int | float | bool | None):
        return value
    return masked(str(value)[:MOST_CHARACTERS])


def _tell_others(_logger: Any, _method: str, event: Event) -> Event:
    if _forward is not None and not str(event.get("logger", "")).startswith(NOT_FORWARDED):
        _forward(event)
    return event
