"""What is tried of exercise 2: both classes over their real SDKs, judged at the simulator's ledger and on the wire."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from notebooks.grader import World, probe
from notebooks.grader.providers import MODELS, Message
from notebooks.grader.tap import Tap
from notebooks.grader.world import Outcome

CLASSES = {"anthropic": "AnthropicProvider", "openai": "OpenAIProvider"}
QUESTION: list[Message] = [{"role": "user", "content": "Why do retries need jitter?"}]
TALK: list[Message] = [
    {"role": "system", "content": "You answer for a bakery. The bakery opens at nine forty on Mondays."},
    {"role": "user", "content": "My name is Noor."},
    {"role": "assistant", "content": "Good morning, Noor."},
    {"role": "user", "content": "I like rye bread."},
    {"role": "assistant", "content": "We bake it at dawn."},
    {"role": "user", "content": "When does the bakery open?"},
]
TIMEOUT_S, PATIENCE_S, LONG_S = 0.2, 3.0, 30.0
"""What a call is given that hangs, when one that goes on is given up (fifteen times as long), and what others get."""
AT_ONCE, HOLD_S = 5, 2.5
FOREIGN = {"anthropic", "openai", "httpx", "httpx2", "httpcore", "httpcore2", "aiohttp"}
BAD_BODIES = ("html", "empty", "truncated_json", "missing_fields", "empty_content")
FAILURES: list[tuple[dict[str, Any], float | None, bool]] = [
    *(({"status": status}, None, True) for status in (408, 429, 500, 503, 529)),
    ({}, None, True),
    ({"status": 429, "retry_after": 7}, 7.0, True),
    ({"status": 503, "retry_after": 2}, 2.0, True),
    ({"status": 429, "retry_after": "soon"}, None, True),
    *(({"status": status}, None, False) for status in (400, 401, 403, 404, 413, 422)),
]
"""What a call meets ({}: its connection is reset), the wait that is asked for in seconds, and whether it may pass."""


@asynccontextmanager
async def provider(
    world: World, target: str, *, timeout_s: float = LONG_S, tap: Tap | None = None
) -> AsyncIterator[Any]:
    """The learner's class for a target, pointed at the simulator as its SDK wants it, and closed at the end."""
    name, url = CLASSES[target], tap.url if tap else getattr(world.simulator.places, target)
    base_url = url if target == "anthropic" else f"{url}/v1"

    async def made() -> Any:
        kind = getattr(world.yours, name)
        return kind(base_url=base_url, api_key="key", model=MODELS[target], timeout_s=timeout_s)

    outcome = await world.outcome(made())
    world.expect(
        outcome.error is None,
        given=f"{name}(base_url={base_url!r}, api_key='key', model={MODELS[target]!r}, timeout_s={timeout_s:g})",
        expected="a provider, ready to be called",
        seen=f"it {outcome.words}",
    )
    try:
        yield outcome.value
    finally:
        await world.outcome(closed(outcome.value))


async def asked(asks: Any, messages: Sequence[Message] = QUESTION) -> str:
    """One call."""
    text: str = await asks.call(messages)
    return text


async def closed(asks: Any) -> None:
    """No more calls."""
    await asks.close()


async def met(world: World, asks: Any, target: str, fault: str, **params: Any) -> Outcome[str]:
    """What came of one call that meets a fault."""
    await world.simulator.fault(target, fault, times=1, **params)
    outcome = await world.outcome(asked(asks))
    await world.ledger()
    return outcome


async def both_at_once(tries: Callable[[str, str], Awaitable[None]]) -> None:
    """Try something of both classes at the same time, since it takes time; the first one's failure is told."""
    for came in await asyncio.gather(*(tries(*one) for one in CLASSES.items()), return_exceptions=True):
        if came is not None:
            raise came


def is_own(world: World, error: BaseException | None) -> bool:
    """Whether an error is a ProviderError, and an SDK's neither by itself nor by what it inherits."""
    bases = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, world.yours.ProviderError) and not bases & FOREIGN


