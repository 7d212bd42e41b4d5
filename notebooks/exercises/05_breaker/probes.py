"""What is tried of exercise 5."""

import asyncio
from collections.abc import Awaitable, Callable

from notebooks.grader import World, probe
from notebooks.grader.store import Died

from .bench import CLOSE_S, COOLDOWN_S, FAILURES, LEASE_S, Replica, answered, came, counted, statuses, told, until


@probe(
    "Five failures in a row open the circuit, and no fewer",
    means="Too eager, it cuts off a provider for a hiccup; too late, or never, and each request waits for a dead one.",
)
async def five_in_a_row_open_it(world: World) -> None:
    yours = Replica(world, world.yours)
    before = [*await yours.fails(FAILURES - 1), await yours.asks(), *await yours.fails(FAILURES)]
    calls = await statuses(world)
    after = await yours.asks()
    expected = [503] * 4 + [200] + [503] * 5
    world.expect(
        calls == expected and [answered(one) for one in before] == [status == 200 for status in expected],
        given="four calls that fail with 503, one that succeeds, five that fail",
        expected=f"that all reach the provider, and its answer or error is passed on. At the ledger {expected}",
        seen=f"at the ledger {calls}; {told(before)}",
    )
    world.expect(
        yours.refused(after) and await statuses(world) == expected,
        given="five failures in a row, and one more request",
        expected="CircuitOpen, and no call",
        seen=f"{len(await statuses(world)) - len(expected)} more calls; it {came(after)}",
    )


@probe(
    "While it is open nothing is called, and who is refused is told for how long",
    means="The pause is what lets a provider recover, and its length is what you tell a user or put into Retry-After.",
)
async def nothing_is_called_for_thirty_seconds(world: World) -> None:
    yours = Replica(world, world.yours)
    await yours.opens()
    for at_s in (0.0, 12.0, 29.9):
        until(world, at_s)
        outcome = await yours.asks()
        calls = len(await statuses(world)) - FAILURES
        left_s = getattr(outcome.error, "retry_in_s", None)
        world.expect(
            yours.refused(outcome) and calls == 0 and left_s is not None and abs(left_s - (30 - at_s)) < CLOSE_S,
            given=f"a circuit that opened {at_s:g} s ago, and one request",
            expected=f"no call, and CircuitOpen with retry_in_s = {30 - at_s:g}",
            seen=f"{counted(calls)}; it {came(outcome)}" + (f", retry_in_s = {left_s:g}" if left_s is not None else ""),
        )
    until(world, COOLDOWN_S)
    outcome = await yours.asks()
    world.expect(
        answered(outcome) and len(await statuses(world)) == FAILURES + 1,
        given="a circuit that opened 30 s ago, three requests that were refused meanwhile, and one more",
        expected="that this one is called: those who were refused prolong nothing",
        seen=f"{len(await statuses(world)) - FAILURES} calls; it {came(outcome)}",
    )


@probe(
    "A success after the cool-down closes it",
    means="A circuit that stays half-open after the outage serves one user at a time and refuses the rest, for ever.",
)
async def a_success_closes_it(world: World) -> None:
    yours = Replica(world, world.yours)
    await yours.opens()
    world.clock.advance(COOLDOWN_S)
    await yours.asks()
    failures = await yours.fails(FAILURES - 1)
    world.expect(
        not any(map(yours.refused, failures)),
        given="a circuit after its cool-down, one call that succeeds, and then four that fail",
        expected="that all four are called: it is closed, and counts anew",
        seen=told(failures),
    )
    before = len(await statuses(world))
    outcomes = await asyncio.gather(*[yours.asks(takes_s=1.0) for _ in range(10)])
    calls = len(await statuses(world)) - before
    world.expect(
        calls == 10 and all(map(answered, outcomes)),
        given="a circuit that a success closed, four failures, and then ten requests at once",
        expected="ten calls and ten answers",
        seen=f"{counted(calls)}; {told(outcomes)}",
    )


