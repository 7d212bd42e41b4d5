"""The ledger: its fields, its order, its bounds, and clients that leave."""

from __future__ import annotations

import asyncio
import time

import orjson
import pytest
from genai_prices import Usage, calc_price

from loadtests.simulator.ledger import MAX_CHARGES, Ledger, Row

from .lab import CLAUDE, GPT, QUESTION, Lab, user

FIELDS = [
    "seq",
    "t",
    "target",
    "endpoint",
    "request_id",
    "attempt",
    "model",
    "stream",
    "status",
    "fault",
    "input_tokens",
    "output_tokens",
    "billed_nano_usd",
    "completed",
    "cancelled",
    "duration_s",
]


async def test_a_row_has_exactly_the_fields_of_the_design(lab: Lab) -> None:
    await lab.latency("anthropic", first_token_ms=30)
    before = time.time()
    _, _, document = await lab.messages(None, **{"X-Request-ID": "abc", "X-Attempt": "2"})
    after = time.time()
    row = await lab.row()
    assert list(row) == FIELDS
    assert before <= row["t"] <= after - 0.03
    assert 0.029 <= row["duration_s"] <= after - before
    assert row["t"] != round(row["t"], 3)
    usage = document["usage"]
    assert (row["target"], row["endpoint"], row["model"]) == ("anthropic", "/v1/messages", CLAUDE)
    assert (row["request_id"], row["attempt"], row["stream"], row["fault"]) == ("abc", 2, False, None)
    assert (row["input_tokens"], row["output_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
    assert (row["status"], row["completed"], row["cancelled"]) == (200, True, False)


@pytest.mark.parametrize(("model", "provider"), [(CLAUDE, "anthropic"), (GPT, "openai"), ("gpt-4.1-nano", "openai")])
async def test_the_bill_is_what_the_price_list_says(lab: Lab, model: str, provider: str) -> None:
    body = {"model": model, "max_tokens": 300, "messages": [user(QUESTION)]}
    await (lab.messages(body) if provider == "anthropic" else lab.chat(body))
    row = await lab.row()
    usage = Usage(input_tokens=row["input_tokens"], output_tokens=row["output_tokens"])
    price = calc_price(usage, model, provider_id=provider).total_price
    assert row["billed_nano_usd"] == round(price * 10**9)
    assert type(row["billed_nano_usd"]) is int


async def test_fake_models_cost_nothing(lab: Lab) -> None:
    await lab.messages({"model": "fake-large", "max_tokens": 50, "messages": [user(QUESTION)]})
    row = await lab.row()
    assert (row["billed_nano_usd"], row["output_tokens"] > 0) == (0, True)


@pytest.mark.parametrize("attempt", ["zero", "-1", "1.5", "", "99999999999"])
async def test_a_strange_attempt_counts_as_the_first(lab: Lab, attempt: str) -> None:
    await lab.messages(None, **{"X-Attempt": attempt})
    assert (await lab.row())["attempt"] == 1


async def test_a_fault_that_did_not_strike_is_not_named(lab: Lab) -> None:
    await lab.fault("anthropic", "cut")
    assert (await lab.messages({"model": CLAUDE, "messages": []}))[0] == 400
    row = await lab.row()
    assert (row["status"], row["fault"]) == (400, None)


async def test_since_gives_only_what_is_newer(lab: Lab) -> None:
    for _ in range(3):
        await lab.chat()
    rows = await lab.rows(3)
    document = await lab.ledger(since=rows[0]["seq"])
    assert [row["seq"] for row in document["calls"]] == [rows[1]["seq"], rows[2]["seq"]]
    assert document["last_seq"] == rows[2]["seq"]
    assert (await lab.ledger(since=document["last_seq"]))["calls"] == []


async def test_numbers_go_on_after_a_delete(lab: Lab) -> None:
    await lab.chat()
    last = (await lab.rows(1))[0]["seq"]
    await lab.control("DELETE", "/sim/ledger")
    assert (await lab.ledger())["calls"] == []
    await lab.chat()
    assert (await lab.row())["seq"] == last + 1


async def test_a_client_that_leaves_while_it_waits_is_noticed_at_once(lab: Lab) -> None:
    await lab.latency("anthropic", first_token_ms=60_000)
    call = asyncio.create_task(lab.messages())
    await lab.pending(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    row = await lab.row()
    assert (row["cancelled"], row["completed"], row["status"], row["output_tokens"]) == (True, False, None, 0)
    assert row["duration_s"] < 5


async def test_many_calls_wait_side_by_side(lab: Lab) -> None:
    await lab.latency("openai", first_token_ms=400)
    began = time.monotonic()
    answers = await asyncio.gather(*(lab.chat() for _ in range(100)))
    assert {status for status, _, _ in answers} == {200}
    assert time.monotonic() - began < 10
    assert len({row["seq"] for row in await lab.rows(100)}) == 100


def closed(ledger: Ledger, n: int) -> list[Row]:
    rows = [ledger.open(float(i), "openai", "/x", None, 1) for i in range(n)]
    for row in rows:
        ledger.close(row, 0.5)
    return rows


def seqs(ledger: Ledger, since: int = 0) -> list[int]:
    return [row["seq"] for row in orjson.loads(ledger.encode(since))["calls"]]


def test_the_ring_keeps_the_newest_rows() -> None:
    ledger = Ledger(max_rows=4)
    old = ledger.open(0.0, "openai", "/x", None, 1)
    closed(ledger, 6)
    assert seqs(ledger) == [4, 5, 6, 7]
    ledger.close(old, 9.0)
    assert seqs(ledger) == [4, 5, 6, 7]
    assert seqs(ledger, since=6) == [7]


def test_a_row_that_was_cleared_stays_forgotten() -> None:
    ledger = Ledger(max_rows=4)
    old = ledger.open(0.0, "openai", "/x", None, 1)
    ledger.clear()
    ledger.close(old, 1.0)
    assert seqs(ledger) == []
    closed(ledger, 6)
    assert seqs(ledger) == [4, 5, 6, 7]


def complete_from(ledger: Ledger) -> float:
    since: float = orjson.loads(ledger.encode(0))["complete_from"]
    return since


def test_the_ledger_says_from_when_on_nothing_is_forgotten() -> None:
    before = time.time()
    ledger = Ledger(max_rows=4)
    began = complete_from(ledger)
    assert before - 1e-6 <= began <= time.time()
    closed(ledger, 4)
    assert complete_from(ledger) == began
    ledger.open(7e9, "openai", "/x", None, 1)
    assert complete_from(ledger) == 1.0
    closed(ledger, 3)
    assert complete_from(ledger) == 7e9
    ledger.clear()
    assert began <= complete_from(ledger) < 7e9


def test_charges_that_were_forgotten_are_not_covered() -> None:
    ledger = Ledger()
    for _ in range(MAX_CHARGES + 1):
        ledger.charge("k", 1, "usd")
    assert complete_from(ledger) == pytest.approx(orjson.loads(ledger.encode(0))["charges"][0]["t"], abs=1e-5)
