"""What is tried of exercise 6."""

import asyncio
import random
from statistics import fmean

from notebooks.grader import World, probe

from .bench import (
    BASE_S,
    CAP_S,
    CLOSE_S,
    answered,
    asked,
    came,
    counted,
    provider_of,
    shown,
    statuses,
    together,
    waits_of,
)


@probe(
    "A failure that may pass is tried again",
    means="Without it one bad second of a provider is a failed answer for whoever asked in it.",
)
async def a_503_is_tried_again(world: World) -> None:
    await world.simulator.fault("anthropic", "status", status=503, times=2)
    outcome = await asked(world, provider_of(world))
    found = await statuses(world)
    world.expect(
        found == [503, 503, 200] and answered(outcome),
        given="a provider that answers 503 twice and then well",
        expected="three calls, and the answer of the third",
        seen=f"calls with {found}; your function {came(outcome)}",
    )
    for status in (408, 429, 500, 502, 504, 529, None):
        if status is None:
            await world.simulator.fault("anthropic", "reset", times=1)
        else:
            await world.simulator.fault("anthropic", "status", status=status, times=1)
        provider = provider_of(world)
        outcome = await asked(world, provider)
        world.expect(
            len(provider.calls) == 2 and answered(outcome),
            given=f"a call that fails with {status or 'no answer'}, and then a provider that is well",
            expected="two calls, and the answer of the second",
            seen=f"{counted(len(provider.calls))}; your function {came(outcome)}",
        )


@probe(
    "A 400 is never tried again",
    means="What is wrong with a request stays wrong: each retry is a call that cannot help, for every user who errs.",
)
async def a_400_is_never_retried(world: World) -> None:
    for status in (400, 401, 403, 404, 409, 413, 422):
        await world.simulator.fault("anthropic", "status", status=status, times=10)
        before = len(await statuses(world))
        outcome = await asked(world, provider_of(world))
        found = (await statuses(world))[before:]
        await world.simulator.heal("anthropic")
        world.expect(
            found == [status] and isinstance(outcome.error, world.yours.ProviderError),
            given=f"a provider that answers {status}",
            expected="one call, and its ProviderError",
            seen=f"calls with {found}; your function {came(outcome)}",
        )
    times = 0

    async def with_a_bug(messages: object) -> str:
        nonlocal times
        times += 1
        raise KeyError("content")

    outcome = await asked(world, with_a_bug)
    world.expect(
        times == 1 and isinstance(outcome.error, KeyError),
        given="a call that ends with a KeyError: a bug in our own code",
        expected="one call, and the KeyError",
        seen=f"{times} calls; your function {came(outcome)}",
    )


@probe(
    "It ends: at most `attempts` calls, and the last one's error at once",
    means="A wait after the last call helps nobody, and an old error sends you after the wrong cause.",
)
async def the_last_failure_is_the_end(world: World) -> None:
    given = "attempts=3, and a provider that answers 500, 502, 503 and then well"
    for status in (500, 502, 503):
        await world.simulator.fault("anthropic", "status", status=status, times=1)
    provider = provider_of(world)
    outcome = await asked(world, provider, attempts=3)
    found = await statuses(world)
    world.expect(
        found == [500, 502, 503],
        given=given,
        expected="three calls",
        seen=f"calls with {found}; your function {came(outcome)}",
    )
    world.expect(
        isinstance(outcome.error, world.yours.ProviderError) and outcome.error.status == 503,
        given=given,
        expected="the ProviderError of the third: status 503",
        seen=f"your function {came(outcome)}",
    )
    late_s = outcome.until_s - provider.calls[-1].until_s
    world.expect(
        late_s < CLOSE_S,
        given=given,
        expected="that the error is raised as soon as the third call has failed",
        seen=f"it came {late_s:.2f} s later",
    )


@probe(
    "The waits may double, from 0.2 s up to 2 s",
    means="Waits that do not grow hammer a provider that is down; waits without a bound outlast any user.",
)
async def the_waits_grow_to_a_cap(world: World) -> None:
    await world.simulator.fault("anthropic", "status", status=503)
    made = await together(world, 12, attempts=7)
    for number in range(6):
        most_s = min(CAP_S, BASE_S * 2**number)
        waits = [waits_of(provider)[number] for provider, _ in made]
        given = f"12 requests in an outage, with attempts=7; wait number {number + 1} of each"
        world.expect(
            max(waits) <= most_s + CLOSE_S,
            given=given,
            expected=f"at most {most_s:g} s",
            seen=f"up to {max(waits):.2f} s ({shown(waits)})",
        )
        world.expect(
            fmean(waits) >= 0.15 * most_s,
            given=given,
            expected=f"somewhere between 0 and {most_s:g} s: about {most_s / 2:g} s on average",
            seen=f"{fmean(waits):.3f} s on average ({shown(waits)})",
        )