@probe(
    "Errors that are not the provider's count for nothing",
    means="If 400s open it, one client with a bug cuts everybody off; if they reset the count, it hides an outage.",
)
async def only_the_providers_faults_count(world: World) -> None:
    yours = Replica(world, world.yours)
    neutral = (400, 401, 403, 404, 413, 422, 429)
    for status in neutral:
        await world.simulator.fault("anthropic", "status", status=status, times=1)
        await yours.asks()
    for _ in range(FAILURES):
        await hung_up(world, yours)
    for _ in range(FAILURES):
        await yours.asks(with_a_bug)
    outcome = await yours.asks()
    world.expect(
        answered(outcome),
        given=f"calls that end with {', '.join(map(str, neutral))}, five that are cancelled: their callers hang up, "
        "and five that end with a KeyError: a bug of ours",
        expected="that the circuit is closed, and the next request is called",
        seen=f"it {came(outcome)}",
    )
    for status in (500, 502, 529, 400, 429):
        await world.simulator.fault("anthropic", "status", status=status, times=1)
        await yours.asks()
    await hung_up(world, yours)
    await world.simulator.fault("anthropic", "reset", times=1)
    await yours.asks()
    await world.simulator.fault("anthropic", "status", status=408, times=1)
    await yours.asks()
    outcome = await yours.asks()
    world.expect(
        yours.refused(outcome),
        given="500, 502 and 529, then 400, 429 and a caller who hangs up, then a call without an answer and a 408",
        expected="CircuitOpen for the next: five failures of the provider's, and what was in between says nothing",
        seen=f"it {came(outcome)}",
    )


async def with_a_bug() -> str:
    """A call that never gets to the provider."""
    raise KeyError("content")


async def hung_up(world: World, yours: Replica) -> None:
    """A request whose caller goes away while its call is under way."""
    task = yours.task(takes_s=2.0)
    await world.clock.wait(1.0)
    task.cancel()
    await asyncio.wait([task])


@probe(
    "After the cool-down exactly one call goes to see, however many ask",
    means="A provider that has just come back gets the whole load in one moment, and is down again.",
)
async def one_probe_of_ten(world: World) -> None:
    yours = Replica(world, world.yours)
    await asyncio.gather(*[yours.asks() for _ in range(10)])  # so that all ten connections to the store are there
    await yours.opens()
    before = len(await statuses(world))
    world.clock.advance(COOLDOWN_S)
    outcomes = await asyncio.gather(*[yours.asks(takes_s=1.0) for _ in range(10)])
    calls, refused = len(await statuses(world)) - before, sum(map(yours.refused, outcomes))
    world.expect(
        calls == 1 and refused == 9 and sum(map(answered, outcomes)) == 1,
        given="a circuit after its cool-down, ten requests at once, and a provider that takes a second",
        expected="one call and its answer, and CircuitOpen for the nine others",
        seen=f"{counted(calls)}, {refused} refused; {told(outcomes)}",
    )
    waits = [one.error.retry_in_s for one in outcomes if isinstance(one.error, world.yours.CircuitOpen)]
    world.expect(
        all(0 <= one <= COOLDOWN_S for one in waits),
        given="nine requests that are refused because a probe is under way",
        expected="a retry_in_s between 0 and 30: the probe is over by then",
        seen=f"retry_in_s from {min(waits):g} to {max(waits):g}",
    )


@probe(
    "A probe that fails opens it again, for a whole cool-down",
    means="Otherwise the second half of an outage is as if there were no breaker.",
)
async def a_failed_probe_opens_it_again(world: World) -> None:
    yours = Replica(world, world.yours)
    await yours.opens()
    opened_s = world.clock.now()
    for number in (1, 2):
        until(world, opened_s + COOLDOWN_S)
        await world.simulator.fault("anthropic", "status", status=503, times=1)
        await yours.asks(takes_s=1.0)
        opened_s, before = world.clock.now(), len(await statuses(world))
        for after_s in (0.0, 29.9):
            until(world, opened_s + after_s)
            outcome = await yours.asks()
            calls = len(await statuses(world)) - before
            world.expect(
                calls == 0 and yours.refused(outcome),
                given=f"a probe after the cool-down that fails ({number} of 2), and a request {after_s:g} s after that",
                expected="CircuitOpen, and no call: there are 30 s to wait again",
                seen=f"{counted(calls)}; it {came(outcome)}",
            )
    until(world, opened_s + COOLDOWN_S)
    outcome = await yours.asks()
    world.expect(
        answered(outcome),
        given="two probes that failed, 30 s, and a provider that is well again",
        expected="that the next request is called",
        seen=f"it {came(outcome)}",
    )


