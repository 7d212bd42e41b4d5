"""What is tried of exercise 4. `bench.py` has what it is tried with."""

import math

from notebooks.grader import World, probe

from .bench import COOLDOWN_S, FIRST, LARGE, NEXT, SECOND, SMALL, THRESHOLD, Bench, number, of, shown, told

HOUR_S = 3600.0
RESERVE_S = 0.25


@probe(
    "While all is well the first model answers, and nobody else is asked",
    means="A ladder that is climbed without need costs a second answer for each question, or gives the lesser one.",
)
async def while_all_is_well_the_first_answers(world: World) -> None:
    bench = Bench(world)
    outcomes = [await bench.ask(), await bench.ask()]
    calls = await bench.calls()
    plain = all(shown(one) == "live" and of(one, "text") and not of(one, "degraded") for one in outcomes)
    world.expect(
        calls == [LARGE, LARGE] and plain,
        given="both providers well, all circuits closed; the same question twice",
        expected=f"two calls, both to {LARGE}, and its answers as 'live' with nothing in degraded (a cache would stand "
        "in front of this ladder)",
        seen=f"calls to {calls}; {'; '.join(map(told, outcomes))}",
    )


@probe(
    "When the first circuit is open the next provider answers, and the reply says so",
    means="Callers, dashboards and bills take another model's answers for the first one's, and nobody sees the outage.",
)
async def an_open_circuit_asks_the_next_provider(world: World) -> None:
    bench = Bench(world)
    bench.open(FIRST)
    outcome = await bench.ask()
    calls, degraded = await bench.calls(), of(outcome, "degraded") or ()
    world.expect(
        calls == [NEXT] and shown(outcome) == "provider" and FIRST in " ".join(map(str, degraded)),
        given=f"the circuit of {FIRST} open; {SECOND} well; 10 s left",
        expected=f"one call, to {NEXT}, and its answer as 'provider' with a reason in degraded that names {FIRST}",
        seen=f"calls to {calls}; {told(outcome)}",
    )


@probe(
    "Each provider has a circuit of its own, and it hears how each call went",
    means="Behind one common breaker the outage of one provider takes the other one away, just when it is needed.",
)
async def each_provider_has_its_own_circuit(world: World) -> None:
    bench = Bench(world)
    await world.simulator.fault(FIRST, "status", status=503)
    outcomes = [await bench.ask(f"Question {number}?") for number in range(THRESHOLD + 2)]
    calls, heard = await bench.calls(), {name: one.told for name, one in bench.circuits.items()}
    given = f"{FIRST} answers 503; {len(outcomes)} questions, one after the other"
    world.expect(
        heard == {FIRST: [False] * THRESHOLD, SECOND: [True] * len(outcomes)},
        given=given,
        expected=f"{FIRST}'s circuit told of {THRESHOLD} failures (it opens), {SECOND}'s of {len(outcomes)} answers",
        seen=bench.heard(),
    )
    world.expect(
        calls.count(LARGE) == THRESHOLD and all(shown(one) == "provider" for one in outcomes),
        given=given,
        expected=f"{THRESHOLD} calls to {LARGE}, and {len(outcomes)} answers of {NEXT} as 'provider'",
        seen=f"{calls.count(LARGE)} calls to {LARGE}; shown: {', '.join(map(shown, outcomes))}",
    )


@probe(
    "A request that is wrong goes to nobody else",
    means="Every typo costs two calls, opens the circuits of healthy providers, and looks like an outage.",
)
async def a_400_goes_to_nobody_else(world: World) -> None:
    bench = Bench(world)
    await bench.ask()
    await world.simulator.fault(FIRST, "status", status=400)
    outcome = await bench.ask()
    calls = (await bench.calls())[1:]
    status = getattr(outcome.error, "status", None)
    given = f"{FIRST} refuses a request with 400"
    world.expect(
        calls == [LARGE] and isinstance(outcome.error, world.yours.ProviderError) and status == 400,
        given=given,
        expected=f"one call, to {LARGE}, and the ProviderError with status 400: it is wrong everywhere",
        seen=f"calls to {calls}; {told(outcome)}",
    )
    world.expect(
        False not in bench.circuits[FIRST].told,
        given=given,
        expected=f"no failure told to {FIRST}'s circuit: whoever refuses is alive",
        seen=f"told {bench.circuits[FIRST].told}",
    )


