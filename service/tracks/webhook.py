"""Webhooks: telling a user's own server that something happened, until it was told.

A message is kept, then put into the queue; each delivery is one try (check the target, sign, post), and what came of it
is written down before the task ends. A try that fails is made again by a schedule of hours with full jitter, and at the
end the message is a dead letter that an operator can send off again. A worker that dies between a try and its record
leaves the message as it was: it is tried again under the same id, and receivers take each id once. Chapter, section 3
(background processing). Next: ``webhook_post.py``, ``webhook_record.py``.
"""

import asyncio
import os
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from ..clock import Clock
from ..errors import Conflict, NotFound, StoreUnavailable
from ..gateway.context import current
from ..observability.telemetry import Telemetry
from ..observability.webhooks import Try
from ..settings import WebhookSettings
from ..store.guard import Store
from .queue import Later, Queue, TaskFn, Track
from .webhook_hosts import Hosts
from .webhook_post import Poster, Tried
from .webhook_record import Claim, Levels, Message, Records, State, message_id_of
from .webhook_sign import Signer
from .webhook_target import Targets

log = structlog.get_logger(__name__)
TASK = "webhooks.deliver"
DEFECT_S = 60.0
"""After an error of our own, which no receiver can help."""
WRITING_S = 60.0
SWEEP_S = 10.0
MOST_SWEPT = 500
"""Of the messages that wait, so many are looked at in one sweep, and the next ones in the next: however many only wait
for a receiver that is dead, a lost one behind them is found."""
LEVELS_S = 1.0
"""How often the worker reads how much waits."""


def backoff_s(settings: WebhookSettings, tried: int, draw: Callable[[], float] = random.random) -> float:
    """How long to wait after the ``tried``-th try (1, 2, …): full jitter, U(0, min(cap, base * 2^(tried - 1)))."""
    # The exponent is bounded before the power is taken, or late tries would be numbers beyond a float.
    bound_s = min(settings.cap_s, settings.base_s * 2.0 ** min(tried - 1, 60))
    return draw() * bound_s


