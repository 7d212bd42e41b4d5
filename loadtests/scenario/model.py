"""The parts of a scenario, as its TOML file has them; `loadtests/scenarios/outage.toml` is one to read beside this.

A scenario is a row of phases. Each has its load (arrivals per second, or users that wait for their answers; two numbers
are a ramp), and the faults that begin with it. So shapes are rows of phases: one is steady, three are a spike, a long
one is a soak. Expectations name a measure, a bound, and why it must hold. Read `timing.py` next: how one is shortened.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LLM_TARGETS = ("anthropic", "openai")
STORE, WORKER = "store", "worker"
PROCESSES = (STORE, WORKER)
"""What a scenario may break itself: processes of the workbench. All else is a fault of the simulator."""

PROCESS_FAULTS = ("kill", "pause")
KINDS = ("faq", "unique", "thread", "handbook", "refund", "job", "agent")
EFFECTS = ("refund", "job", "agent")
"""Kinds that are no question: they have an Idempotency-Key, and an end that comes later or is money."""

REFUND_PATH, JOBS_PATH, AGENT_PATH = "/refund", "/jobs", "/agent"
ASKED_AT = {"job": JOBS_PATH, "agent": AGENT_PATH}
"""Kind of what is done later -> where it is asked for, and below that how it stands."""

ENDED = frozenset({"completed", "failed", "cancelled", "rejected"})
"""The states in which it stays."""

ROUNDING_S = 1e-6
"""A shortened fault that ends with its phase may end a rounding error after it."""

LOUD = 100
"""Arrivals in a second, or users."""

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,30}$")]
Target = Literal["anthropic", "openai", "payments", "embeddings", "rerank", "webhooks"]
"""Whom the service calls: each is played by the simulator."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fault(_Strict):
    """One fault: a FAULT of the simulator's control API, or `store` or `worker` with `kill` or `pause`.

    `at_s` counts from the beginning of its phase; without `for_s` it ends with the phase. A `kill` with `every_s` comes
    again and again until its end, each time after a pause of about so long that the seed draws.
    """

    target: Target | Literal["store", "worker"]
    fault: str
    at_s: Seconds = 0.0
    for_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    every_s: Annotated[float, Field(ge=0.5, le=3600)] | None = None
    times: Count | None = None
    share: Share = 1.0
    match: Mapping[str, Any] = {}
    params: Mapping[str, Any] = {}

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.every_s and (self.target not in PROCESSES or self.fault != "kill"):
            raise ValueError("fault: every_s is for kills of store and worker; all other faults last")
        if self.target not in PROCESSES:
            return self
        if self.fault not in PROCESS_FAULTS:
            raise ValueError(f"fault: the {self.target} knows {' and '.join(PROCESS_FAULTS)}, not {self.fault!r}")
        if self.times or self.share < 1 or self.match or self.params:
            raise ValueError(
                f"fault: the {self.target}'s have no times, share, match or params; at_s, for_s and every_s say when"
            )
        return self


class Phase(_Strict):
    """A span of the scenario: `rate_per_s` arrivals (open) or `users` (closed), both alone or as a ramp [from, to].

    `at_least_s` bounds how far it is shortened, `at_once` arrivals come together when it begins, `say` is narrated.
    """

    name: Name
    for_s: Annotated[float, Field(gt=0, le=86_400)]
    at_least_s: Seconds = 3.0
    rate_per_s: Rate | tuple[Rate, Rate] | None = None
    users: Count | tuple[Count, Count] | None = None
    at_once: Annotated[int, Field(ge=0, le=10_000)] = 0
    say: str = ""
    fault: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for fault in self.fault:
            if fault.at_s + (fault.for_s or 0.0) > self.for_s + ROUNDING_S or fault.at_s >= self.for_s:
                raise ValueError(
                    f"the fault {fault.fault!r} of {fault.target} goes beyond the phase's {self.for_s:g} s"
                )
        return self

    @property
    def shortest_s(self) -> float:
        """How far it is shortened at most: a phase that is shorter than its bound stays as it is."""
        return min(self.at_least_s, self.for_s)

    @property
    def rates(self) -> tuple[float, float]:
        """Arrivals per second at its beginning and its end."""
        given = self.rate_per_s or 0.0
        return given if isinstance(given, tuple) else (given, given)

    @property
    def crowd(self) -> tuple[int, int]:
        """Users at its beginning and its end."""
        given = self.users or 0
        return given if isinstance(given, tuple) else (given, given)


