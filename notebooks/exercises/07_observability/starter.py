"""Exercise 7: a client with retries and a fallback, whose book is to agree with its providers'.

The client works; leave what it calls and when as it is. Its book does not: it knows answers, and nothing of what they
took. `gauntlet learn check 7` compares each record with the ledger. Change what you like, but keep the names, fields
and parameters of what stands here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

ATTEMPTS = 2
"""Per provider."""
WAIT_S = 0.2
MAX_TOKENS = 200
"""No answer has more."""


class ProviderError(Exception):
    """A call failed: with an HTTP status, or None where no answer came. A provider bills nothing for a status that is
    an error; where no answer came it may have billed."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


@dataclass(frozen=True)
class Price:
    """Nano-USD (a billionth of a dollar) per token."""

    input: int
    output: int


PRICES = {"claude-opus-4-7": Price(5_000, 25_000), "gpt-4o-mini": Price(150, 600)}


class Clock(Protocol):
    """Time, as the checks give it: use it for every wait."""

    def now(self) -> float: ...

    async def sleep(self, delay_s: float) -> None: ...


class Answer(Protocol):
    """`text` is empty where the model said nothing: of no use, and billed all the same."""

    text: str
    input_tokens: int
    output_tokens: int


class Provider(Protocol):
    """`target` is its name in the ledger; `answer` is one call. The ledger notes `request_id` and `attempt`."""

    target: str
    model: str

    async def answer(
        self, messages: Sequence[dict[str, str]], *, request_id: str, attempt: int, max_tokens: int
    ) -> Answer:
        """Raises ProviderError."""


@dataclass(frozen=True)
class Request:
    request_id: str
    user: str
    """An e-mail address: it may not stand in any record, nor may what the messages say."""
    messages: list[dict[str, str]]


@dataclass
class Attempt:
    """One call. Tokens and cost are 0 where it was refused, and None where the provider did not state them; the
    most it may bill is known."""

    n: int
    """Its number over the whole request, from 1, whoever is called."""
    target: str
    status: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_nano_usd: int | None
    most_nano_usd: int
    """The cost, where that is known."""


@dataclass
class Record:
    """One request."""

    request_id: str
    user: str
    outcome: str
    """`answered`, `failed` or `cancelled` (the client left)."""
    attempts: list[Attempt] = field(default_factory=list)
    cost_nano_usd: int = 0
    """Of all attempts whose cost is known."""
    most_nano_usd: int = 0
    """Of all attempts."""


class Book(Protocol):
    """Where records go. What is written is written: nothing can be changed or taken out later."""

    def write(self, record: Record) -> None: ...


def most_input_tokens(messages: Sequence[dict[str, str]]) -> int:
    """No prompt has more: a token is at least a byte of it, and a message's role takes eight at most."""
    return sum(len(message["content"].encode()) + 8 for message in messages)


def is_retryable(error: ProviderError) -> bool:
    """Whether another call may help; status 200 is an empty answer."""
    return error.status in (None, 200, 408, 429) or error.status >= 500


async def ask(request: Request, providers: Sequence[Provider], *, book: Book, clock: Clock, key: bytes) -> str:
    """The first answer that one of the providers gives. `key` is for pseudonyms. Raises ProviderError."""
    error = ProviderError(None)
    for provider in providers:
        for number in range(1, ATTEMPTS + 1):
            try:
                answer = await provider.answer(
                    request.messages, request_id=request.request_id, attempt=number, max_tokens=MAX_TOKENS
                )
            except ProviderError as raised:
                error = raised
            else:
                if answer.text:
                    tokens = answer.input_tokens + answer.output_tokens
                    cost_usd = tokens * 0.000005
                    book.write(Record(request.request_id, request.user, "answered", cost_nano_usd=round(cost_usd, 6)))
                    return answer.text
                error = ProviderError(200)
            if not is_retryable(error):
                raise error
            if number < ATTEMPTS:
                await clock.sleep(WAIT_S)
    raise error
