"""One way to do exercise 2: each SDK behind the same two methods, and nothing of it in front of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import anthropic
import openai

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


class BadAnswer(ProviderError):
    """A 200 that is no answer."""


class LLMProvider(Protocol):
    """What the rest of a service knows of a provider."""

    async def call(self, messages: Sequence[Message]) -> str:
        """The text of the answer. Raises ProviderError."""

    async def close(self) -> None:
        """End the connections."""


class AnthropicProvider:
    """LLMProvider over Anthropic's Messages API."""

    def __init__(self, *, base_url: str, api_key: str, model: str, timeout_s: float = 30.0) -> None:
        self._model = model
        self._client = anthropic.AsyncAnthropic(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries=0)

    async def call(self, messages: Sequence[Message]) -> str:
        system = "\n\n".join(one["content"] for one in messages if one["role"] == "system")
        turns: list[Any] = [one for one in messages if one["role"] != "system"]
        asked = self._client.messages.create(
            model=self._model, max_tokens=MOST_TOKENS, system=system or anthropic.omit, messages=turns
        )
        return await _text(asked, lambda answer: "".join(one.text for one in answer.content if one.type == "text"))

    async def close(self) -> None:
        await self._client.close()


class OpenAIProvider:
    """LLMProvider over OpenAI's chat completions, which take a system message among the others."""

    def __init__(self, *, base_url: str, api_key: str, model: str, timeout_s: float = 30.0) -> None:
        self._model = model
        self._client = openai.AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries=0)

    async def call(self, messages: Sequence[Message]) -> str:
        turns: list[Any] = list(messages)
        asked = self._client.chat.completions.create(
            model=self._model, max_completion_tokens=MOST_TOKENS, messages=turns
        )
        return await _text(asked, lambda answer: answer.choices[0].message.content)

    async def close(self) -> None:
        await self._client.close()


async def _text(asked: Awaitable[Any], read: Callable[[Any], str | None]) -> str:
    """Wait for an SDK's call and `read` its text. Raises ProviderError, whatever the SDK raises or hands back."""
    try:
        answer = await asked
    except (anthropic.APIStatusError, openai.APIStatusError) as error:
        raise _refused(error.status_code, error.response.headers) from error
    except (anthropic.APIConnectionError, openai.APIConnectionError) as error:  # a timeout is one, too
        raise ProviderError(f"no answer came: {error}", retryable=True) from error
    except ValueError as error:  # the body was no JSON
        raise BadAnswer("a 200 that cannot be read", status=200, retryable=True) from error
    try:
        text = read(answer)
    except (AttributeError, IndexError, TypeError) as error:  # HTML comes as a str, a missing field as None
        raise BadAnswer("a 200 without the fields of an answer", status=200, retryable=True) from error
    if not text:
        raise BadAnswer("a 200 without a word", status=200, retryable=True)
    return text


def _refused(status: int, headers: Mapping[str, str]) -> ProviderError:
    retryable = status in (408, 429) or status >= 500
    return ProviderError(
        f"status {status}", status=status, retryable=retryable, retry_after_s=_seconds(headers.get("retry-after"))
    )


def _seconds(hint: str | None) -> float | None:
    try:
        return None if hint is None else float(hint)
    except ValueError:
        return None
