"""Cache: the same question is answered once.

Which ones are the same its key says (``cache_key.py``). An answer is fresh for an hour, kept for a day for the stale
rung (``cached_answer.py``). Temperature above 0 without a seed bypasses, and so does what may hold personal data;
errors, degraded answers, those of a rung above 0 and truncated or empty ones are never stored; where no corpus has been
read yet, neither. Single-flight over all workers: a hundred same questions at once are one provider call. Within a
worker waiters share the leader's answer (``flight.py``), a stream as it comes (``broadcast.py``); across workers a
lease names the leader and holds while its worker lives (``../store/liveness.py``), and a message wakes who waits.
Chapter, sections 4 and 6. Next: ``rate_limit.py``.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from secrets import token_hex

import structlog

from ..clock import Clock
from ..errors import CallerError, DeadlineExceeded, ProviderError, StoreUnavailable
from ..observability.pii import suspected
from ..settings import CacheSettings
from ..store.guard import Store
from ..store.liveness import Liveness
from ..store.replica import Replica
from ..store.script import Script
from ..store.settle import Settle
from .ask import Ask
from .broadcast import Broadcast
from .cache_key import key_of
from .cached_answer import CachedAnswer
from .chain import Next
from .citations import cited
from .flight import Flight, Flights
from .reply import Outcome, Reply, Source

log = structlog.get_logger(__name__)
CHANNEL = "gauntlet:flights"
MOST_UNRELEASED = 10_000
"""Leases remembered for a store that is away; the others run out by themselves."""
RELEASED_PER_BEAT = 200
SHARED_MS = 1000
"""An answer that is not kept (degraded, say) is there so long for those in other workers who already wait for it."""
LEASE_MS = 65_000
"""Longer than a stream may take by default; a lease usually ends with its call, or with the life of its worker."""
OWN_WHEN_HURRIED = ("message", "smaller_model", "stale")
"""Answers that a leader may owe to a deadline of its own: those who wait have more time, so one of them leads."""
WAIT_SHARE = 0.7
"""A leader who may need more time than a waiter has gets this share of the waiter's; then one who waited leads."""
LOOK_SHARE = 0.5
"""Another worker's leader gets less, so that ours has begun before those who wait for it lose patience."""
AT_ONCE_S = 0.2
"""Another worker's leader with a deadline so much later than ours asked at once with us: it keeps more to answer."""


Landed = CachedAnswer | Broadcast
"""What a flight brings to those who wait: the whole answer, or its stream."""


