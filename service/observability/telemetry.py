"""What is told of a request that has ended, and to whom. The file to read first here.

On the event loop its record is made, counted, and judged whether its trace is kept: some ten microseconds. All else
happens off the request path: ``outbox.py`` writes the log and hands on what was left with it, ``otlp.py`` sends it,
``masking.py`` masks what is captured. Next: ``names.py``, ``record.py``.
"""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from ..clock import Clock
from ..gateway.context import Context
from ..settings import Settings
from ..stages.ask import Ask
from . import logs, names, otlp
from .drops import Drops
from .kept import Content, Kept
from .lines import LINES
from .masking import Masker
from .meter import Meter
from .metrics import Metrics, read_levels
from .outbox import Letter, Outbox
from .pii import pseudonym_of
from .record import record_of
from .sampling import TailSampler
from .webhooks import Try, WebhookMetrics

if TYPE_CHECKING:
    from ..parts import Service
    from .langfuse import LangfuseSink

log = structlog.get_logger(__name__)
SHUTDOWN_S = 1.0
"""With what the supervisor needs to notice and the requests to drain, an end stays below two seconds."""
MOST_REMEMBERED = 10_000


class Telemetry:
    """One worker's. ``start`` and ``stop`` belong to its event loop; ``ended`` is told of every request."""

    def __init__(self, settings: Settings, *, instance: str, clock: Clock) -> None:
        otlp.set_defaults()
        self.on = otlp.is_on()
        self._settings = settings
        self._instance = instance
        self._clock = clock
        self._users: dict[str, str] = {}
        self._sampler = TailSampler(settings.telemetry, clock=clock)
        self._meter = Meter(delta=otlp.wants_deltas())
        self._metrics = Metrics(self._meter)
        self._webhooks = WebhookMetrics(self._meter)
        self._drops = Drops()
        self._meter.total(names.DROPPED, self._drops.totals)
        self._masker: Masker | None = None
        if settings.capture_content:
            self._masker = Masker(clock=clock)
        self._masking: set[asyncio.Task[None]] = set()
        self._outbox: Outbox | None = None
        self._otlp: otlp.Otlp | None = None
        self._langfuse: LangfuseSink | None = None
        self._exporting: asyncio.Task[None] | None = None

    def watch(self, service: "Service", in_flight: Callable[[], int]) -> None:
        """Read the levels of these parts with each collection of metrics."""
        read_levels(self._meter, service, in_flight)

    def watch_agent(self, waiting: Callable[[], tuple[int, float]]) -> None:
        """Read how many runs of the agent wait for an approval, and the oldest for how many seconds."""
        self._meter.gauge(names.AGENT_WAITING, lambda: [((), waiting()[0])])
        self._meter.gauge(names.AGENT_OLDEST, lambda: [((), round(waiting()[1], 3))])

    def agent_run(self, outcome: str) -> None:
        """A run of the agent has ended."""
        self._metrics.count_run(outcome)

    def user_of(self, context: Context) -> str | None:
        """The keyed hash of the request's user; None where nobody is known."""
        return self._hashed(context.caller.user) if context.caller.user else None

    def _hashed(self, user: str) -> str:
        known = self._users.get(user)
        if known is None:
            if len(self._users) >= MOST_REMEMBERED:
                self._users.clear()
            known = self._users[user] = pseudonym_of(self._settings.telemetry.pseudonym_key, user)
        return known

    async def start(self) -> None:
        """Begin to tell."""
        self._outbox = Outbox(self._tell_record, self._tell_trace)
        self._drops.watch(self._outbox)
        logs.forward_to(self._forward if self.on else None, self.user_of)
        if self._settings.langfuse_public_key is not None and self.on:
            from .langfuse import LangfuseSink  # its SDK takes a second to import

            self._langfuse = LangfuseSink(self._settings)
        if self.on:
            self._otlp = otlp.Otlp(instance=self._instance, meter=self._meter, drops=self._drops)
            self._otlp.record(names.STARTED_EVENT, names.STARTED_EVENT, attributes={"pid": os.getpid()})
            self._exporting = asyncio.create_task(self._otlp.export_metrics_for_ever())

    def ended(self, context: Context) -> None:
        """A request has ended: make its books once nothing goes on for it."""
        if context.ask is None:
            self._book(context)
        else:
            context.ask.when_at_rest(lambda: self._book(context))

    def _book(self, context: Context) -> None:
        try:
            self._make_books(context)
        except Exception:
            # The answer is sent: a defect of ours in here is no reason to break its connection.
            log.exception("not_booked", endpoint=context.endpoint)
        finally:
            # The connection keeps the context for as long as it is open, and what was said with it.
            context.ask = context.reply = None

    def _make_books(self, context: Context) -> None:
        record = record_of(context, instance=self._instance, user=self.user_of(context))
        traceparent = context.traceparent
        trace_id, span_id = int(traceparent[3:35], 16), int(traceparent[36:52], 16)
        reason = self._sampler.reason(record)
        weight = self._sampler.weight(reason) if self.on else 0
        kept = None
        if weight:
            record["kept"], record["weight"] = reason, weight
            kept = Kept.of(context, record)
        if self.on:
            self._metrics.count(record, reason, (trace_id, span_id) if kept is not None else None)
        if self._outbox is None:  # not begun, or ended already
            return
        line = orjson.dumps({"event": names.REQUEST_EVENT, "level": "info", "timestamp": _iso(context.t), **record})
        self._outbox.post(Letter(line, int(context.t * 1e9), trace_id, span_id))
        if kept is None:
            return
        if context.ask is not None and self._masker is not None:
            task = asyncio.create_task(self._post_with_content(self._outbox, self._masker, context.ask, kept))
            self._masking.add(task)
            task.add_done_callback(self._masking.discard)
        else:
            self._outbox.post_trace(kept)

    async def _post_with_content(self, outbox: Outbox, masker: Masker, ask: Ask, kept: Kept) -> None:
        answers = [attempt.text for attempt in ask.attempts]
        masked = await masker.mask(
            [*(message.content for message in ask.messages), ask.system or "", *(text or "" for text in answers)]
        )
        asked = len(ask.messages)
        kept.content = Content(
            [(message.role, text) for message, text in zip(ask.messages, masked[:asked], strict=True)],
            masked[asked] or None,
            [None if said is None else text for said, text in zip(answers, masked[asked + 1 :], strict=True)],
        )
        outbox.post_trace(kept)

    def _tell_record(self, letter: Letter) -> None:
        """In the outbox's thread."""
        if self._otlp is not None:
            self._otlp.record(
                letter.event,
                letter.record.decode(),
                at_ns=letter.at_ns,
                trace_id=letter.trace_id,
                span_id=letter.span_id,
            )

    def _tell_trace(self, kept: Kept | Try) -> None:
        """In the outbox's thread: a kept trace, to all who want it."""
        if isinstance(kept, Try):
            if self._otlp is not None:
                self._otlp.webhook(kept)
            return
        if self._otlp is not None:
            self._otlp.trace(kept)
        if self._langfuse is not None:
            self._langfuse.tell(kept)

    def _forward(self, event: logs.Event) -> None:
        """A line of the log, as a log record of its own."""
        if self._otlp is not None:
            trace_id, span_id = event.get("trace_id"), event.get("span_id")
            self._otlp.record(
                str(event["event"]),
                str(event["event"]),
                trace_id=int(trace_id, 16) if trace_id else None,
                span_id=int(span_id, 16) if span_id else None,
                severity=str(event.get("level", "info")).upper(),
                attributes={name: _plain(value) for name, value in event.items() if name not in _FIELDS},
            )

    def job_ended(self, record: dict[str, Any], traceparent: str | None, *, user: str) -> None:
        """A job has come to its end; ``traceparent`` is the request that it was begun by."""
        if self.on:
            self._metrics.job_ended(record)
        if self._outbox is None:  # not begun, or ended already
            return
        trace_id, span_id = (traceparent[3:35], traceparent[36:52]) if traceparent else (None, None)
        told = {**record, "user": self._hashed(user), "trace_id": trace_id, "instance": self._instance}
        event = {"event": names.JOB_ENDED_EVENT, "level": "info", "timestamp": _iso(record["ended"])}
        ids = (int(trace_id, 16) if trace_id else None, int(span_id, 16) if span_id else None)
        letter = Letter(orjson.dumps({**event, **told}), int(record["ended"] * 1e9), *ids, names.JOB_ENDED_EVENT)
        self._outbox.post(letter)

    def webhook_tried(self, tried: Try) -> None:
        """A message was posted to its receiver, with success or without."""
        if not self.on:
            return
        self._webhooks.tried(tried)
        tried.weight = self._sampler.weight(tried.reason)
        if tried.weight and self._outbox is not None:
            self._outbox.post_trace(tried)

    def webhook_ended(self, record: dict[str, Any], last: Try | None) -> None:
        """A message was delivered, or is dead; ``last`` is its last try, where this worker has made it."""
        if self.on:
            self._webhooks.ended(record)
        if self._outbox is None:  # not begun, or ended already
            return
        told = {**record, "trace_id": last.trace_id if last else None, "instance": self._instance}
        event = {"event": names.WEBHOOK_ENDED_EVENT, "level": "info", "timestamp": _iso(record["ended"])}
        trace_id, span_id = (int(last.trace_id, 16), int(last.span_id, 16)) if last else (None, None)
        at_ns = int(record["ended"] * 1e9)
        self._outbox.post(Letter(orjson.dumps({**event, **told}), at_ns, trace_id, span_id, names.WEBHOOK_ENDED_EVENT))

    def breaker_changed(self, provider: str, before: str, state: str, failures: int) -> None:
        """A circuit is in another state, as this worker sees it."""
        log.info(names.BREAKER_EVENT, provider=provider, state=state, before=before, failures=failures)

    def switches_changed(self, version: int, off: list[str]) -> None:
        """Other stages are off than before, as this worker sees it."""
        log.info(names.SWITCHES_EVENT, version=version, off=off)

    def snapshot(self) -> dict[str, Any]:
        """What arrived and what was lost since this worker's start."""
        return {"on": self.on, "langfuse": self._langfuse is not None, **self._drops.snapshot()}

    async def stop(self) -> None:
        """Tell what is there, within ``SHUTDOWN_S``; what takes longer is left behind."""
        if self._exporting is not None:
            self._exporting.cancel()
        try:
            async with self._clock.timeout_at(self._clock.monotonic() + SHUTDOWN_S):
                await self._stop()
        except TimeoutError:
            pass
        finally:
            logs.forward_to(None, None)

    async def _stop(self) -> None:
        if self._masking:
            await asyncio.wait(self._masking, timeout=SHUTDOWN_S / 3)
        if self._masker is not None:
            await self._masker.aclose()
        outbox = self._outbox
        if outbox is not None:
            await otlp.in_threads([lambda: outbox.close(SHUTDOWN_S / 3)])
        ends: list[Callable[[], object]] = [LINES.flush]
        if self._langfuse is not None:
            ends.append(self._langfuse.close)
        if self._otlp is not None:
            self._otlp.record(names.STOPPED_EVENT, names.STOPPED_EVENT, attributes={"pid": os.getpid()})
            ends += self._otlp.ends()
        await otlp.in_threads(ends)  # one that hangs keeps no other from its end


_FIELDS = frozenset({"event", "timestamp", "trace_id", "span_id", "level"})
"""Of a log line: they have places of their own in a log record."""


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else orjson.dumps(value, default=str).decode()


@lru_cache(maxsize=4)
def _second(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _iso(unix_s: float) -> str:
    second = int(unix_s)
    return f"{_second(second)}.{int((unix_s - second) * 1e6):06d}Z"
