"""What is tried of exercise 1. `bench.py` has what it is tried with."""

from statistics import fmean

from notebooks.grader import World, probe

from .bench import DIFFERENT, FIRST, SECOND, Bench, came, counted, n_calls, source, text, told, user

BURST, ATTEMPTS, CAP_S, THRESHOLD, COOLDOWN_S, KEPT_S = 20, 4, 2.0, 5, 30.0, 3600.0


@probe(
    "An answer comes back, made from the whole conversation",
    means="A stage that loses what was said before gives an answer to another question than the user asked.",
)
async def an_answer_comes_back(world: World) -> None:
    bench = Bench(world)
    talk = (
        user("My invoice number is 4711."),
        {"role": "assistant", "content": "Noted."},
        user("What is my invoice number?"),
    )
    outcome = await bench.ask(messages=talk)
    calls = await bench.calls()
    world.expect(
        calls == [200] and "4711" in text(outcome) and source(outcome) == "live",
        given='"My invoice number is 4711.", and then "What is my invoice number?"',
        expected='one call, and its answer, which says 4711, with the source "live"',
        seen=f"calls with {calls}; {came(outcome)}: {text(outcome)!r}",
    )


@probe(
    "The same question costs one call",
    means="Nine in ten of a FAQ's questions were asked before: without a cache you pay for the same answer each time.",
)
async def the_same_question_costs_one_call(world: World) -> None:
    bench = Bench(world)
    outcomes = [await bench.ask(who=who) for who in ("alice", "alice", "bob")]
    calls, texts = await bench.calls(), {text(outcome) for outcome in outcomes}
    sources = [source(outcome) for outcome in outcomes]
    same = "the same text" if len(texts) == 1 else "different texts"
    world.expect(
        calls == [200] and len(texts) == 1 and sources == ["live", "cache", "cache"],
        given="the same question three times, one after the other: twice by alice, then by bob of the same tenant",
        expected='one call; the same text three times; the sources "live", "cache", "cache"',
        seen=f"{n_calls(len(calls))}; {same}; the sources {sources}",
    )


@probe(
    "Whatever changes the answer makes it another question",
    means="Under too short a key an answer goes to the wrong person: another tenant's data, another talk's reply.",
)
async def whatever_changes_the_answer_is_another_question(world: World) -> None:
    bench = Bench(world)
    await bench.ask(seed=7)
    for number, (words, more) in enumerate(DIFFERENT.items(), start=2):
        outcome = await bench.ask(**{"seed": 7, **more})
        calls = len(await bench.calls())
        world.expect(
            calls == number and source(outcome) == "live",
            given=f"a question with seed 7, and then the same one {words}",
            expected="a call for each of them",
            seen=f"no call for the second: {came(outcome)}"
            if calls < number
            else f"{n_calls(calls)} for {number} questions; the last: {came(outcome)}",
        )


@probe(
    "What chance made is not kept, and nothing longer than an hour",
    means="A user who asks for ten ideas gets the same idea ten times, and everybody last month's prices.",
)
async def chance_is_not_kept(world: World) -> None:
    bench = Bench(world)
    drawn = [source(await bench.ask("Name a colour.", temperature=0.9)) for _ in range(3)]
    world.expect(
        drawn == ["live"] * 3,
        given="the same question three times, with temperature 0.9 and without a seed",
        expected='three answers, each of them drawn anew: three calls, three times the source "live"',
        seen=f"{n_calls(len(await bench.calls()))}, the sources {drawn}",
    )
    seeded = [source(await bench.ask("Name a colour.", temperature=0.9, seed=3)) for _ in range(2)]
    world.expect(
        seeded == ["live", "cache"],
        given="the same question twice, with temperature 0.9 and with seed 3",
        expected='the second from the cache: a seed makes chance repeatable, so the sources are "live", "cache"',
        seen=f"the sources {seeded}",
    )
    await bench.ask()
    world.clock.advance(KEPT_S - 60)
    young = source(await bench.ask())
    world.clock.advance(61)
    old = source(await bench.ask())
    world.expect(
        (young, old) == ("cache", "live"),
        given="a question; the same one after 59 minutes; and again 61 seconds later",
        expected='the second from the cache, the third not: "cache", "live" (KEPT_S counts from the making)',
        seen=f"{young!r}, {old!r}",
    )


