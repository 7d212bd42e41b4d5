"""Exercise 2: two providers behind one interface.

`gauntlet learn check 2` runs both classes against the real wire formats and judges them by what reaches the provider.
Change what you like, but keep the names and parameters of what stands here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import anthropic

Message = Mapping[str, str]
"""`{"role": "system" | "user" | "assistant", "content": text}`."""
MOST_TOKENS = 1024


class ProviderError(Exception):
    """A call brought no answer: whether another try may, and how long the provider asks to wait first."""

    def __init__(
        self, words: str, *, status: int | None = None, retryable: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(words)
        self.status, self.retryable, self.retry_after_s = status, retryable, retry_after_s


class LLMProvider(Protocol):
    """What the rest of a service knows of a provider: whoever calls cannot tell which one it is."""

    async def call(self, messages: Sequence[Message]) -> str:
        """The text of the answer. Raises ProviderError, and nothing else."""

    async def close(self) -> None:
        """End the connections."""


class AnthropicProvider:
    """LLMProvider over Anthropic's Messages API. A call may take `timeout_s` seconds."""

    def __init__(self, *, base_url: str, api_key: str, model: str, timeout_s: float = 30.0) -> None:
        self._model = model
        self._client = anthropic.Anthropic(base_url=base_url, api_key=api_key)

    async def call(self, messages: Sequence[Message]) -> str:
        """What the PoC did."""
        turns: list[Any] = list(messages)
        answer: Any = self._client.messages.create(model=self._model, max_tokens=MOST_TOKENS, messages=turns)
        return str(answer.content[0].text)

    async def close(self) -> None:
        """Nothing yet."""


class OpenAIProvider:
    """LLMProvider over OpenAI's chat completions (`base_url` ends in /v1). A call may take `timeout_s` seconds."""

    def __init__(self, *, base_url: str, api_key: str, model: str, timeout_s: float = 30.0) -> None:
        self._model = model

    async def call(self, messages: Sequence[Message]) -> str:
        """Nothing yet: `openai` is installed as well."""
        return ""

    async def close(self) -> None:
        """Nothing yet."""