@probe(
    "Those who failed together do not come back together",
    means="Equal waits turn one blip into waves: all come back in the same moment, fail together, and so on.",
)
async def callers_do_not_come_back_together(world: World) -> None:
    await world.simulator.fault("anthropic", "status", status=503, times=50)
    made = await together(world, 50)
    waits = sorted(waits_of(provider)[0] for provider, _ in made)
    distinct = len({round(one, 6) for one in waits})
    world.expect(
        distinct >= 45 and waits[0] <= 0.25 * BASE_S and waits[-1] >= 0.75 * BASE_S,
        given="50 requests that fail in the same moment",
        expected="50 different waits, spread over all of 0 to 0.2 s",
        seen=f"{distinct} different ones from {waits[0]:.3f} to {waits[-1]:.3f} s",
    )
    runs = []
    for _ in range(2):
        await world.simulator.fault("anthropic", "status", status=503, times=3)
        provider = provider_of(world)
        await asked(world, provider, rng=random.Random(world.seed))
        runs.append(waits_of(provider))
    world.expect(
        all(abs(one - other) < CLOSE_S for one, other in zip(*runs, strict=True)),
        given="two requests with equal generators as `rng`",
        expected="the same waits: chance comes from `rng` alone, so that a run can be repeated",
        seen=f"{shown(runs[0])} and {shown(runs[1])}",
    )


@probe(
    "Retry-After is obeyed",
    means="Whoever comes before the time is refused again, and may be kept out for longer.",
)
async def retry_after_is_obeyed(world: World) -> None:
    for status, told_s in ((429, 3), (503, 2)):
        await world.simulator.fault("anthropic", "status", status=status, retry_after=str(told_s), times=10)
        waits = sorted(waits_of(provider)[0] for provider, _ in await together(world, 10))
        given = f"10 requests that are told at once: {status}, Retry-After: {told_s}"
        world.expect(
            waits[0] >= told_s - CLOSE_S and waits[-1] <= told_s + CAP_S + CLOSE_S,
            given=given,
            expected=f"waits of at least {told_s} s, and not much more",
            seen=f"waits from {waits[0]:.2f} to {waits[-1]:.2f} s",
        )
        distinct = len({round(one, 6) for one in waits})
        world.expect(
            distinct >= 9,
            given=given,
            expected=f"10 different moments after {told_s} s: they, too, should not come back together",
            seen=f"{distinct} different waits: {shown(waits)}",
        )


@probe(
    "No wait passes the deadline",
    means="Who waits beyond it answers nobody: the user has gone, and only the provider's load is left.",
)
async def no_wait_passes_the_deadline(world: World) -> None:
    world.clock.advance(1_000.0)
    await world.simulator.fault("anthropic", "status", status=429, retry_after="3600", times=1)
    provider = provider_of(world)
    outcome = await asked(world, provider)
    world.expect(
        outcome.error is not None and len(provider.calls) == 1 and outcome.until_s - outcome.at_s < CLOSE_S,
        given="at 1000 s of the clock: Retry-After: 3600, and deadline_s=1060",
        expected="one call, and its error at once: it is known now that no wait will help",
        seen=f"{counted(len(provider.calls))}; it {came(outcome)} after {outcome.until_s - outcome.at_s:g} s",
    )
    given = "10 requests in an outage, at 1000 s of the clock, with deadline_s=1001 and attempts=10"
    await world.simulator.fault("anthropic", "status", status=503)
    made = await together(world, 10, deadline_s=1.0, attempts=10)
    last_s = max(provider.calls[-1].at_s - outcome.at_s for provider, outcome in made)
    world.expect(
        last_s < 1.0,
        given=given,
        expected="no call after 1001 s: deadline_s is a moment of the clock",
        seen=f"the last call at {1_000 + last_s:.2f} s",
    )
    late_s = max(outcome.until_s - provider.calls[-1].until_s for provider, outcome in made)
    world.expect(
        late_s < CLOSE_S,
        given=given,
        expected="the error as soon as the next wait would pass the deadline",
        seen=f"an error {late_s:.2f} s after the last call",
    )
    world.expect(
        all(len(provider.calls) > 1 for provider, _ in made),
        given=given,
        expected="retries while there is time",
        seen="requests that were tried once",
    )


