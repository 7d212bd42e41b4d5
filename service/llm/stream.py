"""A stream of JSON events as pieces of text: the loop that both vendors share.

A vendor's subclass says what one event means and when an answer is whole; whatever else may happen to a stream (an
in-stream error, a cut, an event without its fields, an end that comes too early) is an error of ours here. Next:
``anthropic.py``.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from .provider import Usage
from .sdk import Json, Wire


class JsonStream(ABC):
    """``LLMStream`` over an SDK's stream of plain JSON. ``usage`` and ``finish_reason`` are final at its end."""

    def __init__(self, wire: Wire, events: Any) -> None:
        self._wire = wire
        self._events = events
        self.usage = Usage()
        self.finish_reason: str | None = None
        self._filtered = False

    @abstractmethod
    def _take(self, event: Json) -> str:
        """The text of one event, empty where it has none; keeps usage and finish reason."""

    @property
    @abstractmethod
    def _whole(self) -> bool:
        """Whether the vendor's final event has come."""

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while True:
            try:
                event = await anext(self._events)
            except Exception as error:
                if self._filtered:  # however the stream ends then: no other attempt can do better
                    raise self._wire.filtered(self.usage if any(self.usage) else None) from None
                if not isinstance(error, StopAsyncIteration):
                    raise self._wire.translate(error, in_stream=True) from None
                if not self._whole:
                    raise self._wire.broken("ended before its final event") from None
                raise
            try:
                text = self._take(event)
            except (KeyError, TypeError, AttributeError, ValueError):
                raise self._wire.broken("had an event without its fields") from None
            if text:
                return text

    async def aclose(self) -> None:
        """End the call; closes the connection when the answer is not through."""
        await self._events.close()
