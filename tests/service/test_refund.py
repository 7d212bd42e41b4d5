"""One charge, whatever happens: many at once, drops after the charge, a worker killed in between."""

import asyncio
import os
import signal
import uuid
from collections.abc import Callable

import aiohttp

from tests.stack import Stack
from tests.waiting import at_once, eventually


async def test_fifty_at_once_with_one_key_are_one_charge(stack: Stack) -> None:
    await stack.sim.latency("payments", first_token_ms=200)
    alice = stack.caller()
    answers = await at_once(50, lambda _: alice.refund("one"))
    assert len(await stack.sim.charges()) == 1
    assert {a.status for a in answers} <= {200, 409}
    assert len({a.worker for a in answers}) == 2
    assert sum(a.status == 200 and "idempotency-replayed" not in a.headers for a in answers) == 1
    busy = next(a for a in answers if a.status == 409)
    assert (busy.json()["code"], busy.headers["content-type"]) == ("conflict", "application/problem+json")
    assert int(busy.headers["retry-after"]) >= 1


async def test_a_second_call_replays_status_and_body(stack: Stack) -> None:
    alice = stack.caller()
    first, second = await alice.refund("again"), await alice.refund("again")
    assert (first.status, first.body) == (second.status, second.body)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(await stack.sim.calls("payments")) == 1


async def test_a_missing_key_is_400_and_another_body_422(stack: Stack) -> None:
    alice = stack.caller()
    missing = await alice.request("POST", "/refund", {"charge": "ch_1", "amount": 5})
    assert (missing.status, missing.json()["code"]) == (400, "bad_request")
    assert "Idempotency-Key" in missing.json()["detail"]
    await alice.refund("body", amount=100)
    other = await alice.refund("body", amount=200)
    assert (other.status, other.json()["code"]) == (422, "unprocessable")
    assert len(await stack.sim.charges()) == 1


async def test_a_key_belongs_to_its_caller(stack: Stack) -> None:
    await stack.caller().refund("mine")
    other = await stack.caller().refund("mine")
    assert "idempotency-replayed" not in other.headers
    charges = await stack.sim.charges()
    assert len(charges) == 2
    assert len({c["idempotency_key"] for c in charges}) == 2


async def test_the_downstream_key_is_not_the_callers_own_text(stack: Stack) -> None:
    await stack.caller().refund("secret-text")
    assert "secret-text" not in (await stack.sim.charges())[0]["idempotency_key"]


async def test_a_final_decline_is_stored_and_replayed(stack: Stack) -> None:
    alice = stack.caller()
    first, second = await alice.refund("big", amount=2_000_000), await alice.refund("big", amount=2_000_000)
    assert (first.status, second.status) == (402, 402)
    assert first.body == second.body
    assert second.headers["idempotency-replayed"] == "true"
    assert len(await stack.sim.calls("payments")) == 1


async def test_a_drop_after_the_charge_is_retried_with_the_same_key_and_charges_once(stack: Stack) -> None:
    await stack.sim.fault("payments", "charge_then_drop", times=2)
    alice = stack.caller()
    answers = await at_once(50, lambda _: alice.refund("dropped"))
    assert 200 in {a.status for a in answers}
    assert len(await stack.sim.charges()) == 1
    assert len(await stack.sim.calls("payments")) >= 2


async def test_an_outage_frees_the_key_for_a_later_try(stack: Stack) -> None:
    await stack.sim.fault("payments", "status", status=503)
    alice = stack.caller()
    failed = await alice.refund("later")
    assert failed.status == 503
    await stack.reset()
    done = await alice.refund("later")
    assert done.status == 200
    assert "idempotency-replayed" not in done.headers
    assert len(await stack.sim.charges()) == 1


async def test_a_worker_killed_between_charge_and_record_never_charges_twice(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack()
    async with stack:
        await stack.reset()
        alice = stack.caller()
        for number in range(3):
            key = f"killed-{number}-{uuid.uuid4().hex[:6]}"
            # The money moves, then the answer never comes: the worker is in the window when it dies.
            await stack.sim.fault("payments", "charge_then_drop", times=1)
            await stack.sim.fault("payments", "hang", times=1)

            async def ask(key: str = key) -> int:
                try:
                    return (await alice.refund(key)).status
                except aiohttp.ClientError:
                    return 0

            asking = [asyncio.create_task(ask()) for _ in range(20)]
            wanted = number + 1

            async def charged(wanted: int = wanted) -> bool:
                return len(await stack.sim.charges()) == wanted

            await eventually(charged, "the charge")
            for worker in stack.workers():
                os.kill(worker, signal.SIGKILL)
            await asyncio.gather(*asking)
            await stack.sim.heal()

            async def settled(key: str = key) -> bool:
                return await ask(key) == 200

            await eventually(settled, "the refund after the crash", within_s=30)
            assert len(await stack.sim.charges()) == wanted


async def test_a_deadline_in_the_header_bounds_a_refund_too(stack: Stack) -> None:
    await stack.sim.fault("payments", "hang")
    late = await stack.caller().request(
        "POST",
        "/refund",
        {"charge": "ch_1", "amount": 1250, "currency": "usd"},
        headers={"Idempotency-Key": "late", "X-Deadline-Ms": "500"},
    )
    assert late.status in (503, 504)
    assert late.took_s < 2


async def test_payments_that_hang_open_their_circuit(stack: Stack) -> None:
    await stack.sim.fault("payments", "hang")
    alice = stack.caller()
    answers = await at_once(5, lambda n: alice.refund(f"hanging-{n}"))
    assert {answer.status for answer in answers} <= {503, 504}
    assert (await stack.breakers())["payments"] == "open"
    refused = await alice.refund("refused")
    assert refused.status == 503
    assert refused.took_s < 1


async def test_two_different_keys_are_no_key(stack: Stack) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two"), *stack.caller().headers.items()]
    assert stack.session is not None
    async with stack.session.post(f"{stack.url}/refund", data=b'{"charge": "ch_1", "amount": 1}', headers=headers) as r:
        assert r.status == 400
        assert "several Idempotency-Key" in (await r.json(content_type=None))["detail"]
    assert await stack.sim.charges() == []
