"""What is tried of exercise 8: the learner's probes, on two desks that are right and on twelve that are not.

It is the grader's own selftest turned on the learner: no false alarm, no mutant alive, no probe that kills nothing.
Read `trial.py` first: how a probe is tried on a desk.
"""

from notebooks.grader import World, probe

from . import trial
from .subjects import wrong

TOO_OLD, MIXED_UP, FAILURES = (
    (wrong.OldAnswers, wrong.NothingKept),
    (wrong.OneForAll, wrong.AnyQuestion),
    (wrong.FailuresKept, wrong.FailuresHidden),
)
NO_LIMIT = (wrong.CallsAndRefuses, wrong.NeverRefuses)
WRONG: tuple[type, ...] = (
    *TOO_OLD,
    *MIXED_UP,
    *FAILURES,
    wrong.Stampede,
    wrong.AnswersCost,
    *NO_LIMIT,
    wrong.OneLimit,
    wrong.RefusesForGood,
)
LIMIT_S = 60.0
FIRST = "the_right_ones_pass"


def words(desk: type) -> str:
    """`the one that …`, as its class says."""
    text = (desk.__doc__ or "").strip()
    return text[0].lower() + text[1:]


@probe(
    "Desks that keep their promises pass, each in its own way",
    means="A test that fails for right code is switched off within a week, and what it guarded goes with it.",
    limit_s=LIMIT_S,
)
async def the_right_ones_pass(world: World) -> None:
    names = trial.probes_of(world)
    plain = [name for name in names if not trial.is_async(world, name)]
    world.expect(
        bool(names) and not plain,
        given="your file",
        expected="functions `async def probe_…(desk, lab)`",
        seen=f"{plain[0]} is no async function" if plain else "none whose name begins with probe_",
    )
    for name in names:
        one = await trial.tried(world, name, trial.RIGHT[0])
        other = one if one.hangs else await trial.tried(world, name, trial.RIGHT[1])
        both = bool(one.failed and other.failed and not one.hangs)
        everyone = both and all([(await trial.tried(world, name, desk)).failed for desk in WRONG])
        failed, desk = (one, trial.RIGHT[0]) if one.failed else (other, trial.RIGHT[1])
        world.timeline.events = failed.timeline.events
        wish = "" if both else ", as with the other one: both keep what README.md promises"
        world.expect(
            not failed.failed,
            given=f"{name}, and " + ("either right desk" if both else f"a right desk: {words(desk)}"),
            expected="that it ends" if failed.hangs else f"that it passes{wish}",
            seen="\n".join(filter(None, (failed.failed, failed.where, "It fails whoever is tried." * everyone))),
        )


@probe(
    "Each probe fails for at least one of the wrong desks",
    means="A test that nothing can make fail is green on the day of the outage. It costs time, and it is counted as "
    "cover for something.",
    limit_s=LIMIT_S,
)
async def each_probe_can_fail(world: World) -> None:
    for name in trial.probes_of(world):
        for desk in WRONG:
            if (await trial.tried(world, name, desk)).failed:
                break
        else:
            world.expect(
                False,
                given=f"{name}, and the {len(WRONG)} wrong desks",
                expected="that one of them fails it",
                seen=f"it passes all {len(WRONG)}: nothing that they do wrong is looked at",
            )


async def catches(world: World, *desks: type) -> None:
    """Expect that each of these desks fails one of the learner's probes."""
    names = trial.probes_of(world)
    for desk in desks:
        caught = ""
        for name in names:
            if (await trial.tried(world, name, desk)).failed:
                caught = name
                break
        world.expect(
            bool(caught),
            given=f"a wrong desk: {words(desk)}",
            expected="that at least one of your probes fails",
            seen=f"it passes {'the one' if len(names) == 1 else f'all {len(names)}'} that you have",
        )


@probe(
    "Caught: answers that are too old, and answers that are not kept",
    means="The price list changed in spring, and the assistant still quotes the old one.",
    limit_s=LIMIT_S,
)
async def old_answers_are_caught(world: World) -> None:
    await catches(world, *TOO_OLD)


@probe(
    "Caught: one tenant's answer for another, one question's for another",
    means="It leaks what a customer was told about its own data. No error is raised, and no test that asks as one "
    "customer can see it.",
    limit_s=LIMIT_S,
)
async def answers_for_other_tenants_are_caught(world: World) -> None:
    await catches(world, *MIXED_UP)


@probe(
    "Caught: a failure that is kept, and one that is hidden",
    means="The provider was down for a second; whoever asks what was asked in it hears so for as long as it is kept.",
    limit_s=LIMIT_S,
)
async def kept_failures_are_caught(world: World) -> None:
    await catches(world, *FAILURES)


@probe(
    "Caught: a call for each who asks at once",
    means="When an entry of a busy question runs out, everyone who asks in that second pays for it, and the provider's "
    "limit is hit. Whoever tests one ask after the other finds a cache that works.",
    limit_s=LIMIT_S,
)
async def stampedes_are_caught(world: World) -> None:
    await catches(world, wrong.Stampede)


@probe(
    "Caught: an answer that is there, refused",
    means="A limit protects the provider. Spent on what costs nothing, it turns users away for no reason.",
    limit_s=LIMIT_S,
)
async def refused_answers_are_caught(world: World) -> None:
    await catches(world, wrong.AnswersCost)


@probe(
    "Caught: a limit that only seems to be one",
    means="The limit shows in every answer and in no bill: the tenant sees 429, the provider is called all the same.",
    limit_s=LIMIT_S,
)
async def calls_of_the_refused_are_caught(world: World) -> None:
    await catches(world, *NO_LIMIT)


@probe(
    "Caught: one limit for all tenants",
    means="One customer's batch job at night, and every other customer is turned away.",
    limit_s=LIMIT_S,
)
async def shared_limits_are_caught(world: World) -> None:
    await catches(world, wrong.OneLimit)


@probe(
    "Caught: a tenant that is never served again",
    means="The limit worked in the test, which ended there. The first customer that ever hits it has to call support.",
    limit_s=LIMIT_S,
)
async def refusals_for_good_are_caught(world: World) -> None:
    await catches(world, wrong.RefusesForGood)
