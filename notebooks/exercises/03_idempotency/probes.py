"""What is tried of exercise 3, judged by the calls and charges in the ledger of the payments provider.

A lease is Valkey's time: the replica whose lease must end has a short one, and who comes after it asks again and again.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from notebooks.grader import World, probe

BODY = {"amount": 500, "currency": "usd"}
OTHER_BODY, SAME_BODY = {"amount": 900, "currency": "usd"}, {"currency": "usd", "amount": 500}
DECLINED = {"amount": 1_000_001, "currency": "usd"}  # more than a million is declined for good
TAKES_S = 0.2  # a charge, by the world's clock
LEASE_S, SHORT_LEASE_S, TRIES = 30.0, 0.1, 80
"""Who waits for a short lease to end tries so often, a quarter of it apart: twenty times as long."""
HOUR_MS = 3_600_000
LIFE_MS = range(20 * HOUR_MS, 28 * HOUR_MS)


@dataclass(frozen=True)
class Answer:
    """What one `pay` came to: in `words` it is `200`, `200 replayed`, or `raised …`, and then its status is 0."""

    status: int
    body: Any
    words: str


def answer_of(outcome: Any) -> Answer:
    """What an outcome was, if it was a Response."""
    status, body, replayed = (getattr(outcome.value, name, None) for name in ("status", "body", "replayed"))
    if not isinstance(status, int):
        return Answer(0, None, outcome.words)
    return Answer(status, body, f"{status} replayed" if replayed is True else str(status))


class Replica:
    """A learner's endpoint with a store and payments of its own, which may die before or after a charge, or be late."""

    def __init__(self, world: World, who: str, module: ModuleType, *, lease_s: float = LEASE_S, dies: str = "") -> None:
        self.world, self._who, self._module, self._lease_s = world, who, module, lease_s
        self._payments = world.payments(module.PaymentError, takes_s=TAKES_S)
        self.store = self._payments.store = world.store(who)
        self._payments.dies = dies
        self._endpoint: Any = None
        self.is_slow, self.in_charge, self.may_end = False, asyncio.Event(), asyncio.Event()

    async def pay(self, key: str | None = "key-1", body: Mapping[str, Any] = BODY, caller: str = "alice") -> Answer:
        """One request, and a note of what came of it."""
        answer = answer_of(await self.world.outcome(self._pay(caller, key, body)))
        self.world.note(f"{self._who} answers", answer.words, ok=answer.status in (200, 409))
        return answer

    async def _pay(self, caller: str, key: str | None, body: Mapping[str, Any]) -> Any:
        if self._endpoint is None:
            self._endpoint = self._module.Endpoint(self.store, self._charge, lease_s=self._lease_s)
        return await self._endpoint.pay(caller, key, dict(body))

    async def _charge(self, amount: int, currency: str, key: str | None = None) -> dict[str, Any]:
        document = await self._payments(amount, currency, key)
        if self.is_slow:
            self.in_charge.set()
            await self.may_end.wait()
            raise self._module.PaymentError(None, None)
        return document