@probe(
    "The same messages bring text from both wires",
    means="Whoever calls must not know who answers: else, the day one provider is down, every caller must change.",
)
async def both_wires_give_text(world: World) -> None:
    for target, name in CLASSES.items():
        async with provider(world, target) as asks:
            outcome = await world.outcome(asked(asks))
        said = await world.provider(target, lambda status, wait: RuntimeError(f"status {status}"))(QUESTION)
        world.expect(
            type(outcome.value) is str and outcome.value.strip() == said.strip(),
            given=f"{name}.call with one message of a user",
            expected=f"the text that {target} answered, as a str: {said!r}",
            seen=f"it {outcome.words}",
        )


@probe(
    "All that was said arrives, in its order",
    means="Without the system message a model forgets what it is for, without earlier turns whom it talks to.",
)
async def all_that_was_said_arrives(world: World) -> None:
    said = [(one["role"], one["content"]) for one in TALK]
    for target, name in CLASSES.items():
        tap = world.tap(target)
        async with provider(world, target, tap=tap) as asks:
            outcome = await world.outcome(asked(asks, TALK))
        statuses = [row["status"] for row in await world.ledger(target)]
        arrived = tap.asked[0].conversation if tap.asked else []
        lost = [one for one in said if one not in arrived]
        world.expect(
            arrived == said and outcome.error is None,
            given=f"{name}.call with a system message and five turns",
            expected="the same six at the provider, the system's words as that vendor takes them, the turns in order",
            seen=f"{', '.join(role for role, _ in arrived) or 'nothing'} arrived{f', not {lost[0]}' if lost else ''}; "
            f"calls with {statuses}; it {outcome.words}",
        )


@probe(
    "Connections are kept, and end with close()",
    means="A client per call pays a handshake each time and leaves a socket behind; under load they run out.",
)
async def connections_are_kept_then_closed(world: World) -> None:
    for target, name in CLASSES.items():
        tap = world.tap(target)
        async with provider(world, target, tap=tap) as asks:
            for _ in range(3):
                await world.outcome(asked(asks))
            await world.ledger()
            world.expect(
                tap.opened == 1,
                given=f"three calls of one {name}, one after another",
                expected="one connection for all of them",
                seen=f"{tap.opened} connections for {len(tap.asked)} calls",
            )
            ended = await world.outcome(closed(asks))
            await asyncio.to_thread(tap.all_end, PATIENCE_S)
            world.expect(
                tap.open == 0 and ended.error is None,
                given=f"{name}.close()",
                expected="its connection ended",
                seen=f"{tap.open} of {tap.opened} connections still open {PATIENCE_S:g} s later; close {ended.words}",
            )


@probe(
    "Ten calls at once are under way at once",
    means="A client that blocks holds everybody: a worker serves one answer at a time, and /health waits too.",
)
async def ten_calls_overlap(world: World) -> None:
    for target, name in CLASSES.items():
        tap = world.tap(target)
        tap.hold(until=AT_ONCE, within_s=HOLD_S)
        async with provider(world, target, tap=tap) as asks:
            await world.together([asked(asks) for _ in range(10)])
        await world.ledger()
        world.expect(
            tap.held >= AT_ONCE,
            given=f"ten calls of one {name} at once, and no answer until {AT_ONCE} of them are there",
            expected=f"{AT_ONCE} calls under way before the first is answered",
            seen=f"{tap.held} under way when the first was answered after all, {HOLD_S:g} s later",
        )


@probe(
    "One call is one attempt",
    means="An SDK retries twice, unseen. Your own retries multiply with it: three tries become nine, in a bad hour.",
)
async def one_call_is_one_attempt(world: World) -> None:
    for target, name in CLASSES.items():
        await world.simulator.fault(target, "status", status=503, retry_after_ms=1)
        async with provider(world, target) as asks:
            outcome = await world.outcome(asked(asks))
        statuses = [row["status"] for row in await world.ledger(target)]
        world.expect(
            statuses == [503],
            given=f"one {name}.call to a provider that answers 503",
            expected="one call at the provider; whether to try again is for your retry stage to say",
            seen=f"calls with {statuses}; it {outcome.words}",
        )