@probe(
    "A flood meets its own limit, and nobody else does",
    means="One script in a loop uses up the provider's quota, and everybody's answers are 429s.",
)
async def a_flood_meets_its_own_limit(world: World) -> None:
    bench = Bench(world)
    await bench.ask(who="bob")
    flood = await bench.questions(BURST + 10, "flood")
    limited = [one for one in flood if isinstance(one.error, world.yours.RateLimited)]
    calls = len(await bench.calls()) - 1
    world.expect(
        calls == BURST and len(limited) == 10,
        given=f"{BURST + 10} different questions by alice at the same moment (BURST is {BURST})",
        expected=f"{BURST} calls, and 10 times RateLimited",
        seen=f"{n_calls(calls)}; {counted([told(one) for one in flood])}",
    )
    others = [*await bench.questions(3, "b", who="bob"), *await bench.questions(3, "c", tenant="globex")]
    world.expect(
        all(one.error is None for one in others),
        given="alice of acme has no tokens left; three questions by bob of acme, and three by an alice of globex",
        expected="six answers: a bucket for each user of each tenant",
        seen=counted([told(one) for one in others]),
    )
    again = await bench.ask()
    world.expect(
        source(again) == "cache",
        given="alice, who has no tokens left, asks what bob asked before",
        expected='the kept answer, "cache": it costs the provider nothing, so it costs her nothing',
        seen=came(again),
    )
    wait_s = float(getattr(limited[0].error, "retry_after_s", 0.0))
    world.clock.advance(wait_s + 0.001)
    back = await bench.questions(2, "back")
    world.expect(
        0 < wait_s <= 1.001 and sorted(map(told, back)) == ["RateLimited", "live"],
        given=f"the wait that RateLimited told ({wait_s:.3f} s); after it two more questions by alice at once",
        expected="a wait of at most 1 s (PER_MINUTE is 60); then one answer and one RateLimited: one token came back",
        seen=counted([told(one) for one in back]),
    )
    world.clock.advance(3600.0)
    flood = counted([told(one) for one in await bench.questions(BURST + 10, "an hour later")])
    world.expect(
        flood == f"{BURST} live, 10 RateLimited",
        given=f"an hour in which alice asks nothing, and then {BURST + 10} different questions at once",
        expected=f"{BURST} answers, and 10 times RateLimited: a bucket holds no more than BURST",
        seen=flood,
    )


@probe(
    "A bad moment is waited out",
    means="Without a second try one bad second of a provider is a failed answer for whoever asked in it.",
)
async def a_bad_moment_is_waited_out(world: World) -> None:
    bench = Bench(world)
    await world.simulator.fault(FIRST, "status", status=503, times=2)
    outcome = await bench.ask()
    calls = await bench.calls()
    waits = [slept.until_s - slept.at_s for slept in world.clock.slept]
    world.expect(
        calls == [503, 503, 200] and source(outcome) == "live" and sum(waits) > 0,
        given=f"{FIRST} answers 503 twice and then well",
        expected=f'three calls to {FIRST} with waits between them, and the answer with the source "live"',
        seen=f"calls with {calls}, {len(waits)} waits, together {sum(waits):.2f} s; {came(outcome)}",
    )
    for status in (429, 500, None):
        name, how = ("reset", {}) if status is None else ("status", {"status": status})
        await world.simulator.fault(FIRST, name, times=ATTEMPTS - 1, **how)
        bench = Bench(world)
        outcome = await bench.ask()
        calls = len(bench.tried[FIRST].calls)
        world.expect(
            calls == ATTEMPTS and source(outcome) == "live",
            given=f"three calls in a row to {FIRST} that fail with {status or 'no answer'}, and then a good answer",
            expected=f"{ATTEMPTS} calls (ATTEMPTS is {ATTEMPTS}), and that answer",
            seen=f"{n_calls(calls)}; {came(outcome)}",
        )
    await the_waits_grow_by_chance(world)


