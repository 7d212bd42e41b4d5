"""Fallback: a ladder per route, each rung under its own precondition, the answer labelled with the reason.

Next provider; smaller model (on another provider than those that failed, or when too little time is left); stale
answer, when the cache had one; the honest message with the time to come back. The caller's errors pass through at
once; a context that is too long goes only to a rung that declares a larger one. Failing over spends no retry budget.
A rung other than the last gets at most half of the time left, so that a hang fails over. Here, too, a stream that
breaks after its first token gets the policy of its route: ``restart``, ``error`` or ``buffer``. Chapter, section 8,
exercise 4; DESIGN, section 2. Next: ``retry.py``.
"""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from http import HTTPStatus

import structlog

from ..clock import Clock
from ..errors import (
    AllMisconfigured,
    ContextTooLong,
    DeadlineExceeded,
    Misconfigured,
    ProviderError,
)
from ..llm.routes import Rung
from ..settings import FallbackSettings
from .ask import Ask
from .chain import Next
from .reply import Delta, Event, Reply, Restart, Source

log = structlog.get_logger(__name__)
HONEST_MESSAGE = (
    "I cannot answer right now: the language model providers behind this service are not available. "
    "Nothing of your message was lost on your side; please ask again in {seconds} s."
)


TOO_LITTLE_TIME = "too_little_time"


class Fallback:
    """The stage. ``returns_in_s`` tells when a provider may be called again (the breaker knows)."""

    name = "fallback"

    def __init__(self, settings: FallbackSettings, *, returns_in_s: Callable[[str], float], clock: Clock) -> None:
        self._settings = settings
        self._returns_in_s = returns_in_s
        self.clock = clock

    async def __call__(self, ask: Ask, go_on: Next) -> Reply:
        """Walk the ladder. Raises the caller's errors, AllMisconfigured and DeadlineExceeded; never a provider's."""
        walk = _Walk(self, ask, go_on)
        reply = await walk.next_reply()
        if reply is None:
            return self.without_provider(walk)
        if reply.text is not None or ask.route.broken_stream == "error":
            return walk.label(reply)
        return walk.restarting(walk.label(reply))

    def applies(self, ask: Ask, index: int, failed: set[str]) -> str | None:
        """Why the rung may not be tried; None when it may."""
        rungs = ask.route.rungs
        rung = rungs[index]
        left_s = ask.left_s - self._settings.reserve_s
        short = left_s < self._settings.smaller_below_s
        if rung.smaller and rung.provider in failed and not short:
            return "same_provider_failed"
        if not rung.smaller and short and any(later.smaller for later in rungs[index + 1 :]):
            return TOO_LITTLE_TIME
        return None

    def give_time(self, ask: Ask, last: bool) -> None:
        """Set the rung's deadline: all that is left but the reserve, or a share of it when a rung comes after."""
        left_s = ask.left_s - self._settings.reserve_s
        share = 1.0 if last else self._settings.rung_share
        ask.last_rung = last
        ask.rung_deadline_s = self.clock.monotonic() + max(left_s * share, 0)

    def without_provider(self, walk: "_Walk") -> Reply:
        """The end of the ladder: the stale answer, else the honest message; raises when neither would be honest."""
        if walk.too_long is not None:
            raise walk.too_long
        ask, failures, reasons = walk.ask, walk.failures, walk.reasons()
        if ask.stale is not None:
            ask.report(self.name, "stale", age_s=round(ask.stale.age_s, 1), reasons=reasons)
            reply = ask.stale.reply("stale")
            reply.degraded.extend(reasons)
            return reply
        if failures and all(isinstance(error, Misconfigured) for _, error in failures):
            ask.report(self.name, "all_misconfigured", reasons=reasons)
            raise AllMisconfigured(
                "no provider takes the service's credentials or model names; an operator must look at the log",
                degraded=reasons,
            )
        if not failures:
            raise DeadlineExceeded(
                "no time was left to ask a provider; give the request a longer X-Deadline-Ms", retry_after_s=1.0
            )
        seconds = max(1, math.ceil(min(self._returns_in_s(rung.provider) for rung in ask.route.rungs)))
        ask.report(self.name, "message", retry_after_s=seconds, reasons=reasons)
        reply = Reply(source="message", provider=None, model=None, text=HONEST_MESSAGE.format(seconds=seconds))
        reply.retry_after_s = seconds
        reply.degraded.extend(reasons)
        return reply


