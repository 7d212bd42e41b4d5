"""One way to do exercise 7: an entry is opened before its call and settled after it; a record is written at the end.

What is opened before cannot be forgotten, however the call ends; what `finally` writes is written once.
"""

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

ATTEMPTS = 2
WAIT_S = 0.2
MAX_TOKENS = 200


class ProviderError(Exception):
    """A call failed: with an HTTP status, or None where no answer came."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


@dataclass(frozen=True)
class Price:
    """Nano-USD per token: whole numbers, so that a million of them add up to what they are."""

    input: int
    output: int

    def of(self, input_tokens: int, output_tokens: int) -> int:
        return input_tokens * self.input + output_tokens * self.output


PRICES = {"claude-opus-4-7": Price(5_000, 25_000), "gpt-4o-mini": Price(150, 600)}


class Clock(Protocol):
    def now(self) -> float: ...

    async def sleep(self, delay_s: float) -> None: ...


class Answer(Protocol):
    text: str
    input_tokens: int
    output_tokens: int


class Provider(Protocol):
    target: str
    model: str

    async def answer(
        self, messages: Sequence[dict[str, str]], *, request_id: str, attempt: int, max_tokens: int
    ) -> Answer: ...


@dataclass(frozen=True)
class Request:
    request_id: str
    user: str
    messages: list[dict[str, str]]


@dataclass
class Attempt:
    """One call. It begins as unknown; `settle` says what it came to."""

    n: int
    target: str
    status: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_nano_usd: int | None
    most_nano_usd: int

    def settle(self, price: Price, input_tokens: int, output_tokens: int) -> None:
        self.input_tokens, self.output_tokens = input_tokens, output_tokens
        self.cost_nano_usd = self.most_nano_usd = price.of(input_tokens, output_tokens)


@dataclass
class Record:
    request_id: str
    user: str
    outcome: str
    attempts: list[Attempt] = field(default_factory=list)
    cost_nano_usd: int = 0
    most_nano_usd: int = 0


class Book(Protocol):
    def write(self, record: Record) -> None: ...


def most_input_tokens(messages: Sequence[dict[str, str]]) -> int:
    return sum(len(message["content"].encode()) + 8 for message in messages)


def is_retryable(error: ProviderError) -> bool:
    return error.status in (None, 200, 408, 429) or error.status >= 500


def pseudonym(user: str, key: bytes) -> str:
    """Without the key nobody can try names until one fits; with it we find a user's records."""
    return hmac.new(key, user.encode(), "sha256").hexdigest()[:16]


async def ask(request: Request, providers: Sequence[Provider], *, book: Book, clock: Clock, key: bytes) -> str:
    attempts: list[Attempt] = []
    outcome = "failed"
    try:
        text = await answered(request, providers, clock, attempts)
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    else:
        outcome = "answered"
        return text
    finally:
        cost = sum(one.cost_nano_usd or 0 for one in attempts)
        most = sum(one.most_nano_usd for one in attempts)
        book.write(Record(request.request_id, pseudonym(request.user, key), outcome, attempts, cost, most))


async def answered(request: Request, providers: Sequence[Provider], clock: Clock, attempts: list[Attempt]) -> str:
    error = ProviderError(None)
    for provider in providers:
        for number in range(1, ATTEMPTS + 1):
            try:
                return await called(request, provider, attempts)
            except ProviderError as raised:
                error = raised
            if not is_retryable(error):
                raise error
            if number < ATTEMPTS:
                await clock.sleep(WAIT_S)
    raise error


async def called(request: Request, provider: Provider, attempts: list[Attempt]) -> str:
    """One call, and its entry."""
    price = PRICES[provider.model]
    most = price.of(most_input_tokens(request.messages), MAX_TOKENS)
    attempt = Attempt(len(attempts) + 1, provider.target, None, None, None, None, most)
    attempts.append(attempt)
    try:
        answer = await provider.answer(
            request.messages, request_id=request.request_id, attempt=attempt.n, max_tokens=MAX_TOKENS
        )
    except ProviderError as error:
        attempt.status = error.status
        if error.status is not None:
            attempt.settle(price, 0, 0)
        raise
    attempt.status = 200
    attempt.settle(price, answer.input_tokens, answer.output_tokens)
    if not answer.text:
        raise ProviderError(200)
    return answer.text
