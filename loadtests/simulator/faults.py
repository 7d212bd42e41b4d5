"""The catalogue of faults: names, parameters, and what each does to a call (DESIGN section 5).

| fault | streamed call | call that is not streamed |
|---|---|---|
| `status` | error response before anything else | the same |
| `refused` | the listener is closed, idle connections are reset; nothing reaches the ledger | the same |
| `reset` | connection reset before the headers | the same |
| `hang` | no headers until the client leaves | the same |
| `slow_first_token` | headers at once, the first token `delay_ms` later than usual | the answer `delay_ms` later |
| `slow_tokens` | `per_token_ms` per token | the answer takes as long as its tokens |
| `stall` | after `fraction` of the tokens nothing more | the answer never comes: no headers |
| `stall_pings` | the same, with a ping every `interval_ms` | as `stall` |
| `stream_error` | after `fraction` an error event of `kind`, then the end | an error response of `kind` |
| `cut` | after `fraction` the connection is reset | reset after `fraction` of the announced bytes |
| `truncate` | after `fraction` a clean end without the end mark | 200, the text cut at `fraction`, stop reason null |
| `malformed_chunk` | one delta is replaced by a line that is no JSON, the rest follows | the JSON is broken inside |
| `bad_body` | 200 with a bad body of `kind` | the same |
| `charge_then_drop` | (payments) the money moves, then the connection is reset | the same |

Endpoints without tokens (embeddings, rerank, payments, webhooks) act as calls that are not streamed, their body stands
for the tokens: `slow_tokens` delays once by `per_token_ms`, `truncate` ends the chunked body cleanly at `fraction`.
Before the model (or the money, or the receiver) moves: `status`, `reset`, `hang`, `stream_error` when not streamed, and
`bad_body` html and empty; these bill nothing. All others bill the input and the tokens generated. The first fault in
the plan that matches a call decides alone; every request of a target counts, `GET /v1/models` and refused ones too.
Embeddings and rerank share a listener, so `refused` on one closes both. A hidden fault does the same (`control.py`).
Read `timeline.py` next: it decides which call meets which fault.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .errors import KINDS

Target = Literal["anthropic", "openai", "embeddings", "rerank", "payments", "webhooks"]
TARGETS: tuple[Target, ...] = ("anthropic", "openai", "embeddings", "rerank", "payments", "webhooks")

Name = Literal[
    "status",
    "refused",
    "reset",
    "hang",
    "slow_first_token",
    "slow_tokens",
    "stall",
    "stall_pings",
    "stream_error",
    "cut",
    "truncate",
    "malformed_chunk",
    "bad_body",
    "charge_then_drop",
]

BAD_BODIES = ("html", "empty", "truncated_json", "missing_fields", "empty_content")

PARAMS: dict[str, frozenset[str]] = {
    "status": frozenset({"status", "kind", "message", "retry_after", "retry_after_ms", "should_retry"}),
    "slow_first_token": frozenset({"delay_ms"}),
    "slow_tokens": frozenset({"per_token_ms"}),
    "stall": frozenset({"fraction"}),
    "stall_pings": frozenset({"fraction", "interval_ms"}),
    "stream_error": frozenset({"fraction", "kind", "message"}),
    "cut": frozenset({"fraction"}),
    "truncate": frozenset({"fraction"}),
    "malformed_chunk": frozenset({"fraction"}),
    "bad_body": frozenset({"kind"}),
}
"""Which parameters each fault takes; a fault that is not listed takes none."""

_HeaderValue = Annotated[str, Field(max_length=200, pattern=r"^[\x20-\x7e]*$")]
_Milliseconds = Annotated[float, Field(ge=0, le=3_600_000, allow_inf_nan=False)]


class _Strict(BaseModel):
    """A part of a fault: unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Match(_Strict):
    """Which calls a fault is for; a field that is None matches every call."""

    model: str | None = None
    stream: bool | None = None


class Params(_Strict):
    """Parameters of all faults; PARAMS says which fault takes which. Times are in milliseconds.

    `retry_after`, `retry_after_ms` and `should_retry` become the headers of the same name, verbatim.
    """

    status: Annotated[int, Field(ge=400, le=599)] | None = None
    kind: str | None = None
    message: Annotated[str, Field(max_length=2000)] | None = None
    retry_after: _HeaderValue | int | float | None = None
    retry_after_ms: _HeaderValue | int | float | None = None
    should_retry: bool | _HeaderValue | None = None
    delay_ms: _Milliseconds = 3000.0
    per_token_ms: _Milliseconds = 250.0
    fraction: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    interval_ms: Annotated[float, Field(ge=10, le=60_000, allow_inf_nan=False)] = 200.0


class Fault(_Strict):
    """One fault of a plan. `at_s` counts from the start of the plan; `for_s` None: until ended; `times`: first n calls.

    `hidden`: whoever watches must find it; only who asks for hidden ones is told.

    Raises pydantic's ValidationError with the field, what was wrong and what is allowed.
    """

    target: Target
    fault: Name
    at_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    for_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    match: Match = Match()
    params: Params = Params()
    hidden: bool = False

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        allowed = PARAMS.get(self.fault, frozenset())
        strange = sorted(self.params.model_fields_set - allowed)
        if strange:
            takes = f"takes only {', '.join(sorted(allowed))}" if allowed else "takes no params"
            raise ValueError(f"params: {self.fault} {takes}; got {', '.join(strange)}")
        kinds: tuple[str, ...] = BAD_BODIES if self.fault == "bad_body" else tuple(KINDS)
        if self.params.kind is not None and self.params.kind not in kinds:
            raise ValueError(f"params.kind: got {self.params.kind!r}; {self.fault} allows {', '.join(kinds)}")
        if self.fault == "charge_then_drop" and self.target != "payments":
            raise ValueError("target: charge_then_drop is for target payments only")
        if self.fault == "refused" and (self.times or self.share != 1.0 or self.match != Match()):
            raise ValueError("refused closes the whole listener: times, share and match do not apply")
        return self
