"""What travels outwards through the gauntlet: a ``Reply``, and the events that one which is not whole yields.

A reply is returned once it is *committed*: at the first token, or whole when not streamed. So "before the first token"
is "raised from ``await go_on(ask)``", and retry and fail-over are plain try/except in one code path for both forms.
Hooks given to ``Reply.on_end`` run once, innermost first (DESIGN, section 2). Next: ``chain.py``.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from .citations import Citation

log = structlog.get_logger(__name__)
Source = Literal["live", "cache", "shared", "provider", "smaller_model", "stale", "message", "later"]
Outcome = Literal["whole", "cancelled", "error"]


@dataclass(slots=True, frozen=True)
class Delta:
    """A piece of the answer's text."""

    text: str


@dataclass(slots=True, frozen=True)
class Restart:
    """Drop what you have: the next rung starts over (policy ``restart``)."""

    reason: str


Event = Delta | Restart


EndHook = Callable[["Reply", Outcome, BaseException | None], None]


class Reply:
    """An answer that is committed: its text when whole, else its events as they come.

    Iterate it for events (a whole reply yields one ``Delta``). It ends exactly once: ``whole`` when its events are
    through, ``error`` when they raise, ``cancelled`` by ``aclose`` before that; a whole reply by ``end`` or ``aclose``.
    ``inner`` is the reply that ``events`` will read: closed with this one, even if nobody ever asked for an event.
    ``sources`` is what its ``[n]`` mean: None where nobody has said.
    ``cost_nano_usd`` is what the answer itself cost when it was made (None: not known); ``outcome`` and ``error`` (its
    code) say how the reply ended.
    """

    __slots__ = (
        "_ended",
        "_events",
        "_hooks",
        "_inner",
        "_lacked",
        "_unread",
        "cost_nano_usd",
        "degraded",
        "error",
        "finish_reason",
        "ignored",
        "model",
        "outcome",
        "provider",
        "retry_after_s",
        "source",
        "sources",
        "text",
    )

    def __init__(
        self,
        *,
        source: Source,
        provider: str | None,
        model: str | None,
        text: str | None = None,
        events: AsyncIterator[Event] | None = None,
        inner: "Reply | None" = None,
        finish_reason: str | None = None,
        ignored: tuple[str, ...] = (),
    ) -> None:
        self.source: Source = source
        self.provider = provider
        self.model = model
        self.text = text
        self.finish_reason = finish_reason
        self.ignored = ignored
        self.degraded: list[str] = []
        self.sources: tuple[Citation, ...] | None = None
        self._lacked: tuple[str, ...] = ()
        self.retry_after_s: float | None = None
        self.cost_nano_usd: int | None = None
        self.outcome: Outcome | None = None
        self.error: str | None = None
        self._unread = text is not None
        self._events = events
        self._inner = inner
        self._hooks: list[EndHook] = []
        self._ended = False

    def resemble(self, other: "Reply") -> None:
        """Say of the answer what ``other`` says of it: where from, why, how it ended."""
        self.source, self.provider, self.model = other.source, other.provider, other.model
        self.degraded = list(dict.fromkeys([*self._lacked, *other.degraded]))
        self.ignored = other.ignored
        self.sources = self.sources if other.sources is None else other.sources
        self.finish_reason, self.retry_after_s = other.finish_reason, other.retry_after_s
        self.cost_nano_usd = other.cost_nano_usd

    def given(self, sources: tuple[Citation, ...], lacked: list[str]) -> None:
        """Say what the model was given to answer from, and what was lacking for that, whatever rung answers."""
        self._lacked = tuple(lacked)
        self.degraded[:0] = lacked
        self.sources = sources if self.sources is None else self.sources

    def on_end(self, hook: EndHook) -> None:
        """Run ``hook`` when the reply ends; inner stages' hooks run first. Synchronous: post work, do not do it."""
        self._hooks.append(hook)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._events is None:
            if not self._unread:
                raise StopAsyncIteration
            self._unread = False
            return Delta(self.text or "")
        try:
            return await anext(self._events)
        except StopAsyncIteration:
            self.end("whole")
            raise
        except Exception as error:
            self.end("error", error)
            raise

    def end(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """Run the hooks, the first time only."""
        if self._ended:
            return
        self._ended = True
        self.outcome, self.error = outcome, getattr(error, "code", None)
        for hook in self._hooks:
            try:
                hook(self, outcome, error)
            except Exception:
                # One stage's defect must not keep another's slot or budget for ever.
                log.exception("end_hook_failed", outcome=outcome)

    async def aclose(self) -> None:
        """End the reply: ``whole`` when its text is, else ``cancelled``, which also cancels the upstream call."""
        if self._ended:
            return
        try:
            close = getattr(self._events, "aclose", None)
            if close is not None:
                await close()
        finally:
            try:
                if self._inner is not None:
                    await self._inner.aclose()
            finally:
                self.end("whole" if self._events is None else "cancelled")