@probe(
    "When nobody can answer, an honest message says so, and when to come again",
    means="An invented answer is believed, a 200 counts as success, and a wrong time brings all back too early.",
)
async def an_honest_message(world: World) -> None:
    bench = Bench(world)
    bench.open(FIRST, seconds=40)
    bench.open(SECOND, seconds=11.5)
    outcome = await bench.ask()
    calls, wait_s = await bench.calls(), number(outcome, "retry_after_s")
    given = f"the circuits of {FIRST} and {SECOND} open for 40 s and 11.5 s; no answer kept"
    world.expect(
        not calls and shown(outcome) == "message" and of(outcome, "status") == 503 and bool(of(outcome, "degraded")),
        given=given,
        expected="no call at all; a reply as 'message' with status 503 and the reasons in degraded",
        seen=f"calls to {calls}; {told(outcome)}",
    )
    world.expect(
        11.5 <= wait_s <= 12.5
        and any(words in str(of(outcome, "text")) for words in (f"{math.ceil(wait_s)}", f"{wait_s:g}")),
        given=given,
        expected="retry_after_s 12, or 11.5 and no less, when the first of them is back; the seconds in the text, too",
        seen=f"{told(outcome)}; the text: {of(outcome, 'text')!r}",
    )
    world.clock.advance(wait_s)
    back = await bench.ask()
    world.expect(
        shown(back) == "provider",
        given=f"{given}; the same question after the {wait_s:g} s that the message told",
        expected=f"an answer of {SECOND}, as 'provider'",
        seen=told(back),
    )
    bench = Bench(world)
    before = len(await bench.calls())
    for target in (FIRST, SECOND):
        await world.simulator.fault(target, "status", status=503)
    outcome = await bench.ask()
    calls, wait_s = (await bench.calls())[before:], number(outcome, "retry_after_s")
    given = "all circuits closed, but both providers answer 503; 10 s left"
    world.expect(
        calls == [LARGE, NEXT] and shown(outcome) == "message" and wait_s >= 1,
        given=given,
        expected=f"one call each to {LARGE} and {NEXT} (there is time, so {SMALL} is no way out), and then the message "
        "with retry_after_s of at least 1",
        seen=f"calls to {calls}; {told(outcome)}",
    )
    heard = {name: one.told for name, one in bench.circuits.items()}
    world.expect(
        heard == {FIRST: [False], SECOND: [False]},
        given=given,
        expected="each of the two circuits told of one failure",
        seen=bench.heard(),
    )


@probe(
    "A kept answer is shown when nobody can answer: labelled, with its age, for a day at most",
    means="Last month's prices are quoted as today's; or another tenant reads them.",
)
async def a_stale_answer_is_shown_for_a_day(world: World) -> None:
    bench = Bench(world)
    first = await bench.ask()
    world.clock.advance(2 * HOUR_S)
    bench.open(FIRST, SECOND, seconds=30 * HOUR_S)
    stale = await bench.ask()
    age_s = number(stale, "age_s")
    given = "an answer; two hours later the same question, and all circuits open"
    world.expect(
        shown(stale) == "stale" and of(stale, "text") == of(first, "text") and of(stale, "status") == 200,
        given=given,
        expected="the same text, as 'stale' with status 200",
        seen=f"{told(stale)}; {'the same' if of(stale, 'text') == of(first, 'text') else 'another'} text",
    )
    world.expect(
        abs(age_s - 2 * HOUR_S) <= 2 and bool(of(stale, "degraded")),
        given=given,
        expected="age_s 7200, and the reasons in degraded",
        seen=told(stale),
    )
    for words, more in (
        ("by another tenant", {"tenant": "globex"}),
        ("that differs", {"text": "What is a bulkhead?"}),
        ("in the same words, after others in a conversation", {"before": ("We sell fuses.", "How can I help?")}),
    ):
        other = await bench.ask(**more)
        world.expect(
            shown(other) == "message",
            given=f"an answer; two hours later, with all circuits open, a question {words}",
            expected="'message': nothing is kept of it",
            seen=told(other),
        )
    world.clock.advance(18 * HOUR_S)
    later = await bench.ask()
    world.clock.advance(5 * HOUR_S)
    too_late = await bench.ask()
    world.expect(
        (shown(later), shown(too_late)) == ("stale", "message"),
        given="all circuits open; the same question when the kept answer is 20 hours old, and when it is 25 hours old",
        expected="'stale', and then 'message' (STALE_S counts from when it was made, however often it is shown)",
        seen=f"{told(later)}; {told(too_late)}",
    )
    bench = Bench(world)
    await bench.ask()
    for target in (FIRST, SECOND):
        await world.simulator.fault(target, "status", status=503)
    failing = await bench.ask()
    world.expect(
        shown(failing) == "stale",
        given="an answer; then the same question while all circuits are closed, and both providers answer 503",
        expected="'stale': nobody could answer, whatever the circuits say",
        seen=told(failing),
    )


@probe(
    "Only what the first model said is kept",
    means="A makeshift of the outage is taken for the real thing in the next one, and looks younger than it is.",
)
async def only_live_answers_are_kept(world: World) -> None:
    bench = Bench(world)
    bench.open(FIRST)
    during = await bench.ask()
    bench.open(FIRST, SECOND)
    after = await bench.ask()
    world.expect(
        shown(after) == "message",
        given=f"a question in an outage of {FIRST} (shown {shown(during)!r}), and again when all circuits are open",
        expected="'message': what another provider said is not kept",
        seen=told(after),
    )
    world.clock.advance(COOLDOWN_S)
    await bench.ask()
    world.clock.advance(HOUR_S)
    bench.open(FIRST)
    during = await bench.ask()
    world.clock.advance(HOUR_S)
    bench.open(FIRST, SECOND)
    after = await bench.ask()
    world.expect(
        shown(after) == "stale" and abs(number(after, "age_s") - 2 * HOUR_S) <= 5,
        given=f"a live answer; an hour later the same in an outage of {FIRST} (shown {shown(during)!r}); another hour "
        "later all circuits open",
        expected="the live one, as 'stale' with age_s 7200",
        seen=told(after),
    )


