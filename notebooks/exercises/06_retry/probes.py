"""What is tried of exercise 6."""

from notebooks.grader import World, probe
from notebooks.grader.providers import Provider
from notebooks.grader.world import Outcome

QUESTION = [{"role": "user", "content": "Why do retries need jitter?"}]


async def asked(world: World, provider: Provider, *, deadline_s: float = 60.0) -> Outcome[str]:
    yours = world.yours
    return await world.outcome(
        yours.call_with_retry(
            lambda: provider(QUESTION),
            clock=world.clock,
            rng=world.random,
            budget=yours.Budget(),
            deadline_s=world.clock.now() + deadline_s,
        )
    )


@probe(
    "A 503 is tried again", means="Without it one bad second of a provider is a failed answer for whoever asked in it."
)
async def a_503_is_tried_again(world: World) -> None:
    await world.simulator.fault("anthropic", "status", status=503, times=2)
    provider = world.provider("anthropic", world.yours.ProviderError)
    outcome = await asked(world, provider)
    statuses = [row["status"] for row in await world.simulator.calls()]
    world.expect(
        statuses == [503, 503, 200] and outcome.error is None,
        given="a provider that answers 503 twice and then well",
        expected="three calls, and the answer of the third",
        seen=f"calls with {statuses}; your function {outcome.words}",
    )


@probe(
    "A 400 is never tried again",
    means="What is wrong with a request stays wrong: each retry is a call that cannot help, for every user who errs.",
    after=("a_503_is_tried_again",),
)
async def a_400_is_never_retried(world: World) -> None:
    await world.simulator.fault("anthropic", "status", status=400)
    provider = world.provider("anthropic", world.yours.ProviderError)
    outcome = await asked(world, provider)
    statuses = [row["status"] for row in await world.simulator.calls()]
    world.expect(
        statuses == [400] and isinstance(outcome.error, world.yours.ProviderError),
        given="a provider that answers 400",
        expected="one call, and the ProviderError",
        seen=f"calls with {statuses}; your function {outcome.words}",
    )