async def charged(world: World, since: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Calls at the payments provider and charges (how often money moved), beyond those counted before."""
    calls, charges = await world.simulator.calls("payments"), await world.simulator.charges()
    return len(calls) - since[0], len(charges) - since[1]


def told(calls: int, charges: int, *answers: Answer) -> str:
    """What was seen, in words."""
    said = Counter(one.words for one in answers).items()
    answered = ", ".join(words if number == 1 else f"{number} × {words}" for words, number in said)
    return f"answered {answered}; calls at the payments provider: {calls}, charges: {charges}"


@probe(
    "A request without a key is refused",
    means="Without a key nobody can tell a second click from a second purchase: some day somebody pays twice.",
)
async def a_missing_key_is_refused(world: World) -> None:
    yours = Replica(world, "yours", world.yours)
    answers = [await yours.pay(key) for key in (None, "")]
    calls, charges = await charged(world)
    world.expect(
        [one.words for one in answers] == ["400", "400"] and calls == 0,
        given="pay without a key (None), and with an empty one",
        expected="status 400 for both, and no call at the payments provider",
        seen=told(calls, charges, *answers),
    )


@probe(
    "Who asks again gets the first answer",
    means="A user who reloads the page is charged twice, or is told that the payment failed although it went through.",
)
async def the_second_gets_the_first_answer(world: World) -> None:
    yours = Replica(world, "yours", world.yours)
    first, second = await yours.pay(), await yours.pay()
    calls, charges = await charged(world)
    world.expect(
        (first.words, second.words, calls, charges) == ("200", "200 replayed", 1, 1) and first.body == second.body,
        given="pay twice with one key",
        expected="200, then 200 replayed with the same body; one call at the payments provider, money moved once",
        seen=f"{told(calls, charges, first, second)}; bodies {first.body} and {second.body}",
    )


@probe(
    "A key is for one body",
    means="A client that reuses a key for another sum is told 'paid', and the second sum is never charged.",
)
async def another_body_is_refused(world: World) -> None:
    yours = Replica(world, "yours", world.yours)
    answers = await yours.pay(), await yours.pay(body=OTHER_BODY), await yours.pay(body=SAME_BODY)
    calls, charges = await charged(world)
    world.expect(
        [one.words for one in answers] == ["200", "422", "200 replayed"] and charges == 1,
        given="with one key: pay 500, then 900, then 500 again with the fields of the body in another order",
        expected="200, 422, 200 replayed; money moved once",
        seen=told(calls, charges, *answers),
    )


@probe(
    "A key is its caller's",
    means="Two callers who choose one key: the second is shown the first one's payment, and his own is never made.",
)
async def a_key_is_its_callers(world: World) -> None:
    yours = Replica(world, "yours", world.yours)
    pairs = ((("alice", "key-1"), ("bob", "key-1")), (("shop", "eu:7"), ("shop:eu", "7")))
    for (one, its_key), (other, others_key) in pairs:
        before = await charged(world)
        answers = await yours.pay(its_key, caller=one), await yours.pay(others_key, caller=other)
        calls, charges = await charged(world, before)
        world.expect(
            [answer.words for answer in answers] == ["200", "200"] and charges == 2,
            given=f"a payment of {one!r} with the key {its_key!r}, and one of {other!r} with the key {others_key!r}",
            expected="two payments: 200 for both, money moved twice",
            seen=told(calls, charges, *answers),
        )


@probe(
    "Ten at once are one payment, on two replicas as well",
    means="A double click, a proxy that repeats: the second request comes before the first has ended, elsewhere.",
)
async def at_once_is_once(world: World) -> None:
    yours = Replica(world, "yours", world.yours)
    two = [Replica(world, who, world.replica()) for who in ("a", "b")]
    for each in (yours, *two):
        await each.store.warm(10)
    for key, given, replicas in (
        ("key-1", "ten requests at once with one key", [yours] * 10),
        ("key-2", "ten requests at once with one key, five to each of two replicas", two * 5),
    ):
        before = await charged(world)
        answers = [*await asyncio.gather(*(one.pay(key) for one in replicas)), await replicas[-1].pay(key)]
        calls, charges = await charged(world, before)
        said = [one.words for one in answers]
        others = said.count("409") + said.count("200 replayed")
        world.expect(
            (calls, charges, said.count("200"), others) == (1, 1, 1, 10) and said[-1] == "200 replayed",
            given=f"{given}, and one more when all have ended",
            expected="one call at the payments provider; a 200, others replayed or 409 (in flight), the last a replay",
            seen=told(calls, charges, *answers),
        )


@probe(
    "A decline is final",
    means="A card that was declined is asked again at each click; after a few the bank takes it for a theft.",
)
async def a_decline_is_final(world: World) -> None:
    yours = Replica(world, "yours", world.yours)
    first, second = await yours.pay(body=DECLINED), await yours.pay(body=DECLINED)
    calls, charges = await charged(world)
    world.expect(
        (first.words, second.words, calls) == ("402", "402 replayed", 1) and first.body == second.body,
        given="pay twice with one key, a sum that the payments provider declines with 402",
        expected="402, then the same 402 replayed; one call at the payments provider",
        seen=told(calls, charges, first, second),
    )


@probe(
    "A failure that leaves it open is not frozen",
    means="The money moved, the answer was lost: a stored 502 never lets the user finish, another key charges again.",
)
async def an_ambiguous_failure_is_not_frozen(world: World) -> None:
    yours = Replica(world, "yours", world.yours)
    for key, fault, params, words in (
        ("key-1", "status", {"status": 503}, "a payments provider that answers 503 once"),
        ("key-2", "charge_then_drop", {}, "a payments provider that moves the money, and whose answer is lost"),
    ):
        await world.simulator.fault("payments", fault, times=1, **params)
        before = await charged(world)
        answers = [await yours.pay(key) for _ in range(3)]
        calls, charges = await charged(world, before)
        said = [one.words for one in answers[1:]]
        world.expect(
            answers[0].status in range(500, 600) and said == ["200", "200 replayed"] and charges == 1,
            given=f"{words}; pay three times with one key",
            expected="a 5xx, then 200 at once (the key is free again), then 200 replayed; money moved once",
            seen=told(calls, charges, *answers),
        )


@probe(
    "A replica that dies in between blocks nobody, and nothing is charged twice",
    means="A deploy, a full memory: what was claimed stays claimed for good, or what was charged is charged once more.",
)
async def a_death_in_between_blocks_nobody(world: World) -> None:
    for key, dies in (("key-1", "before"), ("key-2", "after")):
        before = await charged(world)
        dead = Replica(world, f"a{key[-1]}", world.replica(), lease_s=SHORT_LEASE_S, dies=dies)
        alive = Replica(world, f"b{key[-1]}", world.replica())
        await dead.pay(key)
        answer = await _once_it_may(alive, key)
        calls, charges = await charged(world, before)
        world.expect(
            answer.status == 200 and charges == 1,
            given=f"a replica that dies {dies} the money moves, and another that is asked with the same key",
            expected=f"200 once its lease of {SHORT_LEASE_S:g} s has ended ({TRIES} tries), money moved once",
            seen=told(calls, charges, answer),
        )


async def _once_it_may(replica: Replica, key: str) -> Answer:
    """Ask until the answer is no 409; the last one counts."""
    for _ in range(TRIES):
        answer = await replica.pay(key)
        if answer.status != 409:
            break
        await asyncio.sleep(SHORT_LEASE_S / 4)
        replica.world.clock.advance(SHORT_LEASE_S / 4)
    return answer


@probe(
    "Who fails late frees nothing of others",
    means="A slow request comes back after its lease, finds its error, and deletes the record of the one that went on.",
)
async def a_late_failure_frees_its_own(world: World) -> None:
    slow, other = Replica(world, "a", world.replica(), lease_s=SHORT_LEASE_S), Replica(world, "b", world.replica())
    slow.is_slow = True
    late = asyncio.create_task(slow.pay())
    await world.within(LEASE_S, slow.in_charge.wait())
    went_on = await _once_it_may(other, "key-1")
    slow.may_end.set()
    failed = await late
    before, again = await charged(world), await other.pay()
    calls, charges = await charged(world, before)
    world.expect(
        (went_on.words, again.words, calls) == ("200", "200 replayed", 0) and again.body == went_on.body,
        given=f"replica a, whose charge takes longer than its lease of {SHORT_LEASE_S:g} s and then fails; replica b, "
        "which pays meanwhile, and is asked once more after a has failed",
        expected="b: 200, and then 200 replayed without another call, since what b recorded is still there",
        seen=f"a answered {failed.words}; b {told(calls, charges, went_on, again)}",
    )


@probe(
    "Records live for a day",
    means="Without an end the store fills up until it refuses writes; with one too near, tomorrow's retry pays again.",
)
async def records_live_for_a_day(world: World) -> None:
    yours = Replica(world, "yours", world.yours)
    await yours.pay("key-1")
    await yours.pay("key-2", DECLINED)
    await world.simulator.fault("payments", "status", status=503, times=1)
    await yours.pay("key-3")
    store = world.store("probe")
    lives = {name: await store.pttl(name) async for name in store.scan_iter()}
    ends = ["never" if life_ms < 0 else f"{life_ms / HOUR_MS:.2g} h" for life_ms in lives.values()]
    world.expect(
        all(0 < life_ms < LIFE_MS.stop for life_ms in lives.values())
        and sum(life_ms in LIFE_MS for life_ms in lives.values()) >= 2,
        given="a payment, a decline and a failure, each with a key of its own",
        expected="the records of the first two end in about 24 hours, and nothing in the store is without an end",
        seen=f"keys in the store that end in {', '.join(ends) or 'no time: there are none'}",
    )