@probe(
    "A hang leaves time for the others, and a reply comes before the deadline",
    means="One provider that hangs takes all the time there is: the healthy one is never asked, the user sees nothing.",
)
async def a_hang_leaves_time_for_the_others(world: World) -> None:
    bench = Bench(world)
    await bench.hang(FIRST)
    outcome = await bench.ask(within_s=5.0)
    took_s = outcome.until_s - outcome.at_s
    world.expect(
        shown(outcome) == "provider" and took_s <= 5.0 and bench.circuits[FIRST].told == [False],
        given=f"{FIRST} hangs; {NEXT} needs 1 s; the deadline is in 5 s",
        expected=f"at most half of that for {FIRST}, its circuit told of a failure, and the answer of {NEXT} in time",
        seen=f"{LARGE} was given {limit(bench, 0)}, {NEXT} {limit(bench, 1)}; after {took_s:.2f} s {told(outcome)}",
    )
    world.expect(
        bench.models[0].asked[-1] <= 2.5,
        given=f"5 s left, and {NEXT} could be asked after {LARGE}",
        expected=f"a time-out of at most 2.5 s for {LARGE}",
        seen=limit(bench, 0),
    )
    await bench.hang(SECOND)
    nobody = await bench.ask("And now?", within_s=5.0)
    took_s = nobody.until_s - nobody.at_s
    world.expect(
        shown(nobody) == "message" and took_s <= 5.0 - RESERVE_S + 1e-6,
        given="both providers hang; the deadline is in 5 s",
        expected="the message after 4.75 s at the latest: RESERVE_S is kept to answer in",
        seen=f"after {took_s:.2f} s {told(nobody)}; {LARGE} was given {limit(bench, 0)}, {NEXT} {limit(bench, 1)}, "
        f"{SMALL} {limit(bench, 2)}",
    )


def limit(bench: Bench, model: int) -> str:
    """The last time-out that a model was called with."""
    asked = bench.models[model].asked
    return f"{asked[-1]:.2f} s" if asked else "no call"


@probe(
    "With too little time left the small model answers, and the reply says so",
    means="A large model that cannot be done in time is paid for and thrown away, and the user gets an apology for it.",
)
async def too_little_time_asks_the_small_model(world: World) -> None:
    bench = Bench(world)
    for model in bench.models[:2]:
        model.takes_s = 2.0
    outcome = await bench.ask(within_s=1.5)
    calls = await bench.calls()
    world.expect(
        calls == [SMALL] and shown(outcome) == "smaller_model" and bool(of(outcome, "degraded")),
        given="all well, but the deadline is in 1.5 s, and a large model needs 2 s (ENOUGH_S)",
        expected=f"one call, to {SMALL}, and its answer as 'smaller_model' with a reason in degraded",
        seen=f"calls to {calls}; {told(outcome)}",
    )
    world.expect(
        bench.circuits[SECOND].told == [True],
        given=f"{SMALL} has answered",
        expected=f"the circuit of its provider, {SECOND}, told of an answer",
        seen=bench.heard(),
    )
    bench.open(SECOND)
    nobody = await bench.ask(within_s=1.5)
    calls = (await bench.calls())[1:]
    world.expect(
        not calls and shown(nobody) == "message",
        given=f"the deadline is in 1.5 s, and the circuit of {SECOND}, whose model {SMALL} is, is open",
        expected="no call, and the message",
        seen=f"calls to {calls}; {told(nobody)}",
    )
    bench = Bench(world)
    await bench.hang(FIRST)
    before = len(await bench.calls())
    late = await bench.ask("And after a hang?", within_s=2.4)
    calls = (await bench.calls())[before:]
    world.expect(
        calls == [LARGE, SMALL] and shown(late) == "smaller_model",
        given=f"{FIRST} hangs, and the deadline is in 2.4 s: enough at first, and not after the hang",
        expected=f"a call to {LARGE}, then one to {SMALL}, and its answer as 'smaller_model'",
        seen=f"calls to {calls}; {told(late)}",
    )
    bench = Bench(world)
    await world.simulator.fault(SECOND, "status", status=503)
    failing = await bench.ask("And when that fails, too?", within_s=1.5)
    world.expect(
        shown(failing) == "message" and bench.circuits[SECOND].told == [False],
        given=f"the deadline is in 1.5 s, and {SECOND} answers {SMALL}'s call with 503",
        expected=f"the message, and {SECOND}'s circuit told of a failure",
        seen=f"{told(failing)}; {bench.heard()}",
    )
