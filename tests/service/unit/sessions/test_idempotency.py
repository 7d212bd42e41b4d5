"""Idempotency: the rules of a record, on a real Valkey; leases end by shortening them there, not by waiting."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service.clock import SystemClock
from service.errors import BadRequest, Conflict, StoreUnavailable, Unavailable, Unprocessable
from service.sessions.idempotency import Idempotency, Outcome
from service.settings import SessionSettings
from service.store.guard import Store

from ..fakes import AwayStore

DONE = Outcome(200, b"done")
BODY = b'{"charge_id": "ch_1"}'


class Effect:
    """A side effect that counts how often it happened, and under which downstream keys."""

    def __init__(self, outcome: Outcome | Exception = DONE) -> None:
        self.keys: list[str] = []
        self._outcome = outcome

    async def __call__(self, key: str) -> Outcome:
        self.keys.append(key)
        await asyncio.sleep(0)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


@pytest.fixture
def records(store: Store) -> Idempotency:
    return Idempotency(SessionSettings(), store=store, clock=SystemClock())


def once(
    records: Idempotency, effect: Callable[[str], Awaitable[Outcome]], *, user: str = "alice", body: bytes = BODY
) -> Awaitable[Outcome]:
    return records.once("acme", user, "key-1", body, effect)


async def lease_runs_out(store: Store) -> None:
    """What time would do to the one record there is."""
    [key] = await store.execute("KEYS", "idempotency:*")
    await store.execute("HSET", key, "until", 0)


async def test_the_first_happens_and_every_other_gets_its_answer_byte_for_byte(records: Idempotency) -> None:
    effect = Effect(Outcome(201, b'{"refund": "\xc3\xa9"}'))
    assert await once(records, effect) == Outcome(201, b'{"refund": "\xc3\xa9"}')
    for _ in range(3):
        assert await once(records, effect) == Outcome(201, b'{"refund": "\xc3\xa9"}', replayed=True)
    assert len(effect.keys) == 1


async def test_a_final_decline_is_stored_and_replayed(records: Idempotency) -> None:
    effect = Effect(Outcome(402, b"declined"))
    await once(records, effect)
    assert (await once(records, effect)).replayed
    assert len(effect.keys) == 1


@pytest.mark.parametrize("key", [None, ""])
async def test_without_a_key_nothing_happens(records: Idempotency, key: str | None) -> None:
    effect = Effect()
    with pytest.raises(BadRequest, match="Idempotency-Key header is missing"):
        await records.once("acme", "alice", key, BODY, effect)
    assert effect.keys == []


@pytest.mark.parametrize("key", ["k" * 256, "a\nb", "a\x00"])
async def test_a_key_that_is_too_long_or_not_printable_is_refused(records: Idempotency, key: str) -> None:
    with pytest.raises(BadRequest, match="at most 255 printable"):
        await records.once("acme", "alice", key, BODY, Effect())
    await records.once("acme", "alice", "k" * 255, BODY, Effect())


async def test_of_fifty_at_once_one_happens_and_the_others_are_told_to_wait(records: Idempotency) -> None:
    gate = asyncio.Event()
    happened = 0

    async def effect(_: str) -> Outcome:
        nonlocal happened
        happened += 1
        await gate.wait()
        return DONE

    tasks = [asyncio.ensure_future(once(records, effect)) for _ in range(50)]
    refused, _ = await asyncio.wait(tasks, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    while len(refused) < 49:
        refused, _ = await asyncio.wait(tasks, timeout=0.05)
    for task in refused:
        error = task.exception()
        assert isinstance(error, Conflict)
        assert 0 < (error.retry_after_s or 0) <= 5
    gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers.count(DONE) == 1
    assert happened == 1


async def test_the_same_key_with_another_body_is_refused_busy_done_or_free(records: Idempotency) -> None:
    started, gate = asyncio.Event(), asyncio.Event()

    async def effect(_: str) -> Outcome:
        started.set()
        await gate.wait()
        raise Unavailable("ambiguous", provider="payments")

    task = asyncio.ensure_future(once(records, effect))
    other = Effect()

    async def refuse() -> None:
        with pytest.raises(Unprocessable, match="another body"):
            await once(records, other, body=b"{}")

    await started.wait()
    await refuse()
    gate.set()
    with pytest.raises(Unavailable):
        await task
    await refuse()
    await once(records, Effect())
    await refuse()
    assert other.keys == []


async def test_an_ambiguous_failure_frees_the_key_and_goes_on_under_the_same_downstream_key(
    records: Idempotency,
) -> None:
    first, second = Effect(Unavailable("cut", provider="payments")), Effect()
    with pytest.raises(Unavailable):
        await once(records, first)
    assert await once(records, second) == DONE
    assert first.keys == second.keys


async def test_callers_do_not_share_keys(records: Idempotency) -> None:
    effect = Effect()
    await once(records, effect, user="alice")
    assert not (await once(records, effect, user="bob")).replayed
    await records.once("globex", "alice", "key-1", BODY, effect)
    assert len(set(effect.keys)) == 3


async def test_a_killed_workers_claim_ends_with_its_lease(records: Idempotency, store: Store) -> None:
    started = asyncio.Event()

    async def effect(_: str) -> Outcome:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.ensure_future(once(records, effect))
    await started.wait()
    task.cancel()  # no clean-up reaches the store: as if the worker had died
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(Conflict):
        await once(records, Effect())
    await lease_runs_out(store)
    assert await once(records, Effect()) == DONE


async def test_one_who_lost_the_claim_cannot_overwrite_the_answer_of_who_took_it(
    records: Idempotency, store: Store
) -> None:
    started, gate = asyncio.Event(), asyncio.Event()

    async def slow(_: str) -> Outcome:
        started.set()
        await gate.wait()
        return Outcome(200, b"late")

    task = asyncio.ensure_future(once(records, slow))
    await started.wait()
    await lease_runs_out(store)
    await once(records, Effect(Outcome(200, b"first")))
    gate.set()
    assert (await task).body == b"late"
    assert await once(records, Effect()) == Outcome(200, b"first", replayed=True)


async def test_a_claim_outlives_its_lease_while_its_worker_works(store: Store) -> None:
    records = Idempotency(SessionSettings(idempotency_lease_s=0.15), store=store, clock=SystemClock())
    started, gate = asyncio.Event(), asyncio.Event()

    async def slow(_: str) -> Outcome:
        started.set()
        await gate.wait()
        return DONE

    task = asyncio.ensure_future(once(records, slow))
    await started.wait()
    [key] = await store.execute("KEYS", "idempotency:*")
    until = first = int(await store.execute("HGET", key, "until"))
    for _ in range(400):  # at most 4 s; three renewals are due after 0.15
        until = int(await store.execute("HGET", key, "until"))
        if until > first + 140:
            break
        await asyncio.sleep(0.01)
    assert until > first
    gate.set()
    await task


async def test_records_live_a_day(records: Idempotency, store: Store) -> None:
    await once(records, Effect())
    [key] = await store.execute("KEYS", "idempotency:*")
    assert 86_390_000 < await store.execute("PTTL", key) <= 86_400_000


async def test_with_the_store_away_the_effect_is_not_begun() -> None:
    effect = Effect()
    with pytest.raises(StoreUnavailable):
        await once(Idempotency(SessionSettings(), store=AwayStore(), clock=SystemClock()), effect)
    assert effect.keys == []
