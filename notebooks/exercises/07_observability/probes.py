"""What is tried of exercise 7: the learner's book against the ledger, after calls of every kind of end.

Each probe adds one kind, and compares all that the earlier ones did. Read `balance.py` first: how it is compared.
"""

import asyncio
import json
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from notebooks.grader import World, probe
from notebooks.grader.providers import Provider

from .balance import Book, agrees, balance, balance_to_the_nano, expect_bounds, table

ANA, BEN, MAIL = "ana.lopes@example.com", "ben@example.org", "carla.nunes@example.net"
KEY = b"the key of this deployment"
WAIT_S = 0.2
SLOW_S = 60.0
"""By the wall: no call here is given up because the machine is slow."""


def request(world: World, text: str = "Why do retries need jitter?", user: str = ANA) -> Any:
    return world.yours.Request(world.request_id(), user, [{"role": "user", "content": text}])


def providers(world: World, *targets: str, module: ModuleType | None = None) -> list[Provider]:
    raises = (module or world.yours).ProviderError
    called = [world.provider(target, raises) for target in targets or ("anthropic", "openai")]
    for one in called:
        one.timeout_s = SLOW_S
    return called


def asked(world: World, book: Any, wanted: Any, called: Sequence[Provider]) -> Any:
    return world.yours.ask(wanted, called, book=book, clock=world.clock, key=KEY)


@probe(
    "A request that was answered has one record, and its call is in it",
    means="The bill at the end of the month is held against the book, call by call. A total per request says that "
    "something differs, and not what.",
)
async def an_answered_request_has_its_record(world: World) -> None:
    book, wanted = Book(world), request(world)
    await asked(world, book, wanted, providers(world))
    await balance(
        world, book, wanted, "a request that is answered by the first call", outcome="answered", calls=["anthropic 200"]
    )


@probe(
    "Money is whole nano-USD, to the last one",
    means="A call costs some thousandths of a cent. Rounded, or added up as floats, a million of them come to another "
    "sum than the provider's invoice, and nobody can say whose is right.",
)
async def money_is_whole_nano_usd(world: World) -> None:
    book, billed = Book(world), 0
    for number in range(1, 9):
        wanted, book = request(world, "Why do retries need jitter? " * number), Book(world)
        await world.simulator.reset()
        await asked(world, book, wanted, providers(world, "openai"))
        given = f"question {number} of eight to openai, which bills 150 nano-USD per token in and 600 per token out"
        await balance_to_the_nano(world, book, wanted, given, outcome="answered", calls=["openai 200"])
        billed += sum(row["billed_nano_usd"] for row in await world.simulator.calls())
    world.note("ledger", f"{billed} nano-USD in all")


@probe(
    "Attempts that failed are in it",
    means="A provider's quota counts them, and so does its dashboard. Whoever books the last attempt only sees a "
    "provider in trouble as one that is merely slow.",
)
async def failed_attempts_are_in_it(world: World) -> None:
    await world.simulator.fault("anthropic", "status", status=503, times=1)
    book, wanted = Book(world), request(world)
    await world.outcome(asked(world, book, wanted, providers(world)))
    given = "a provider that answers 503 once and then well"
    calls = ["anthropic 503", "anthropic 200"]
    await balance_to_the_nano(world, book, wanted, given, outcome="answered", calls=calls)
    world.expect(
        abs(world.clock.now() - WAIT_S) < 1e-6,
        given=given,
        expected=f"the second call after {WAIT_S} s, when the starter makes it",
        seen=f"it comes after {world.clock.now():.2f} s",
    )


@probe(
    "The fallback's call stands under its own name",
    means="Two providers send two bills. A call that is booked under the first one's name makes both of them wrong, "
    "and a number that is used twice cannot be joined at all.",
)
async def the_fallback_stands_under_its_own_name(world: World) -> None:
    await world.simulator.fault("anthropic", "status", status=529)
    book, wanted = Book(world), request(world)
    await world.outcome(asked(world, book, wanted, providers(world)))
    given = "a first provider that answers 529, and a second one that is well"
    calls = ["anthropic 529", "anthropic 529", "openai 200"]
    await balance_to_the_nano(world, book, wanted, given, outcome="answered", calls=calls)