class _Walk:
    """One request's way down its ladder; it goes on where a broken stream left off."""

    def __init__(self, stage: Fallback, ask: Ask, go_on: Next) -> None:
        self._stage = stage
        self.ask = ask
        self._go_on = go_on
        self._rungs = ask.route.rungs
        self._index = 0
        self._inside = ask.inside
        self.failures: list[tuple[Rung, ProviderError]] = []
        self.too_long: ContextTooLong | None = None
        """Set while no rung with a larger context was asked after it."""
        self._hurried = False

    async def next_reply(self) -> Reply | None:
        """The committed reply of the next rung that has one; None when the ladder ends."""
        ask, stage = self.ask, self._stage
        needed_context: int | None = None
        while self._index < len(self._rungs):
            index, self._index = self._index, self._index + 1
            rung = self._rungs[index]
            failed = {other.provider for other, error in self.failures if error.upstream_status != HTTPStatus.NOT_FOUND}
            why_not = stage.applies(ask, index, failed)
            if needed_context is not None and (rung.context_tokens or 0) <= needed_context:
                why_not = "context_no_larger"
            if why_not is not None:
                self._hurried = self._hurried or why_not == TOO_LITTLE_TIME
                ask.report(stage.name, "skip", rung=index, model=rung.model, why=why_not)
                continue
            last = not any(
                stage.applies(ask, later, failed | {rung.provider}) is None
                for later in range(index + 1, len(self._rungs))
            )
            stage.give_time(ask, last)
            if ask.rung_deadline_s <= stage.clock.monotonic():
                self._hurried = True
                break
            ask.rung = rung
            ask.report(
                stage.name,
                "rung",
                rung=index,
                provider=rung.provider,
                model=rung.model,
                last=last,
                why=", ".join(self.reasons()) or "first of the route",
            )
            self.too_long = None
            try:
                reply = await self._go_on(ask)
                if not self._buffers(reply):
                    return reply
                try:
                    return await self._hold(reply)
                except ProviderError:
                    self._begin_anew()
                    raise
            except ContextTooLong as error:
                later = [r.context_tokens or 0 for r in self._rungs[self._index :]]
                needed_context = rung.context_tokens or 0
                if not any(tokens > needed_context for tokens in later):
                    raise
                self.too_long = error
                ask.report(stage.name, "larger_context", reason=error.code)
            except ProviderError as error:
                self._failed(rung, error)
        return None

    def _failed(self, rung: Rung, error: ProviderError) -> None:
        self.failures.append((rung, error))
        self.ask.report(self._stage.name, "failed", provider=rung.provider, model=rung.model, reason=error.code)
        if isinstance(error, Misconfigured):
            log.error(
                "provider_misconfigured",
                provider=rung.provider,
                model=rung.model,
                upstream_status=error.upstream_status,
                reason=error.message,
                request_id=self.ask.request_id,
            )

    def _begin_anew(self) -> None:
        """A stream that broke had met the deadline for its first token: the rest of the ladder gets a fresh one."""
        self.ask.deadline_s = self._stage.clock.monotonic() + self.ask.allowed_s

    def _buffers(self, reply: Reply) -> bool:
        return reply.text is None and self.ask.route.broken_stream == "buffer"

    async def _hold(self, reply: Reply) -> Reply:
        """Policy ``buffer``: read the stream to its end before anything of it is passed on."""
        parts: list[str] = []
        async with aclosing(reply):
            async for event in reply:
                if isinstance(event, Delta):
                    parts.append(event.text)
        held = Reply(source=reply.source, provider=reply.provider, model=reply.model, text="".join(parts))
        held.resemble(reply)
        return held

    def label(self, reply: Reply) -> Reply:
        """Say where the answer came from, and why it is not the first rung's."""
        if self.ask.rung is not self._rungs[0]:
            reply.source = self._source()
        reply.degraded.extend(self.reasons())
        return reply

    def reasons(self) -> list[str]:
        """Why not the first rung: what failed, in order, and whether there was no time."""
        failed = [f"{rung.provider}:{error.code}" for rung, error in self.failures]
        return list(dict.fromkeys([*failed, *([f"deadline:{TOO_LITTLE_TIME}"] if self._hurried else [])]))

    def _source(self) -> Source:
        return "smaller_model" if self.ask.rung.smaller else "provider"

    def restarting(self, first: Reply) -> Reply:
        """Policy ``restart``: a reply whose events go on with the next rung when the stream breaks."""
        outer = Reply(
            source=first.source,
            provider=first.provider,
            model=first.model,
            events=self._events(first, lambda: outer),
            inner=first,
        )
        outer.resemble(first)
        return outer

    async def _events(self, first: Reply, get_outer: Callable[[], Reply]) -> AsyncIterator[Event]:
        outer, current = get_outer(), first
        restart: Restart | None = None
        while True:
            try:
                async with aclosing(current):
                    if restart is not None:
                        yield restart
                    async for event in current:
                        yield event
            except ProviderError as error:
                restart = Restart(error.code)
                self._failed(self.ask.rung, error)
            else:
                outer.finish_reason, outer.cost_nano_usd = current.finish_reason, current.cost_nano_usd
                return
            self._begin_anew()
            self.ask.inside = self._inside  # where the ladder goes on, although the stage was left long ago
            following = await self.next_reply()
            if following is None:
                following = self._stage.without_provider(self)
            else:
                self.label(following)
            outer.resemble(following)
            current = following