@probe(
    "All replicas see one circuit per provider",
    means="With a circuit each, ten replicas call a dead provider fifty times before the last gives up.",
)
async def two_replicas_see_one_circuit(world: World) -> None:
    a, b = Replica(world, world.yours, "a"), Replica(world, world.replica(), "b")
    await a.fails(3)
    await b.fails(2)
    outcomes = [await a.asks(), await b.asks()]
    calls = len(await statuses(world)) - FAILURES
    world.expect(
        calls == 0 and a.refused(outcomes[0]) and b.refused(outcomes[1]),
        given="two replicas; three calls fail at a, then two at b; then one request to each",
        expected="CircuitOpen at both: five in a row for the fleet",
        seen=f"{counted(calls)}; at a it {came(outcomes[0])}; at b it {came(outcomes[1])}",
    )
    other = await b.asks(by=b.made("openai"))
    world.expect(
        answered(other),
        given="two replicas for which the circuit of one provider is open, and a request to another provider",
        expected="that it is called: a circuit is one provider's",
        seen=f"it {came(other)}",
    )
    before = len(await statuses(world))
    world.clock.advance(COOLDOWN_S)
    outcomes = await asyncio.gather(*[one.asks(takes_s=1.0) for one in (a, b) * 5])
    calls = len(await statuses(world)) - before
    world.expect(
        calls == 1,
        given="two replicas after the cool-down, and five requests to each at once",
        expected="one call in all",
        seen=f"{counted(calls)}; {told(outcomes)}",
    )
    outcomes = [await a.asks(), await b.asks()]
    world.expect(
        all(map(answered, outcomes)),
        given="two replicas, a probe of one of them that succeeds, and then one request to each",
        expected="that both are called: what one found out is true for the other",
        seen=f"at a it {came(outcomes[0])}; at b it {came(outcomes[1])}",
    )


@probe(
    "Failures that end in the same moment all count",
    means="An outage makes calls fail together. If one overwrites the other's count, the circuit opens late or never.",
)
async def failures_at_once_all_count(world: World) -> None:
    replicas = [Replica(world, world.yours, "a"), Replica(world, world.replica(), "b")]
    await world.simulator.fault("anthropic", "status", status=503, times=FAILURES)
    all_here, here = asyncio.Event(), 0

    def fails_with_the_others(code: Replica) -> Callable[[], Awaitable[str]]:
        provider = code.provider()

        async def called() -> str:
            nonlocal here
            try:
                return await provider()
            finally:
                here += 1
                if here == FAILURES:
                    all_here.set()
                await all_here.wait()

        return called

    asked = [replicas[number % 2] for number in range(FAILURES)]
    outcomes = await asyncio.gather(*[one.asks(fails_with_the_others(one)) for one in asked])
    calls = await statuses(world)
    after = await replicas[0].asks()
    world.expect(
        calls == [503] * FAILURES and replicas[0].refused(after),
        given="five calls at two replicas that all fail in the same moment, and then one request",
        expected="five calls with 503, then CircuitOpen",
        seen=f"calls with {calls}: {told(outcomes)}; then it {came(after)}",
    )


