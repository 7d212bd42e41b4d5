"""What is asked: questions that many ask, by Zipf's law, questions that nobody asked before, refunds in words.

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
HANDBOOK = (
    "How long does an open circuit stay open before a probe may go through?",
    "Why does a retry wait a random time instead of a fixed one?",
    "What is a retry budget for?",
    "When should a 429 be waited for, and when not?",
    "What must never happen after the first token of a stream?",
    "How does a bulkhead keep one slow provider from taking all workers?",
    "What does an idempotency key promise?",
    "When is a stale answer better than none?",
    "How is a deadline passed on to the calls below?",
    "What goes into the key of a response cache?",
    "How do dense and lexical search complete each other?",
    "What does reciprocal rank fusion do?",
    "What is a reranker good for?",
    "How are embeddings cached?",
    "Why do traces have to be sampled at the tail?",
    "What should an alert on cost look at?",
    "What does a queue do that a thread cannot?",
    "How does a receiver know that a webhook is genuine?",
    "Why does an agent need a checkpoint before it asks for approval?",
    "What is the difference between health and readiness?",
)
ASKED_FOR = ("For ticket {}: {}", "Somebody of team {} asks: {}", "We review plan {}. {}")
WARES = (("1003", "the headphones"), ("1004", "the laptop"))
"""Orders of every caller of the workbench whose refund needs an approval (`service/tracks/orders.py`)."""

COMPLAINTS = (
    "Please refund my order {}: {} arrived broken.",
    "I want a refund for order {}, {} never worked.",
    "Order {} was late, and I do not need {} any more. Please refund it.",
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


def of_handbook(mark: str, chance: random.Random) -> str:
    """A question that the handbook answers, asked so that no cache knows it."""
    return chance.choice(ASKED_FOR).format(mark, chance.choice(HANDBOOK))


def refund_wanted(user: str, chance: random.Random) -> str:
    """What a customer writes to the agent about one of their orders."""
    number, ware = chance.choice(WARES)
    return chance.choice(COMPLAINTS).format(f"{user}-{number}", ware)


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