class Cache:
    """The stage."""

    name = "cache"

    def __init__(
        self,
        settings: CacheSettings,
        *,
        store: Store,
        replica: Replica,
        liveness: Liveness,
        settle: Settle,
        clock: Clock,
        searched: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._searched = searched
        self._settings = settings
        self._clock = clock
        self._store = store
        self._settle = settle
        self._read = Script(store, __package__, "cache_read")
        self._end = Script(store, __package__, "cache_end")
        self._flights: Flights[Landed] = Flights()
        self._looking: dict[str, asyncio.Event] = {}
        self._unreleased: dict[str, str] = {}
        self._liveness = liveness
        liveness.on_beat(self._release_again)
        replica.listen(CHANNEL, self._woken)

    async def __call__(self, ask: Ask, go_on: Next) -> Reply:
        """A fresh answer, a shared one, or the one that this request brings for all who wait."""
        if ask.temperature and ask.seed is None:
            ask.report(self.name, "bypass", why="temperature without seed")
            return await go_on(ask)
        if any(suspected(message.content) for message in ask.messages) or suspected(ask.system or ""):
            ask.report(self.name, "bypass", why="it may hold personal data")
            return await go_on(ask)
        searched = self._searched() if ask.route.retrieval else ""
        if searched is None:
            ask.report(self.name, "bypass", why="no corpus has been read yet")
            return await go_on(ask)
        key = key_of(ask, searched)
        follows, patient = ask.route.broken_stream if ask.stream else "", True
        while True:
            flight, waiter = self._flights.join(key, token_hex(16), follows)
            if waiter is None:
                return await self._lead(ask, go_on, key, flight, patient=patient)
            landed = await self._wait(ask, key, flight, waiter, follows)
            if isinstance(landed, Broadcast):
                if landed.abandoned:  # its last reader has just left: wait for the lead
                    flight.begun = None
                    continue
                ask.report(self.name, "shared", why="its stream is under way")
                return landed.reader("shared")
            if landed is not None:
                return self._shared(ask, landed)
            if not waiter.cancelled():
                return await self._lead(ask, go_on, key, flight, patient=True)
            # It took too long: of those who waited one leads anew, without waiting again, and the others join it.
            self._flights.close(key, flight)
            patient = False

    async def _wait(
        self,
        ask: Ask,
        key: str,
        flight: Flight[Landed],
        waiter: "asyncio.Future[Landed | None]",
        follows: str,
    ) -> Landed | None:
        """What the leader brings; None when we are to lead, or when it took too long (the waiter is then cancelled)."""
        ask.report(self.name, "wait", why="the same question is under way")
        share = 1.0 if flight.brings_by(ask.deadline_s, follows) else WAIT_SHARE
        try:
            async with self._clock.timeout_at(self._clock.monotonic() + ask.left_s * share):
                return await waiter
        except TimeoutError:
            if waiter.done() and not waiter.cancelled():  # it came in the very turn in which we gave up
                return waiter.result()
            waiter.cancel()
            ask.report(self.name, "waited", why="the leader takes too long")
            return None
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and not waiter.exception() and waiter.result() is None:
                self._failed(key, flight, asyncio.CancelledError())  # we were just made the leader: pass it on
            raise

    def _shared(self, ask: Ask, answer: CachedAnswer) -> Reply:
        source: Source = "shared" if answer.source == "live" else answer.source
        ask.report(self.name, "shared", source=source)
        return answer.reply(source)

    async def _lead(self, ask: Ask, go_on: Next, key: str, flight: Flight[Landed], *, patient: bool) -> Reply:
        flight.lead(ask.deadline_s, ask.route.broken_stream if ask.stream else "")
        try:
            cached = await self._look(ask, key, flight, patient=patient)
            if cached is not None:
                flight.land(cached)
                self._flights.close(key, flight)
                return cached.reply(cached.source)
            reply = await go_on(ask)
        except BaseException as error:
            self._failed(key, flight, error)
            raise
        if reply.text is not None:
            self._brought(ask, key, flight, reply, reply.text)
            return reply
        stream = Broadcast(reply)
        ask.hold()  # the stream may go on for others after this request

        def ended(_: Reply, outcome: Outcome, error: BaseException | None) -> None:
            try:
                if outcome == "whole":
                    self._brought(ask, key, flight, reply, stream.text)
                else:
                    self._failed(key, flight, error or asyncio.CancelledError())
            finally:
                ask.release()

        reply.on_end(ended)
        flight.begin(stream)
        return stream.reader()

    async def _look(self, ask: Ask, key: str, flight: Flight[Landed], *, patient: bool) -> CachedAnswer | None:
        """What the store or, to the ``patient``, another worker has; None when it is ours to bring."""
        settings = self._settings
        until_s = self._clock.monotonic() + ask.left_s * LOOK_SHARE
        fresh_left_ms = round((settings.keep_s - settings.fresh_s) * 1000)
        names = _keys(key)
        woken = asyncio.Event()
        if patient:
            self._looking[key] = woken
        first, dead = True, ""
        try:
            while True:
                woken.clear()
                # An unanswered read may have taken the lease all the same.
                flight.leased = flight.leased or not self._store.away
                within_ms = -1 if ask.stream else max(round(ask.left_s * 1000), 0)
                verdict, value, left_ms, worker, lands_ms = await self._read(
                    names, flight.owner, self._liveness.worker, LEASE_MS, fresh_left_ms, dead, within_ms, int(not first)
                )
                flight.leased = verdict == b"lead"
                shared = _decoded(value, 0.0) if verdict == b"shared" else None
                if shared is not None:
                    ask.report(self.name, "shared", source=shared.source)
                    return replace(shared, source="shared" if shared.source == "live" else shared.source)
                if value is not None:
                    ask.stale = _decoded(value, max(settings.keep_s - int(left_ms) / 1000, 0.0))
                if verdict == b"fresh":
                    if ask.stale is None:
                        ask.report(self.name, "miss", why="the stored answer cannot be read")
                        return None
                    ask.report(self.name, "hit", age_s=round(ask.stale.age_s, 1))
                    return replace(ask.stale, source="cache" if first else "shared")
                if verdict == b"lead":
                    ask.report(self.name, "miss", stale=ask.stale is not None)
                    return None
                if first and patient:
                    ask.report(self.name, "wait", why="another worker asks the same")
                first = False
                in_time = 0 <= int(lands_ms) <= (ask.left_s + AT_ONCE_S) * 1000
                if not patient or ask.left_s <= 0 or (not in_time and self._clock.monotonic() >= until_s):
                    ask.report(self.name, "miss", why="the leader takes too long", stale=ask.stale is not None)
                    return None
                if not await self._liveness.lives(worker.decode()):
                    dead = worker.decode()
                    continue
                try:
                    async with self._clock.timeout_at(self._clock.monotonic() + settings.poll_s):
                        await woken.wait()
                except TimeoutError:
                    continue
        except StoreUnavailable as error:
            ask.report(self.name, "miss", why=error.code)
            return None
        finally:
            if self._looking.get(key) is woken:
                del self._looking[key]

    def _brought(self, ask: Ask, key: str, flight: Flight[Landed], reply: Reply, text: str) -> None:
        """The leader has the whole answer: store it if it may be stored, share it, end the flight."""
        answer = CachedAnswer(
            text=text,
            provider=reply.provider,
            model=reply.model,
            finish_reason=reply.finish_reason,
            source=reply.source,
            degraded=tuple(reply.degraded),
            ignored=reply.ignored,
            retry_after_s=reply.retry_after_s,
            cost_nano_usd=reply.cost_nano_usd,
            citations=None if reply.sources is None else cited(text, reply.sources),
        )
        # In every order of the stages: to a cache inside the ladder each rung's answer is live.
        first = reply.source == "live" and not reply.degraded and ask.rung is ask.route.rungs[0]
        personal = suspected(text)
        storable = first and reply.finish_reason == "stop" and bool(text) and not personal
        ask.report(self.name, "store" if storable else "not_stored", source=reply.source, finish=reply.finish_reason)
        if ask.hurried and reply.source in OWN_WHEN_HURRIED:
            self._failed(key, flight, DeadlineExceeded("the leader's own deadline was too short"))
            return
        flight.land(answer)
        self._flights.close(key, flight)
        encoded = answer.encode()
        self._release(key, flight, encoded if storable else b"", b"" if storable or personal else encoded)

    def _failed(self, key: str, flight: Flight[Landed], error: BaseException) -> None:
        """The leader failed: for itself alone, or for everybody who waits."""
        own = isinstance(error, CallerError | DeadlineExceeded | ProviderError) or not isinstance(error, Exception)
        if own and flight.hand_over():
            return
        if not own:
            flight.fail(error)
        self._flights.close(key, flight)
        self._release(key, flight, b"", b"")

    def _release(self, key: str, flight: Flight[Landed], value: bytes, shared: bytes) -> None:
        """Store ``value`` or hand on ``shared``; give the lease back, now or as soon as the store is back."""
        if flight.leased or (value and not self._store.away):
            self._settle.post(self._end_flight(key, flight.owner, value, shared, leased=flight.leased), self.name)

    async def _end_flight(self, key: str, owner: str, value: bytes, shared: bytes, *, leased: bool) -> None:
        keep_ms = round(self._settings.keep_s * 1000)
        try:
            await self._end(_keys(key), owner, value, keep_ms, CHANNEL, key, shared, SHARED_MS)
        except StoreUnavailable:
            if leased and len(self._unreleased) < MOST_UNRELEASED:
                self._unreleased[key] = owner
            raise

    def _release_again(self) -> None:
        """A lease that the store may hold for us although nobody leads must not keep others waiting."""
        for key in list(self._unreleased)[:RELEASED_PER_BEAT]:
            owner = self._unreleased.pop(key)
            self._settle.post(self._end_flight(key, owner, b"", b"", leased=True), self.name)

    def _woken(self, data: bytes) -> None:
        """Another worker is done with a key: who waits for it here looks again."""
        waiting = self._looking.get(data.decode())
        if waiting is not None:
            waiting.set()


def _decoded(data: bytes, age_s: float) -> CachedAnswer | None:
    """The stored answer; None for one that another version of the service wrote."""
    try:
        return CachedAnswer.decode(data, age_s)
    except (ValueError, KeyError, TypeError):
        log.warning("cached_answer_unreadable", bytes=len(data))
        return None


def _keys(key: str) -> tuple[str, str]:
    return f"cache:{{{key}}}", f"cache:{{{key}}}:lease"