@probe(
    "A probe that gives no verdict gives its place to the next",
    means="One tab closed, or one process dead, at the wrong moment, and the provider is never called again.",
)
async def a_probe_without_a_verdict_is_replaced(world: World) -> None:
    a, b = Replica(world, world.yours, "a"), Replica(world, world.replica(), "b")
    await a.opens()
    world.clock.advance(COOLDOWN_S)
    await world.simulator.fault("anthropic", "status", status=429, times=1)
    first = await a.asks()
    before = len(await statuses(world))
    after = await asyncio.gather(*[a.asks(takes_s=1.0) for _ in range(5)])
    calls = len(await statuses(world)) - before
    world.expect(
        calls == 1 and sum(map(answered, after)) == 1,
        given="a probe that ends with 429, and five requests right after it",
        expected="one of them called: nothing is known yet, so somebody else may go and see",
        seen=f"the probe {came(first)}; {counted(calls)} after it: {told(after)}",
    )
    await a.opens()
    world.clock.advance(COOLDOWN_S)
    await hung_up(world, a)
    await world.clock.wait(1.0)  # who leaves the store to a task of its own has time for it
    outcome = await b.asks()
    world.expect(
        answered(outcome),
        given="a probe whose caller hangs up (it is cancelled), and a request to another replica a second later",
        expected="that this one is called: the probe ended neutrally, so it made room at once",
        seen=f"it {came(outcome)}",
    )
    await a.opens()
    world.clock.advance(COOLDOWN_S)
    await a.asks(dies(world, a))
    before, died_s = len(await statuses(world)), world.clock.now()
    for after_s, wanted in ((0.0, 0), (LEASE_S, 1)):
        until(world, died_s + after_s)
        outcomes = await asyncio.gather(*[b.asks(takes_s=1.0) for _ in range(5)])
        calls = len(await statuses(world)) - before
        world.expect(
            calls == wanted,
            given=f"a replica that dies during its probe, and five requests at once to the other {after_s:g} s later",
            expected=f"{wanted} of them called: when its lease of {LEASE_S:g} s ends, one takes its place, not earlier",
            seen=f"{calls} called; {told(outcomes)}",
        )


def dies(world: World, replica: Replica) -> Callable[[], Awaitable[str]]:
    """A call in the middle of which the replica's process ends: its store hears nothing of it any more."""

    async def called() -> str:
        replica.store.dead = True
        world.note(f"replica {replica.name}", "dies", ok=False)
        raise Died

    return called


@probe(
    "What began before a change says nothing after it",
    means="An old success reopens the door to a dead provider; old failures shut it on one that has recovered.",
)
async def late_results_are_discarded(world: World) -> None:
    yours = Replica(world, world.yours)
    slow, gone = yours.task(takes_s=5.0), yours.task(takes_s=5.0)
    await world.clock.wait(0.5)
    await yours.opens()
    opened_s, before = world.clock.now(), len(await statuses(world))
    gone.cancel()
    await asyncio.wait([gone])
    outcome = await yours.asks()
    world.expect(
        yours.refused(outcome) and len(await statuses(world)) == before,
        given="a slow call, five others that fail meanwhile, then the slow one's caller hangs up, and one more request",
        expected="CircuitOpen: what began before the circuit opened does not end its cool-down",
        seen=f"{counted(len(await statuses(world)) - before)}; it {came(outcome)}",
    )
    await slow
    outcome = await yours.asks()
    calls = len(await statuses(world)) - before - 1
    world.expect(
        yours.refused(outcome) and calls == 0,
        given="a slow call, five others that fail meanwhile, then the slow one's success, and one more request",
        expected="CircuitOpen: that call began before the circuit opened",
        seen=f"{counted(calls)}; it {came(outcome)}",
    )
    until(world, opened_s + COOLDOWN_S)
    await yours.asks()
    slow_ones = [yours.task(takes_s=60.0) for _ in range(FAILURES)]
    await world.clock.wait(1.0)
    await yours.opens()
    opened_s = world.clock.now()
    world.clock.advance(COOLDOWN_S)
    closed_by = await yours.asks()
    await world.simulator.fault("anthropic", "status", status=503, times=FAILURES)
    await asyncio.wait(slow_ones)
    outcome = await yours.asks()
    world.expect(
        answered(closed_by) and answered(outcome),
        given="five slow calls; meanwhile the circuit opens, and a probe closes it; then the five slow ones fail",
        expected="that the next request is called: those five tell of the outage that is over",
        seen=f"the probe {came(closed_by)}; the next request {came(outcome)}",
    )
    await yours.opens()
    world.clock.advance(COOLDOWN_S)
    slow = yours.task(takes_s=LEASE_S + 5.0)
    await world.clock.wait(LEASE_S)
    await world.simulator.fault("anthropic", "status", status=503, times=1)
    second = await yours.asks()
    await world.simulator.heal("anthropic")
    await slow
    outcome = await yours.asks()
    world.expect(
        yours.refused(second) or yours.refused(outcome),  # a breaker that renews the lease lets no second one in
        given="a probe that outlives its lease, a second that fails, then the first one's success, and one request",
        expected="CircuitOpen: the first had been given up, and the circuit opened since",
        seen=f"the second {came(second)}; the request after both {came(outcome)}",
    )
