"""Payments: idempotency keys, declines, and money that moved although nobody heard of it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from .lab import Lab

CHARGE: dict[str, Any] = {"amount": 1250, "currency": "usd"}
REFUND: dict[str, Any] = {"charge": "ch_1", "amount": 1250, "currency": "usd"}


async def pay(
    lab: Lab, body: dict[str, Any], key: str | None = None, path: str = "/v1/refunds"
) -> tuple[int, Any, Any]:
    return await lab.post("payments", path, body, {} if key is None else {"Idempotency-Key": key})


async def charges(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await lab.ledger())["charges"]
    return found


async def test_a_refund_moves_money_once_and_is_replayed(lab: Lab) -> None:
    status, headers, first = await pay(lab, REFUND, "replay-1")
    assert (status, first["status"], first["amount"], first["charge"]) == (200, "succeeded", 1250, "ch_1")
    assert "Idempotency-Replayed" not in headers
    status, headers, second = await pay(lab, dict(reversed(REFUND.items())), "replay-1")
    assert (status, second, headers["Idempotency-Replayed"]) == (200, first, "true")
    (charge,) = await charges(lab)
    assert set(charge) == {"t", "idempotency_key", "amount", "currency"}
    assert (charge["idempotency_key"], charge["amount"], charge["currency"]) == ("replay-1", 1250, "usd")
    assert [row["endpoint"] for row in await lab.rows(2)] == ["/v1/refunds"] * 2


async def test_many_at_once_with_one_key_move_money_once(lab: Lab) -> None:
    await lab.latency("payments", first_token_ms=50)
    answers = await asyncio.gather(*(pay(lab, CHARGE, "at-once", "/v1/charges") for _ in range(50)))
    assert {status for status, _, _ in answers} == {200}
    assert len({document["id"] for _, _, document in answers}) == 1
    assert sum("Idempotency-Replayed" in headers for _, headers, _ in answers) == 49
    assert len(await charges(lab)) == 1


async def test_another_body_under_the_same_key_is_a_conflict(lab: Lab) -> None:
    await pay(lab, REFUND, "conflict")
    status, _, document = await pay(lab, {**REFUND, "amount": 1}, "conflict")
    assert (status, document["error"]["type"]) == (409, "idempotency_error")
    status, _, _ = await pay(lab, CHARGE, "conflict", "/v1/charges")
    assert status == 409
    assert len(await charges(lab)) == 1


async def test_without_a_key_every_call_moves_money(lab: Lab) -> None:
    documents = [(await pay(lab, CHARGE, None, "/v1/charges"))[2] for _ in range(3)]
    assert len({document["id"] for document in documents}) == 3
    assert [charge["idempotency_key"] for charge in await charges(lab)] == [None] * 3


async def test_a_key_belongs_to_its_account(lab: Lab) -> None:
    for account in ("one", "two"):
        headers = {"Idempotency-Key": "shared", "authorization": f"Bearer {account}"}
        status, got, _ = await lab.post("payments", "/v1/charges", CHARGE, headers)
        assert status == 200
        assert "Idempotency-Replayed" not in got
    assert len(await charges(lab)) == 2


async def test_too_large_an_amount_is_declined_for_good(lab: Lab) -> None:
    big = {**REFUND, "amount": 1_000_001}
    for replayed in (None, "true"):
        status, headers, document = await pay(lab, big, "declined")
        assert (status, headers.get("Idempotency-Replayed")) == (402, replayed)
        assert (document["error"]["type"], document["error"]["code"]) == ("card_error", "refund_declined")
    assert (await pay(lab, {**REFUND, "amount": 1_000_000}, "largest"))[0] == 200
    assert len(await charges(lab)) == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({**REFUND, "amount": "12"}, "amount"),
        ({**REFUND, "amount": 0}, "amount"),
        ({**REFUND, "amount": True}, "amount"),
        ({"amount": 5, "charge": "ch_1"}, "currency"),
        ({"amount": 5, "currency": "usd"}, "charge"),
    ],
)
async def test_a_bad_refund_names_the_param(lab: Lab, body: dict[str, Any], param: str) -> None:
    status, _, document = await pay(lab, body)
    assert (status, document["error"]["param"]) == (400, param)
    assert await charges(lab) == []


@pytest.mark.parametrize("fault", ["charge_then_drop", "cut", "stall"])
async def test_the_money_moved_although_the_answer_was_lost(lab: Lab, fault: str) -> None:
    await lab.fault("payments", fault, times=1)
    key = f"lost-{fault}"
    call = asyncio.create_task(pay(lab, REFUND, key))
    if fault == "stall":
        await lab.pending(1)
        call.cancel()
    with pytest.raises((aiohttp.ClientError, asyncio.CancelledError)):
        await call
    assert len(await charges(lab)) == 1
    status, headers, _ = await pay(lab, REFUND, key)
    assert (status, headers["Idempotency-Replayed"]) == (200, "true")
    assert len(await charges(lab)) == 1
    lost, _ = await lab.rows(2)
    assert (lost["fault"], lost["completed"]) == (fault, False)
    if fault == "charge_then_drop":
        assert lost["status"] is None


@pytest.mark.parametrize("fault", ["reset", "status", "stream_error"])
async def test_no_money_moves_when_the_fault_comes_first(lab: Lab, fault: str) -> None:
    await lab.fault("payments", fault, times=1)
    key = f"first-{fault}"
    if fault == "reset":
        with pytest.raises(aiohttp.ClientError):
            await pay(lab, REFUND, key)
    else:
        status, _, document = await pay(lab, REFUND, key)
        assert (status, document["error"]["type"]) == (503, "api_error")
    assert await charges(lab) == []
    assert "Idempotency-Replayed" not in (await pay(lab, REFUND, key))[1]
    assert len(await charges(lab)) == 1


async def test_50_calls_with_drops_among_them_move_money_once(lab: Lab) -> None:
    await lab.fault("payments", "charge_then_drop", share=0.5)

    async def persist(number: int) -> int:
        for attempt in range(60):
            headers = {"Idempotency-Key": "storm", "X-Request-ID": f"storm-{number}", "X-Attempt": str(attempt + 1)}
            try:
                return (await lab.post("payments", "/v1/refunds", REFUND, headers))[0]
            except aiohttp.ClientError:
                continue
        return 0

    assert set(await asyncio.gather(*map(persist, range(50)))) == {200}
    assert len(await charges(lab)) == 1


async def test_a_quota_refuses_before_money_moves(lab: Lab) -> None:
    await lab.control("PUT", "/sim/quota", {"target": "payments", "requests_per_min": 1})
    statuses = [(await pay(lab, CHARGE, None, "/v1/charges"))[0] for _ in range(3)]
    assert statuses == [200, 429, 429]
    assert len(await charges(lab)) == 1