class Mix(_Strict):
    """What is asked, in shares that sum to 1: questions that many ask (by Zipf's law), questions that nobody asked
    before, turns of long threads, questions that the handbook answers, refunds, long documents to be summed up (`job`),
    refunds that somebody asks the agent for. `stream_share` is of all questions, `openai_share` of those that are no
    turns.

    Refunds, jobs and wishes to the agent are sent `copies` times at once with one key, as by somebody who presses the
    button again; so often at once is an agent's proposal decided, `approve_share` of them to approve.
    """

    faq: Share = 0.5
    unique: Share = 0.5
    thread: Share = 0.0
    handbook: Share = 0.0
    refund: Share = 0.0
    job: Share = 0.0
    agent: Share = 0.0
    stream_share: Share = 0.4
    openai_share: Share = 0.1
    faq_questions: Annotated[int, Field(ge=1, le=40)] = 40
    zipf: Annotated[float, Field(ge=0, le=4)] = 1.0
    copies: Annotated[int, Field(ge=1, le=50)] = 1
    approve_share: Share = 0.7
    route: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"mix: {', '.join(KINDS)} are shares that sum to 1; they sum to {total:g}")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """By kind, in the order in which a request's kind is drawn: new kinds without a share change no draw."""
        return {kind: getattr(self, kind) for kind in KINDS}


class Callers(_Strict):
    """A group of tenants with their users; `weight` is its part of the arrivals."""

    name: Name
    tenants: Annotated[int, Field(ge=1, le=100)] = 8
    users: Annotated[int, Field(ge=1, le=10_000)] = 25
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0


class Provider(_Strict):
    """A provider's latency and quota in the simulator; what is left out stays as the simulator has it by default."""

    first_token_ms: Annotated[float, Field(ge=0, le=60_000)] = 120.0
    per_token_ms: Annotated[float, Field(ge=0, le=10_000)] = 4.0
    sigma: Annotated[float, Field(ge=0, le=3)] = 0.3
    requests_per_min: Annotated[int, Field(ge=1)] | None = None
    tokens_per_min: Annotated[int, Field(ge=1)] | None = None


class Expectation(_Strict):
    """A promise: a `measure` (loadtests/verdict/measures.py) within a bound, and `why` it must hold.

    `during` names the phases that count (all without it), `callers` a group, `kind` a kind of request, `target` a
    provider.
    """

    measure: str
    at_least: float | None = None
    at_most: float | None = None
    during: tuple[Name, ...] = ()
    callers: Name | None = None
    kind: Literal["faq", "unique", "thread", "handbook", "refund", "job", "agent"] | None = None
    target: Target | None = None
    why: Annotated[str, Field(min_length=10)]

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("during"), str):
            return {**given, "during": (given["during"],)}
        return given

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"expect: {self.measure} needs at_least or at_most")
        return self


class Scenario(_Strict):
    """A whole scenario; `name` is that of its file. `short_s` is its length in `make test`."""

    name: str = ""
    title: Annotated[str, Field(min_length=5, max_length=90)]
    about: str
    seed: int = 7
    short_s: Annotated[float, Field(gt=0)]
    arrivals: Literal["open", "closed"] = "open"
    think_s: Seconds = 1.0
    mix: Mix = Mix()
    callers: tuple[Callers, ...] = (Callers(name="acme"),)
    providers: Mapping[Target, Provider] = {}
    phase: tuple[Phase, ...] = Field(min_length=1)
    expect: tuple[Expectation, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wanted, other = ("rate_per_s", "users") if self.arrivals == "open" else ("users", "rate_per_s")
        for phase in self.phase:
            if getattr(phase, other) is not None or (getattr(phase, wanted) is None and not phase.at_once):
                raise ValueError(f"phase {phase.name}: with arrivals = {self.arrivals!r} a phase has {wanted}")
            if phase.at_once and self.arrivals == "closed":
                raise ValueError(f"phase {phase.name}: at_once needs arrivals = 'open'")
        names = [phase.name for phase in self.phase]
        if len(set(names)) < len(names):
            raise ValueError("phase: two have the same name")
        for expected in self.expect:
            if strange := set(expected.during) - set(names):
                raise ValueError(f"expect {expected.measure}: no phase is named {', '.join(sorted(strange))}")
            groups = [group.name for group in self.callers]
            if expected.callers not in (None, *groups):
                raise ValueError(f"expect {expected.measure}: no callers are named {expected.callers}")
        return self

    @property
    def lasts_s(self) -> float:
        """All phases together."""
        return sum(phase.for_s for phase in self.phase)

    @property
    def is_loud(self) -> bool:
        """Whether it puts all of a small machine to work for a while, so that nothing may be measured beside it."""
        return max(max(*phase.rates, *phase.crowd, phase.at_once) for phase in self.phase) >= LOUD

    @property
    def breaks(self) -> bool:
        """Whether it needs the simulator: it injects faults, or sets latency or quotas."""
        return bool(self.providers) or any(phase.fault for phase in self.phase)

    @property
    def works_later(self) -> bool:
        """Whether it asks for what is done after the answer: by the worker, and told by a webhook."""
        return bool(self.mix.job or self.mix.agent)

    def begins_s(self, name: str) -> float:
        """When a phase begins, in seconds after the run's beginning."""
        begun = 0.0
        for phase in self.phase:
            if phase.name == name:
                return begun
            begun += phase.for_s
        raise KeyError(name)