async def the_waits_grow_by_chance(world: World) -> None:
    """Many processes, whose calls fail in the same moment."""
    await world.simulator.fault(FIRST, "status", status=503)
    processes = [Bench(world) for _ in range(40)]
    await world.together([one.ask() for one in processes])
    given = f"{len(processes)} processes with a question each, in an outage of {FIRST}"
    tries = {len(one.tried[FIRST].calls) for one in processes}
    world.expect(
        min(tries) >= ATTEMPTS,
        given=given,
        expected=f"{ATTEMPTS} calls to {FIRST} for each: what a process remembers is in its State",
        seen=f"{min(tries)} for some",
    )
    first, last = ([one.waits()[number] for one in processes] for number in (0, ATTEMPTS - 2))
    distinct = len({round(one, 6) for one in first})
    world.expect(
        distinct >= 36,
        given=given,
        expected="40 different first waits: those who failed together do not come back together",
        seen=f"{distinct} different ones, from {min(first):.2f} to {max(first):.2f} s",
    )
    world.expect(
        fmean(last) > 1.3 * fmean(first) and max(last) <= CAP_S + 0.001,
        given=given,
        expected=f"third waits that are longer than the first ones, and none over {CAP_S:g} s (CAP_S)",
        seen=f"on average {fmean(first):.2f} s the first, {fmean(last):.2f} s the third, and at most {max(last):.2f} s",
    )


@probe(
    "In an outage the other provider answers, and the reply says so",
    means="With one provider your availability is theirs; with a silent second one nobody knows whose answer it was.",
)
async def in_an_outage_the_other_answers(world: World) -> None:
    bench = Bench(world)
    await world.simulator.fault(FIRST, "status", status=503)
    outcome = await bench.ask()
    first, second = await bench.calls(FIRST), await bench.calls(SECOND)
    world.expect(
        2 <= len(first) <= 4 and second == [200] and source(outcome) == "provider",
        given=f"{FIRST} answers 503 to everything",
        expected=f'2 to 4 calls to {FIRST} (ATTEMPTS is 4), one to {SECOND}, and its answer with the source "provider"',
        seen=f"{n_calls(len(first))} to {FIRST}, {SECOND} with {second}; {came(outcome)}",
    )
    await world.simulator.fault(SECOND, "status", status=529)
    nobody = await bench.ask("And if nobody is there?")
    world.expect(
        isinstance(nobody.error, world.yours.ProviderError | world.yours.CircuitOpen),
        given=f"{FIRST} answers 503 to everything, and {SECOND} 529",
        expected="ProviderError or CircuitOpen: nobody answered, and no reply claims so (exercise 4 finds words)",
        seen=came(nobody),
    )


@probe(
    "What the other provider said is not kept, nor is an error",
    means="A five-minute outage lasts an hour: long after it ended the cache still gives what it was at its worst.",
)
async def an_outage_is_not_kept(world: World) -> None:
    for down in ([FIRST], [FIRST, SECOND]):
        bench = Bench(world)
        for target in down:
            await world.simulator.fault(target, "status", status=503)
        during = await bench.ask()
        await world.simulator.heal()
        world.clock.advance(COOLDOWN_S + 1)
        after = await bench.ask()
        world.expect(
            source(after) == "live",
            given=f"a question while {' and '.join(down)} answered 503 ({came(during)}); the same one after it",
            expected='a call to the first provider, and its answer with the source "live"',
            seen=f"{FIRST}'s calls with {await bench.calls()}; {came(after)}",
        )


