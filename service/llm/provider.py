"""What the service knows of a language model: a protocol that no vendor type leaks through.

The chapter (section 8, exercise 2) asks for ``call(messages) -> str``; production also needs usage, streams, timeouts
and errors that mean the same for every vendor. Implementations: ``anthropic.py``, ``openai.py``. Next: ``routes.py``.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol


class Message(NamedTuple):
    """One turn. System text travels beside the messages."""

    role: Literal["user", "assistant"]
    content: str


MOST_TOKENS = 10**9
"""A count beyond this is nobody's usage."""


class Usage(NamedTuple):
    """Tokens as the provider states them.

    ``input_tokens`` includes those read from the provider's cache (``cached_tokens``) and those written to it
    (``cache_write_tokens``), which have prices of their own.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0

    @classmethod
    def stated(cls, input_tokens: Any, output_tokens: Any, cached: Any = None, written: Any = None) -> "Usage":
        """From a provider's JSON; None is 0 for the parts, and they are no more than the whole.

        Raises ValueError or TypeError for what is no count: a negative one would pay money back.
        """
        whole, out, read, wrote = int(input_tokens), int(output_tokens), int(cached or 0), int(written or 0)
        if not all(0 <= count <= MOST_TOKENS for count in (whole, out, read, wrote)):
            raise ValueError(f"no counts of tokens: {whole}, {out}, {read}, {wrote}")
        read = min(read, whole)
        return cls(whole, out, read, min(wrote, whole - read))

    def __add__(self, other: object) -> "Usage":
        """Sum, field by field."""
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(slots=True)
class LLMRequest:
    """One call. ``headers`` carry the request id, the attempt and the trace context."""

    model: str
    messages: Sequence[Message]
    max_tokens: int
    system: str | None = None
    temperature: float | None = None
    seed: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Completion:
    """A whole answer. ``finish_reason`` is ``stop``, ``length`` or the vendor's own word."""

    text: str
    model: str
    finish_reason: str
    usage: Usage
    response_id: str | None = None


class LLMStream(Protocol):
    """An answer as it comes: iterate for pieces of text; then ``finish_reason`` is set and ``usage`` final.

    Raises errors of our tree. A stream that ends without the vendor's final event raises StreamBroken.
    """

    usage: Usage
    finish_reason: str | None

    def __aiter__(self) -> AsyncIterator[str]:
        """The pieces."""
        ...

    async def __anext__(self) -> str:
        """The next piece of text; never empty."""
        ...

    async def aclose(self) -> None:
        """End the call; closes the connection when the answer is not through."""
        ...


class LLMProvider(Protocol):
    """One vendor's API. Raises errors of ``errors.py`` only: Rejected for the caller's faults, ProviderError else."""

    name: str
    lacks: frozenset[str]
    """Parameters that this API does not take: dropped, and named in ``ignored``."""

    async def call(self, messages: Sequence[Message]) -> str:
        """The chapter's form: messages in, text out, with the provider's default model."""
        ...

    async def complete(self, request: LLMRequest) -> Completion:
        """The whole answer at once."""
        ...

    async def stream(self, request: LLMRequest) -> LLMStream:
        """Open a stream; returns when the answer's headers are there."""
        ...

    async def aclose(self) -> None:
        """End the connections."""
        ...
