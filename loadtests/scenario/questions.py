"""What is asked: questions that many ask, by Zipf's law, and questions that nobody asked before.

Numbers are written in letters: many digits in a row would be taken for somebody's telephone number, and not be cached.
Read `arrivals.py` next: when, and by whom.
"""

import random
from functools import cache

TOPICS = (
    *("a circuit breaker", "full jitter", "a retry budget", "a token bucket", "a bulkhead", "a deadline"),
    *("single-flight", "a stale answer", "an idempotency key", "a half-open circuit", "back-pressure", "a fallback"),
    *("a smaller model", "prompt caching", "time to first token", "tail latency", "a rate limit", "Retry-After"),
    *("exponential back-off", "a health check", "a readiness check", "load shedding", "a brownout", "hedging"),
    *("a session store", "a trace", "a span", "tail sampling", "a cost budget", "an error budget"),
    *("coordinated omission", "Little's law", "a connection pool", "a timeout", "a lease", "a webhook"),
    *("a dead letter", "reranking", "hybrid search", "an embedding cache"),
)
FORMS = ("what is {}?", "why does one need {}?", "when does {} help?", "what goes wrong without {}?")
OWN = (
    "what should ticket {} say about {}?",
    "how would team {} notice the lack of {}?",
    "does plan {} need {}?",
    "what would you check first in incident {}, given {}?",
)
TURNS = (
    "My project is called {} and it is about {}.",
    "What do you know about {}, and about {}?",
    "Our second concern in {} is {}.",
    "Sum up what I said about {} and {}.",
)


@cache
def popular(count: int) -> tuple[str, ...]:
    """The `count` questions that many ask, the most popular one first."""
    return tuple(FORMS[place % len(FORMS)].format(topic) for place, topic in enumerate(TOPICS[:count]))


@cache
def _weights(count: int, exponent: float) -> tuple[float, ...]:
    return tuple(1 / rank**exponent for rank in range(1, count + 1))


def often_asked(count: int, exponent: float, chance: random.Random) -> str:
    """One of them: by Zipf's law the first twice as often as the second where the exponent is 1."""
    return chance.choices(popular(count), _weights(count, exponent))[0]


def never_asked(mark: str, chance: random.Random) -> str:
    """A question of its own: `mark` is in no other."""
    return chance.choice(OWN).format(mark, chance.choice(TOPICS))


def turn(mark: str, number: int, chance: random.Random) -> str:
    """A turn of a conversation about `mark`."""
    return TURNS[number % len(TURNS)].format(mark, chance.choice(TOPICS))


def lettered(number: int) -> str:
    """A number in letters: 0 is `a`, 25 `z`, 26 `ba`."""
    letters = ""
    while True:
        number, rest = divmod(number, 26)
        letters = chr(ord("a") + rest) + letters
        if not number:
            return letters