@probe(
    "A request that is wrong is asked once, and harms nobody",
    means="Each retry of a 400 is a call that cannot help, and where it counts, six typos shut a healthy provider out.",
)
async def a_wrong_request_is_asked_once(world: World) -> None:
    bench = Bench(world)
    await world.simulator.fault(FIRST, "status", status=400, times=THRESHOLD + 1)
    outcomes = await bench.each(THRESHOLD + 1, "wrong")
    first, second = await bench.calls(FIRST), await bench.calls(SECOND)
    errors = {getattr(one.error, "status", None) for one in outcomes}
    world.expect(
        first == [400] * (THRESHOLD + 1) and not second and errors == {400},
        given=f"{THRESHOLD + 1} questions, one after the other, that {FIRST} refuses with 400",
        expected=f"one call each, none to {SECOND}, and each time the ProviderError with status 400",
        seen=f"{FIRST} with {first}, {SECOND} with {second}; {counted([told(one) for one in outcomes])}",
    )
    right = await bench.ask()
    world.expect(
        source(right) == "live",
        given=f"{THRESHOLD + 1} questions refused with 400, and then one with nothing wrong in it",
        expected=f'an answer of {FIRST}, "live": who refuses a wrong request is alive, so its circuit is closed',
        seen=came(right),
    )
    for status in (404, 413, 422):
        await world.simulator.fault(FIRST, "status", status=status, times=1)
        outcome = await bench.ask(f"And with {status}?")
        more = (await bench.calls())[len(first) + 1 :]
        first.append(status)
        world.expect(
            more == [status] and getattr(outcome.error, "status", None) == status,
            given=f"a question that {FIRST} refuses with {status}",
            expected=f"one call, and the ProviderError with status {status}",
            seen=f"{FIRST} with {more}; {came(outcome)}",
        )


@probe(
    "A dead provider is left alone after five failures",
    means="In an outage every worker retries for ever: users wait for nothing, and whoever recovers is trampled.",
)
async def a_dead_provider_is_left_alone(world: World) -> None:
    bench = Bench(world)
    for number in range(3):
        await world.simulator.fault(FIRST, "status", status=503, times=2)
        await bench.ask(f"Bad moment {number}?")
    before = len(await bench.calls())
    await world.simulator.fault(FIRST, "status", status=503)
    outcomes = await bench.each(10, "outage")
    calls = len(await bench.calls()) - before
    sources = counted([source(one) for one in outcomes])
    world.expect(
        before == 9 and calls == THRESHOLD and sources == "10 provider",
        given="three times two 503s and a good answer; then an outage, and ten questions one after the other",
        expected=f"9 calls before the outage; in it {THRESHOLD} to {FIRST}, each attempt counted (THRESHOLD is "
        f"{THRESHOLD}, in a row), and ten answers of {SECOND}",
        seen=f"{before} calls before it, {calls} to {FIRST} in it; {sources}",
    )
    waited_s = sum(one.until_s - one.at_s for one in outcomes[2:])
    world.expect(
        waited_s == 0,
        given="an outage and ten questions one after the other; the last eight of them, after five failed calls",
        expected="no wait: an open circuit retries nothing",
        seen=f"waits of together {waited_s:.2f} s, for calls that were never made",
    )


@probe(
    "After half a minute one call finds out, and its success closes the circuit",
    means="Without it a provider that came back is never used again, or falls over under everybody's first call.",
)
async def one_call_finds_out(world: World) -> None:
    bench = Bench(world, takes_s=0.5)
    await world.simulator.fault(FIRST, "status", status=503)
    await bench.each(3, "outage")
    opened = len(await bench.calls())
    world.clock.advance(COOLDOWN_S)
    rush = await bench.questions(10, "rush")
    again = await bench.questions(5, "again", who="bob")
    calls = len(await bench.calls()) - opened
    world.expect(
        calls == 1 and {source(one) for one in [*rush, *again]} == {"provider"},
        given=f"{FIRST} is dead, its circuit open; {COOLDOWN_S:g} s later ten questions at once, and then five more",
        expected=f"one call to {FIRST}, which fails and opens the circuit again; 15 answers of {SECOND}",
        seen=f"{n_calls(calls)} to {FIRST}; {counted([source(one) for one in [*rush, *again]])}",
    )
    await world.simulator.heal()
    world.clock.advance(COOLDOWN_S)
    await world.simulator.fault(FIRST, "status", status=400, times=1)
    await bench.ask("Is that wrong?", who="carol")
    first = await bench.ask("Are you back?", who="carol")
    healthy = await bench.questions(10, "healthy", who="carol")
    sources = counted([source(one) for one in [first, *healthy]])
    world.expect(
        sources == "11 live",
        given=f"{FIRST} is well again; {COOLDOWN_S:g} s later one question that it refuses with 400, a right one, "
        "and after it ten at once",
        expected=f"eleven answers of {FIRST}: a wrong question finds nothing out and bars nobody, and the right one's "
        "success has closed the circuit for all",
        seen=sources,
    )