class Webhooks(Track):
    """The track. ``start`` and ``aclose`` belong to the worker process, which runs ``deliver``."""

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        store: Store,
        queue: Queue,
        telemetry: Telemetry,
        clock: Clock,
        targets: Targets | None = None,
        poster: Poster | None = None,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._telemetry = telemetry
        self._clock = clock
        self._targets = targets or Targets(settings, clock=clock)
        self._poster = poster or Poster(settings, self._targets, clock=clock)
        self._records = Records(settings, store=store)
        self._hosts = Hosts(settings.at_once_per_host)
        self._looking: asyncio.Task[None] | None = None
        self._levels: Levels | None = None
        self._swept = 0
        self.signer = Signer(settings)

    @property
    def tasks(self) -> Mapping[str, TaskFn]:
        """What the worker runs."""
        return {TASK: self.deliver}

    @property
    def longest_s(self) -> float:
        """One try, with what is written before and after it."""
        return self._settings.timeout_s + WRITING_S

    async def start(self) -> None:
        """Look now and then how much waits, and what of it has waited too long."""
        self._looking = asyncio.create_task(self._look())

    async def aclose(self) -> None:
        """End that."""
        if self._looking is not None:
            self._looking.cancel()

    def reading(self, field: str) -> list[tuple[tuple[()], float]]:
        """A level as a gauge gives it: none in processes that do not read it, or while Redis is away."""
        return [] if self._levels is None else [((), getattr(self._levels, field))]

    async def check(self, url: str) -> None:
        """Raises TargetRefused, a BadRequest, for a URL that may not be called, and Overloaded when nobody knows."""
        request = current.get()
        await self._targets.check(url, request.caller.tenant if request is not None else "")

    async def send(
        self, *, event: str, subject_id: str, tenant: str, url: str, data: Any, traceparent: str | None = None
    ) -> str:
        """Have the message delivered; its id. The same event of the same subject is one message.

        ``data`` is an object, and gets ``id`` (the subject's) unless it has one; ``traceparent`` names the span that
        caused this, by default the request that this task serves. Raises StoreUnavailable: then send again.
        """
        message_id, now_s = message_id_of(event, subject_id), self._clock.time()
        request = current.get()
        cause = traceparent or (request.traceparent if request is not None else "")
        body = {"type": event, "timestamp": _iso(now_s), "data": {"id": subject_id, **data}}
        fields = {
            "event": event,
            "subject_id": subject_id,
            "tenant": tenant,
            "url": url,
            "body": orjson.dumps(body).decode(),
            "created_at": repr(now_s),
            "traceparent": cause,
        }
        state = await self._records.open(message_id, fields, now_s)
        if state in ("new", "pending"):
            await self._queue.put(TASK, message_id, message_id)
        return message_id

    async def peek(self, message_id: str) -> dict[str, Any] | None:
        """What became of a message so far; None when it is not known (any more). Raises StoreUnavailable."""
        message = await self._records.read(message_id)
        return None if message is None else message.shown()

    async def listed(self, state: State, limit: int) -> list[dict[str, Any]]:
        """The newest messages of this state. Raises StoreUnavailable."""
        return [message.shown() for message in await self._records.listed(state, limit)]

    async def redrive(self, message_id: str) -> None:
        """Try a dead message again from the beginning, or one that waits at once.

        Raises NotFound, Conflict (it was delivered) and StoreUnavailable.
        """
        verdict, times = await self._records.redrive(message_id, self._clock.time())
        if verdict == "gone":
            raise NotFound(f"there is no message {message_id[:80]!r}; the list of dead ones has their ids")
        if verdict != "ok":
            raise Conflict(f"{message_id} was delivered; only what is dead or waits can be sent off again")
        await self._queue.put(TASK, f"{message_id}:{times}", message_id)

    async def deliver(self, message_id: str) -> None:
        """One try, if it is time for one. Raises Later while the message is to be tried again."""
        try:
            await self._deliver(message_id)
        except (Later, StoreUnavailable):
            raise
        except Exception:
            log.exception("webhook_failed", message_id=message_id)
            raise Later(DEFECT_S) from None

    async def _deliver(self, message_id: str) -> None:
        message = await self._records.read(message_id)
        if message is None:
            await self._records.unlist(message_id)
            return
        if message.state != "pending":
            await self._ended(message)  # a worker died between its record and this
            return
        full_for_s = self._hosts.take(message.receiver, message_id)
        if full_for_s is not None:
            raise Later(full_for_s)
        began_s = self._clock.monotonic()
        try:
            claim = await self._records.claim(message_id)
            if claim.verdict in ("busy", "early"):
                raise Later(claim.left_s)
            if claim.verdict == "mine":
                await self._try(message, claim)
        finally:
            self._hosts.give_back(message.receiver, self._clock.monotonic() - began_s)

    async def _try(self, message: Message, claim: Claim) -> None:
        began_s, t = self._clock.monotonic(), self._clock.time()
        trace_id, span_id = os.urandom(16).hex(), os.urandom(8).hex()
        headers = self.signer.headers(tenant=message.tenant, message_id=message.id, body=message.body, now_s=t) | {
            "traceparent": f"00-{trace_id}-{span_id}-01",
            "x-request-id": message.id,
            "x-attempt": str(claim.tries),
        }
        tried = await self._poster.post(message.url, message.body.encode(), headers, tenant=message.tenant)
        told = Try(
            message_id=message.id,
            event=message.event,
            tenant=message.tenant,
            number=claim.tries,
            status=tried.status,
            error=tried.error,
            t=t,
            duration_s=self._clock.monotonic() - began_s,
            trace_id=trace_id,
            span_id=span_id,
            cause=message.traceparent,
        )
        self._telemetry.webhook_tried(told)
        await self._settle(message, claim, tried, told)

    async def _settle(self, message: Message, claim: Claim, tried: Tried, told: Try) -> None:
        """Write down what came of a try; raises Later while it is to be made again."""
        made = claim.tries - claim.spent
        state: State = "delivered"
        next_in_s = 0.0
        if tried.error is not None:
            is_last = tried.error == "gone" or made >= self._settings.tries
            state = "dead" if is_last else "pending"
            next_in_s = 0.0 if is_last else max(backoff_s(self._settings, made), tried.wait_s or 0.0)
        written = await self._records.finish(
            message.id,
            claim,
            state,
            status=tried.status,
            error=tried.error,
            next_in_s=next_in_s,
            now_s=self._clock.time(),
        )
        if state == "pending" or not written:  # not written: another has the claim, and the message is looked at again
            raise Later(next_in_s)
        ended = await self._records.read(message.id)
        if ended is not None:
            await self._ended(ended, told)

    async def _ended(self, message: Message, last: Try | None = None) -> None:
        """Tell the end of a message, and list it; again, when a worker died before it had.

        Several may tell of it, and readers take it once; but who finds it listed has nothing to tell.
        """
        ended_at = message.ended_at or self._clock.time()
        if await self._records.is_listed(message.id):
            self._telemetry.webhook_ended(self._record(message, ended_at), last)
        await self._records.enlist(message.id, message.state, ended_at)

    def _record(self, message: Message, ended_at: float) -> dict[str, Any]:
        return {
            "message_id": message.id,
            "type": message.event,
            "subject_id": message.subject_id,
            "tenant": message.tenant,
            "outcome": message.state,
            "tries": message.tries,
            "status": message.last_status,
            "error": message.last_error,
            "receiver": message.receiver,
            "t": message.created_at,
            "ended": ended_at,
            "duration_ms": round((ended_at - message.created_at) * 1000, 3),
        }

    async def sweep(self) -> None:
        """Put again what has waited beyond its time: its task was lost. Raises StoreUnavailable."""
        overdue, goes_on = await self._records.overdue(self._clock.time(), self._swept, MOST_SWEPT)
        self._swept = self._swept + MOST_SWEPT if goes_on else 0
        await self._queue.mend(TASK, overdue)

    async def _look(self) -> None:
        sweep_at_s = self._clock.monotonic() + SWEEP_S
        while True:
            try:
                self._levels = await self._records.levels(self._clock.time())
                if self._clock.monotonic() >= sweep_at_s:
                    sweep_at_s = self._clock.monotonic() + SWEEP_S
                    await self.sweep()
            except StoreUnavailable:
                self._levels = None
            except Exception:
                log.exception("sweep_failed")
            await self._clock.sleep(LEVELS_S)


def _iso(unix_s: float) -> str:
    """ISO 8601 in UTC, as the scheme's ``timestamp``."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
