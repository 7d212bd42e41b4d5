"""What travels inwards through the gauntlet: an ``Ask``, which also notes what became of it on the way.

Passages through stages, decisions and attempts at providers are what books and traces are made from. Next:
``reply.py``.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..clock import Clock
from ..llm.provider import Message, Usage
from ..llm.routes import Route, Rung
from ..settings import SEARCHERS
from .cached_answer import CachedAnswer


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
    stale: CachedAnswer | None = None
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