@probe(
    "What is raised is a ProviderError",
    means="Who catches anthropic.RateLimitError is tied to that vendor, and blind to what the next one raises.",
)
async def errors_are_your_own(world: World) -> None:
    faults: list[tuple[str, dict[str, Any]]] = [("status", {"status": each}) for each in (400, 401, 429, 500, 503)]
    faults += [("reset", {}), ("cut", {})]
    for target, name in CLASSES.items():
        async with provider(world, target) as asks:
            for fault, params in faults:
                outcome = await met(world, asks, target, fault, **params)
                kinds = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(outcome.error).__mro__]
                foreign = [kind for kind in kinds if kind.partition(".")[0] in FOREIGN]
                world.expect(
                    is_own(world, outcome.error),
                    given=f"{name}.call that meets a {fault} {params.get('status', 'of its connection')}",
                    expected="a ProviderError of your file, which inherits from no class of an SDK",
                    seen=f"it {outcome.words}{f', which is a {foreign[0]}' if foreign else ''}",
                )


@probe(
    "An error says whether to try again, and when",
    means="Retries that cannot tell 400 from 503 repeat what cannot work; without Retry-After they are refused again.",
)
async def an_error_says_whether_and_when(world: World) -> None:
    for target, name in CLASSES.items():
        async with provider(world, target) as asks:
            for params, wait_s, retryable in FAILURES:
                error = (await met(world, asks, target, "status" if params else "reset", **params)).error
                words = ", ".join(f"{key.replace('_', '-')} {value}" for key, value in params.items())
                seen = getattr(error, "retryable", None), getattr(error, "retry_after_s", None)
                world.expect(
                    is_own(world, error) and seen == (retryable, wait_s),
                    given=f"{name}.call that meets {words or 'a connection that is reset'}",
                    expected=f"a ProviderError with retryable {retryable}, retry_after_s {wait_s}",
                    seen=f"a {type(error).__name__} with retryable {seen[0]}, retry_after_s {seen[1]}",
                )


@probe(
    "A call that hangs ends: by your timeout, or with its caller",
    means="The SDKs wait ten minutes: behind a provider that hangs, each request holds memory and a user that long.",
)
async def a_call_that_hangs_ends(world: World) -> None:
    async def tries(target: str, name: str) -> None:
        await world.simulator.fault(target, "hang")
        async with provider(world, target, timeout_s=TIMEOUT_S) as asks:
            outcome = await world.within(PATIENCE_S, asked(asks))
        found = await world.ledger(target)
        world.expect(
            outcome is not None and is_own(world, outcome.error) and getattr(outcome.error, "retryable", 0) is True,
            given=f"{name} with timeout_s={TIMEOUT_S:g}, and a provider that never answers",
            expected=f"after about {TIMEOUT_S:g} s a ProviderError with retryable True, and the call given up",
            seen=f"it {outcome.words}; {_ends(found)}" if outcome else f"it still waits after {PATIENCE_S:g} s",
        )
        async with provider(world, target, timeout_s=LONG_S) as asks:
            call = asyncio.create_task(asked(asks))
            await world.simulator.until_open(target, LONG_S)
            call.cancel()
            await asyncio.wait({call}, timeout=PATIENCE_S)
            found = await world.ledger(target)
        world.expect(
            bool(found) and all(row["cancelled"] for row in found),
            given=f"{name} with timeout_s={LONG_S:g}, a provider that never answers, and a caller who is cancelled",
            expected="this call given up at the provider as well, like the one that ended by its timeout",
            seen=_ends(found),
        )

    await both_at_once(tries)


def _ends(found: Sequence[dict[str, Any]]) -> str:
    unfinished, left = sum(row["duration_s"] is None for row in found), sum(row["cancelled"] for row in found)
    return f"calls at the provider: {len(found)}, of which {left} given up and {unfinished} still open"


@probe(
    "A bad 200 is an error",
    means="A proxy's error page becomes an answer that a user reads, the cache keeps, and the breaker calls a success.",
)
async def a_bad_200_is_an_error(world: World) -> None:
    for target, name in CLASSES.items():
        async with provider(world, target) as asks:
            for kind in BAD_BODIES:
                outcome = await met(world, asks, target, "bad_body", kind=kind)
                world.expect(
                    is_own(world, outcome.error),
                    given=f"{name}.call that meets a 200 with a bad body: {kind.replace('_', ' ')}",
                    expected="a ProviderError",
                    seen=f"it {outcome.words}",
                )