@probe(
    "A request that fails has its record, once",
    means="The requests that went wrong are those that somebody will ask about. A book of successes has an "
    "availability of 100 % on every day.",
)
async def a_request_that_fails_has_its_record(world: World) -> None:
    for status, calls in ((400, 1), (503, 4)):
        await world.simulator.reset()
        for target in ("anthropic", "openai"):
            await world.simulator.fault(target, "status", status=status)
        book, wanted = Book(world), request(world)
        outcome = await world.outcome(asked(world, book, wanted, providers(world)))
        given = f"two providers that answer {status}"
        called = [f"{target} {status}" for target in ("anthropic", "anthropic", "openai", "openai")][:calls]
        await balance_to_the_nano(world, book, wanted, given, outcome="failed", calls=called)
        world.expect(
            isinstance(outcome.error, world.yours.ProviderError),
            given=given,
            expected="the ProviderError, as before",
            seen=f"your function {outcome.words}",
        )


@probe(
    "An answer of no use was paid for",
    means="Empty answers are rare and billed. A book that takes every failure for free is short by just those.",
)
async def an_answer_of_no_use_was_paid_for(world: World) -> None:
    await world.simulator.fault("anthropic", "bad_body", kind="empty_content", times=2)
    book, wanted = Book(world), request(world)
    await world.outcome(asked(world, book, wanted, providers(world)))
    given = "a provider that answers 200 with an empty text twice, and a second one that is well"
    calls = ["anthropic 200", "anthropic 200", "openai 200"]
    await balance_to_the_nano(world, book, wanted, given, outcome="answered", calls=calls)

    await world.simulator.reset()
    for target in ("anthropic", "openai"):
        await world.simulator.fault(target, "bad_body", kind="empty_content")
    book, wanted = Book(world), request(world)
    await world.outcome(asked(world, book, wanted, providers(world)))
    given = "two providers that answer 200 with an empty text, always"
    calls = ["anthropic 200", "anthropic 200", "openai 200", "openai 200"]
    await balance_to_the_nano(world, book, wanted, given, outcome="failed", calls=calls)


@probe(
    "What the provider did not state is unknown, and has bounds",
    means="A connection that breaks was billed, and nobody said how much. Written as nothing, such calls make a gap "
    "that cannot be told from an error; written as a guess, a sum that is wrong. An interval is true.",
)
async def what_is_not_known_has_bounds(world: World) -> None:
    await world.simulator.fault("anthropic", "cut", fraction=0.5, times=1)
    book, wanted = Book(world), request(world)
    await world.outcome(asked(world, book, wanted, providers(world)))
    given = "a connection that breaks in the middle of an answer; the second call goes well"
    calls = ["anthropic without an answer", "anthropic 200"]
    await balance_to_the_nano(world, book, wanted, given, outcome="answered", calls=calls)
    await expect_bounds(world, book.records[0], wanted, given)


@probe(
    "A client that leaves has its record, with the call that it left",
    means="A call that nobody waits for any longer is billed all the same, and in an outage many leave. It is the gap "
    "that is found last, since no error is ever logged for it.",
)
async def a_client_that_leaves_has_its_record(world: World) -> None:
    await world.simulator.fault("anthropic", "stall", fraction=0.5, times=1)
    book, wanted = Book(world), request(world)
    task = asyncio.ensure_future(asked(world, book, wanted, providers(world)))
    arrives = asyncio.ensure_future(world.simulator.until_open("anthropic", SLOW_S))
    await asyncio.wait({task, arrives}, return_when=asyncio.FIRST_COMPLETED)
    given = "a client that leaves while the first call is under way"
    await _leaves(world, task, given)
    await balance_to_the_nano(world, book, wanted, given, outcome="cancelled", calls=["anthropic without an answer"])
    await expect_bounds(world, book.records[0], wanted, given)

    await world.simulator.reset()
    await world.simulator.fault("anthropic", "status", status=503)
    book, wanted = Book(world), request(world)
    task = asyncio.ensure_future(asked(world, book, wanted, providers(world)))
    waits = len(world.clock.slept)
    while not task.done() and len(world.clock.slept) == waits:  # noqa: ASYNC110 - the clock tells of no event
        await asyncio.sleep(0)
    given = "a client that leaves in the wait before the second call"
    await _leaves(world, task, given)
    await balance_to_the_nano(world, book, wanted, given, outcome="cancelled", calls=["anthropic 503"])