@probe(
    "In an outage all requests together retry no more than the budget",
    means="Four tries for each request are four times the load, at the moment when the provider can bear the least.",
)
async def an_outage_is_not_amplified(world: World) -> None:
    await world.simulator.fault("anthropic", "status", status=503)
    budget = world.yours.Budget()
    await together(world, 60, budget=budget)
    calls = len(await statuses(world))
    world.expect(
        calls == 70,
        given="60 requests at once in an outage, with one Budget() of 10",
        expected="70 calls: one each, and 10 retries",
        seen=f"{counted(calls)}, {calls / 60:.1f} per request",
    )
    for _ in range(20):
        await asked(world, provider_of(world), budget=budget)
    calls = len(await statuses(world)) - calls
    world.expect(
        calls == 20,
        given="an outage in which a shared Budget() is used up, and 20 more requests, one after the other",
        expected="20 calls: nothing succeeded, so nothing was paid back",
        seen=f"{counted(calls)}",
    )
    await only_retries_cost(world)


async def only_retries_cost(world: World) -> None:
    """Errors that nobody tries again, and what is left of the budget after them."""
    for status, how, words in (
        (400, {}, "refused with 400"),
        (503, {"attempts": 1}, "that fail with 503 and attempts=1"),
        (503, {"deadline_s": 0.0}, "that fail with 503 when their deadline is now"),
    ):
        await world.simulator.heal("anthropic")
        await world.simulator.fault("anthropic", "status", status=status)
        budget = world.yours.Budget(tokens=5.0)
        await together(world, 10, budget=budget, **how)
        await world.simulator.heal("anthropic")
        await world.simulator.fault("anthropic", "status", status=503)
        before = len(await statuses(world))
        await together(world, 5, budget=budget)
        retries = len(await statuses(world)) - before - 5
        world.expect(
            retries == 5,
            given=f"Budget(tokens=5), 10 requests {words}, and then an outage of 5",
            expected="5 retries in the outage: the ten before it were not tried again, and so cost nothing",
            seen=f"{retries}",
        )


@probe(
    "Success pays back, and never more than there was",
    means="One that never fills ends all retries with the first outage; one without a bound is none in the next.",
)
async def success_pays_back(world: World) -> None:
    budget = world.yours.Budget(tokens=3.0)

    async def retries_of(requests: int) -> int:
        await world.simulator.fault("anthropic", "status", status=503)
        before = len(await statuses(world))
        await together(world, requests, budget=budget)
        await world.simulator.heal("anthropic")
        world.clock.advance(1.0)
        return len(await statuses(world)) - before - requests

    used = await retries_of(5)
    story, seen = "Budget(tokens=3), an outage of 5 requests", [used]
    for successes, requests, wanted in ((4, 3, 0), (7, 5, 2), (20, 6, 3)):
        await together(world, successes, budget=budget)
        seen.append(await retries_of(requests))
        story += f", {successes} successes, an outage of {requests}"
        world.expect(
            seen[-1] == wanted,
            given=story,
            expected=f"{wanted} retries in the last: a success pays 0.2, a retry costs 1, and 3 is the most",
            seen=f"{seen[-1]} (in each: {', '.join(map(str, seen))})",
        )
    budget = world.yours.Budget(tokens=3.5)
    for _ in range(3):
        await world.simulator.fault("anthropic", "status", status=503, times=1)
        await asked(world, provider_of(world), budget=budget)
    left = await retries_of(3)
    world.expect(
        left == 1,
        given="Budget(tokens=3.5), three requests that succeed with their second call, and an outage of 3",
        expected="1 retry in the outage: 3.5 less 3 retries, and 3 times 0.2 for three calls that succeeded",
        seen=f"{left}",
    )


@probe(
    "Who is cancelled stops at once",
    means="The user closed the tab, or the service is told to end: each further try is paid for, and nobody reads it.",
)
async def cancellation_ends_it(world: World) -> None:
    for moment, takes_s in (("a wait", 0.0), ("a call", 2.0)):
        await world.simulator.fault("anthropic", "status", status=503, retry_after="4", times=1)
        provider = provider_of(world, takes_s=takes_s)
        task = asyncio.create_task(asked(world, provider))
        await world.clock.wait(1.0)
        task.cancel()
        world.note("you", "cancelled", ok=False)
        await world.clock.wait(20.0)
        await world.simulator.heal("anthropic")
        if not task.done():
            ended = "it goes on"
        else:
            ended = "it was cancelled" if task.cancelled() else f"your function {came(task.result())}"
        world.expect(
            len(provider.calls) == 1 and task.cancelled(),
            given=f"a request that is cancelled during {moment}",
            expected="no further call, and CancelledError passed on",
            seen=f"{len(provider.calls) - 1} further calls; {ended}",
        )
