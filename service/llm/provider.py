"""What the service knows of a language model: a protocol that no vendor type leaks through.

The chapter (section 8, exercise 2) asks for ``call(messages) -> str``; production also needs usage, streams, timeouts
and errors that mean the same for every vendor. Implementations: ``anthropic.py``, ``openai.py``. Next: ``routes.py``.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol


class Message(NamedTuple):
    """One turn. System text travels beside the messages."""

    role: Literal["user", "assistant"]
    content: str


class Usage(NamedTuple):
    """Tokens as the provider states them; ``input_tokens`` includes the cached ones."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

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