async def _leaves(world: World, task: "asyncio.Future[Any]", given: str) -> None:
    """Cancel, and expect it to end by that."""
    world.note("client", "leaves", ok=False)
    task.cancel()
    await asyncio.wait({task})
    said = "cancelled" if task.cancelled() else "raised" if task.exception() else f"returned {task.result()!r}"
    world.expect(
        task.cancelled(),
        given=given,
        expected="that your function ends with the CancelledError: nobody waits any longer",
        seen=f"it {said}" + (f" {task.exception()!r}" if said == "raised" else ""),
    )


@probe(
    "Many at once balance, each in its own record",
    means="What is kept in one place for all requests is right as long as one user tries it. In production a record "
    "then lists its neighbours' calls.",
)
async def many_at_once_balance(world: World) -> None:
    await world.simulator.fault("anthropic", "status", status=503, share=0.3)
    await world.simulator.fault("anthropic", "bad_body", kind="empty_content", share=0.4)
    await world.simulator.fault("openai", "cut", fraction=0.5, share=0.3)
    book, count = Book(world), 30
    many = [request(world, f"What is question {number} of many?") for number in range(count)]
    await world.together([asked(world, book, one, providers(world)) for one in many])
    rows = await world.simulator.calls()
    given = f"{count} requests at once, of providers that fail in every way"
    ids = sorted(record["request_id"] for record in book.records)
    world.expect(
        ids == sorted(one.request_id for one in many),
        given=given,
        expected=f"{count} records, one of each request",
        seen=f"{len(ids)} records of {len(set(ids))} requests",
    )
    for record in book.records:
        theirs = [row for row in rows if row["request_id"] == record["request_id"]]
        joined = [(one["n"], one["target"]) for one in record["attempts"]]
        same = joined == [(row["attempt"], row["target"]) for row in theirs] and all(
            agrees(one, row) for one, row in zip(record["attempts"], theirs, strict=True)
        )
        listed = sum(len(one["attempts"]) for one in book.records)
        world.expect(
            same,
            given=given,
            expected=f"{len(rows)} calls in the book as in the ledger, each in its request's record",
            seen=f"{listed} in the book; the first record that differs:\n{table(record['attempts'], theirs)}",
        )
    billed = sum(row["billed_nano_usd"] for row in rows)
    low, high = (sum(record[name] or 0 for record in book.records) for name in ("cost_nano_usd", "most_nano_usd"))
    world.expect(
        low <= billed <= high,
        given=given,
        expected=f"the ledger's {billed} nano-USD within the book's sums",
        seen=f"from {low} to {high}",
    )


@probe(
    "No person is in it, and a user's records can be found",
    means="A book is kept for years and read by many. An address or a question in it is a leak that no deletion "
    "reaches; a hash without a key is undone by trying all customers' addresses.",
)
async def no_person_is_in_it(world: World) -> None:
    book, other_key = Book(world), Book(world)
    text = f"Please write to {MAIL} about jitter."
    for module, user in ((world.yours, ANA), (world.replica(), ANA), (world.yours, BEN)):
        wanted = module.Request(world.request_id(), user, [{"role": "user", "content": text}])
        await module.ask(wanted, providers(world, module=module), book=book, clock=world.clock, key=KEY)
    await world.yours.ask(request(world, text), providers(world), book=other_key, clock=world.clock, key=b"another key")
    await world.simulator.fault("anthropic", "status", status=400)
    await world.outcome(asked(world, book, request(world, text), providers(world)))
    world.expect(
        (len(book.records), len(other_key.records)) == (4, 1),
        given="five requests, one of which fails",
        expected="five records",
        seen=f"{len(book.records) + len(other_key.records)}",
    )
    for record in book.records:
        found = [one for one in (ANA, BEN, MAIL, "Please write") if one.lower() in json.dumps(record).lower()]
        fields = [name for name, value in record.items() if any(one.lower() in str(value).lower() for one in found)]
        world.expect(
            not found,
            given=f"users such as {ANA}, and a question with an address in it",
            expected="records with neither users nor text in them",
            seen=f"{found[0]!r} in the field {', '.join(fields)}" if found else "",
        )
    names = [record["user"] for record in book.records] + [record["user"] for record in other_key.records]
    world.expect(
        bool(names[0]) and names[0] == names[1] == names[3] != names[2],
        given="requests of one user at two replicas, and of another user",
        expected="one pseudonym for the one, on both replicas, and another for the other",
        seen=", ".join(map(repr, (names[0], names[1], names[2]))),
    )
    world.expect(
        names[4] != names[0],
        given="the same user, and another key",
        expected="another pseudonym: one that nobody can compute who has no key",
        seen=f"the same, {names[0]!r}",
    )
