"""What travels through the gauntlet: an ``Ask`` inwards, a ``Reply`` outwards.

A reply is returned once it is *committed*: at the first token, or whole when not streamed. So "before the first token"
is "raised from ``await go_on(ask)``", and retry and fail-over are plain try/except in one code path for both forms.
Hooks given to ``Reply.on_end`` run once, innermost first (DESIGN, section 2). Next: ``chain.py``.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import structlog

from ..clock import Clock
from ..llm.provider import Message, Usage
from ..llm.routes import Route, Rung
from ..settings import SEARCHERS
from .citations import Citation

if TYPE_CHECKING:
    from .cache import CachedAnswer

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


@dataclass(slots=True, eq=False)
class Entered:
    """One passage through a stage: from where, when, and how it ended. ``error`` is the code of what it raised."""

    stage: str
    parent: "Entered | None"
    started_s: float
    left_s: float
    ended_s: float = 0.0
    error: str | None = None


@dataclass(slots=True)
class Attempt:
    """One call to a provider, as the books see it: numbered over the whole request, all rungs.

    ``span_id`` is what the provider is told as its caller (16 hex digits). ``exact``: the usage is the provider's own
    word, or it refused and bills nothing; otherwise ``most_nano_usd`` bounds its bill. ``text`` is the answer, kept
    only where content is captured.
    """

    provider: str
    model: str
    number: int
    started_s: float
    parent: Entered | None = None
    span_id: str = field(default_factory=lambda: os.urandom(8).hex())
    status: str = "pending"
    upstream_status: int | None = None
    usage: Usage = field(default_factory=Usage)
    cost_nano_usd: int | None = 0
    exact: bool = False
    most_nano_usd: int | None = None
    first_token_s: float | None = None
    duration_s: float | None = None
    finish_reason: str | None = None
    response_id: str | None = None
    response_model: str | None = None
    text: str | None = None


@dataclass(slots=True, frozen=True)
class Retrieved:
    """What retrieval did for a question. ``mode`` says by which means, ``none`` where nothing could be searched.

    ``cached``: whether the question's vector was known; None where none was wanted.
    """

    passages: int
    mode: str
    cached: bool | None
    duration_s: float


Decision = tuple[str, str, float, dict[str, Any]]
"""Stage, decision, seconds since the request began, inputs."""


@dataclass(slots=True)
class Ask:
    """One question on its way inwards.

    ``deadline_s`` and ``rung_deadline_s`` are on the clock's monotonic scale. The fallback stage moves ``rung``; the
    cache stage sets ``stale``, the retry stage ``earned_retries``. ``off`` is the snapshot of the stages that are
    switched off. ``inside`` is the passage through a stage that the question is in. ``captures``: whether its text may
    be told, masked, to those who watch. ``asked_system`` is the system message without what was found for the question.
    """

    request_id: str
    tenant: str
    user: str
    route: Route
    messages: tuple[Message, ...]
    clock: Clock
    started_s: float
    deadline_s: float
    system: str | None = None
    max_tokens: int = 1024
    temperature: float | None = None
    seed: int | None = None
    stream: bool = False
    off: frozenset[str] = frozenset()
    traceparent: str | None = None
    payload: Any = None
    captures: bool = False
    rung: Rung = field(init=False)
    rung_deadline_s: float = field(init=False)
    allowed_s: float = field(init=False)
    asked_system: str | None = field(init=False)
    last_rung: bool = True
    stale: "CachedAnswer | None" = None
    retrieved: Retrieved | None = None
    earned_retries: bool = False
    limits: dict[str, str] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    path: list[Decision] = field(default_factory=list)
    entered: list[Entered] = field(default_factory=list)
    inside: Entered | None = None
    holds: int = 0
    at_rest: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rung = self.route.rungs[0]
        self.asked_system = self.system
        self.rung_deadline_s = self.deadline_s
        self.allowed_s = self.deadline_s - self.started_s

    def report(self, stage: str, decision: str, **inputs: Any) -> None:
        """Record what a stage decided, and from what: shown by ``?explain=1`` and by the traces."""
        self.path.append((stage, decision, self.clock.monotonic() - self.started_s, inputs))

    def enter(self, stage: str) -> Entered:
        """A passage through ``stage`` begins."""
        now = self.clock.monotonic()
        entered = self.inside = Entered(stage, self.inside, now, self.deadline_s - now)
        self.entered.append(entered)
        return entered

    def leave(self, entered: Entered) -> None:
        """It ends."""
        entered.ended_s = self.clock.monotonic()
        self.inside = entered.parent

    def attempt(self) -> Attempt:
        """A call to the present rung's provider begins."""
        number, now = len(self.attempts) + 1, self.clock.monotonic()
        attempt = Attempt(self.rung.provider, self.rung.model, number, now, self.inside)
        self.attempts.append(attempt)
        return attempt

    def hold(self) -> None:
        """Calls may go on for others after this request has ended: whoever keeps its book waits for ``release``."""
        self.holds += 1

    def release(self) -> None:
        """What was held for has ended."""
        self.holds -= 1
        if not self.holds:
            waiting, self.at_rest = self.at_rest, []
            for then in waiting:
                then()

    def when_at_rest(self, then: Callable[[], None]) -> None:
        """Call ``then`` once nothing goes on for the request any more, although it has ended; now, if nothing does."""
        if self.holds:
            self.at_rest.append(then)
        else:
            then()

    @property
    def usage(self) -> Usage:
        """Tokens of all attempts, failed ones too."""
        if len(self.attempts) == 1:  # nearly always
            return self.attempts[0].usage
        return sum((attempt.usage for attempt in self.attempts), Usage())

    @property
    def answer_usage(self) -> Usage:
        """Of those to models that answer; what embeddings and reranker read shows in the cost alone."""
        return sum((attempt.usage for attempt in self.attempts if attempt.provider not in SEARCHERS), Usage())

    @property
    def cost_nano_usd(self) -> int | None:
        """Price of all attempts; None when one of them has no price."""
        total = 0
        for attempt in self.attempts:
            if attempt.cost_nano_usd is None:
                return None
            total += attempt.cost_nano_usd
        return total

    @property
    def hurried(self) -> bool:
        """Whether the caller allowed less time than the route does: what comes of that is the caller's own."""
        return self.allowed_s < self.route.deadline_s

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return self.deadline_s - self.clock.monotonic()


EndHook = Callable[["Reply", Outcome, BaseException | None], None]
Next = Callable[[Ask], Awaitable["Reply"]]


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
