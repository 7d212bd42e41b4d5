"""The receiver of webhooks: code of its own verifies what the library of the scheme signs, and takes each id once."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from standardwebhooks import Webhook

from loadtests.simulator.webhooks import DEFAULT_SECRET

from .lab import Lab, SimulatorProcess

TENANT = "acme"
OWN_SECRET = "whsec_b3duIHNlY3JldCBvZiB0aGlzIGRlcGxveW1lbnQ="


def secret_of(tenant: str, secret: str = DEFAULT_SECRET) -> str:
    """A tenant's secret, as `docs/adr/0018` derives it."""
    master = base64.b64decode(secret.removeprefix("whsec_"))
    key = hmac.digest(master, b"gauntlet webhook secret of tenant " + tenant.encode(), "sha256")
    return "whsec_" + base64.b64encode(key).decode()


def signed(message_id: str, *, tenant: str = TENANT, age_s: float = 0, secret: str = DEFAULT_SECRET) -> Any:
    """Body and headers of a message, signed by the library."""
    body = json.dumps({"type": "job.completed", "timestamp": "2026-01-01T00:00:00Z", "data": {"id": "job_1"}})
    stamp = int(time.time() - age_s)
    signature = Webhook(secret_of(tenant, secret)).sign(message_id, datetime.fromtimestamp(stamp, UTC), body)
    return body, {
        "webhook-id": message_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": f"v1a,other v1,AAAA {signature}",
        "gauntlet-tenant": tenant,
        "x-request-id": message_id,
        "x-attempt": "1",
    }


async def post(lab: Lab, body: str, headers: dict[str, str], path: str = "/webhooks") -> tuple[int, Any]:
    async with lab.http.post(lab.url("webhooks", path), data=body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def received(lab: Lab) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await lab.ledger())["webhooks"]
    return rows


def new_id() -> str:
    return f"msg_{uuid.uuid4().hex}"


async def test_a_signed_message_is_taken_once_and_its_repetition_noted(lab: Lab) -> None:
    message_id = new_id()
    assert await post(lab, *signed(message_id)) == (200, {"received": True, "duplicate": False})
    body, headers = signed(message_id)
    assert await post(lab, body, headers, "/webhooks/of/acme") == (200, {"received": True, "duplicate": True})
    first, second = await received(lab)
    row = (await lab.rows(2))[0]
    assert first == {
        "seq": row["seq"],
        "t": row["t"],
        "message_id": message_id,
        "event": "job.completed",
        "subject_id": "job_1",
        "verified": True,
        "duplicate": False,
        "status": 200,
        "fault": None,
    }
    assert (second["duplicate"], second["verified"], second["message_id"]) == (True, True, message_id)
    assert (row["target"], row["request_id"], row["attempt"], row["status"]) == ("webhooks", message_id, 1, 200)
    assert (await lab.ledger(since=first["seq"]))["webhooks"] == [second]


WRONG: dict[str, dict[str, str]] = {
    "another signature": {"webhook-signature": "v1,AAAA"},
    "another version": {"webhook-signature": "v2,AAAA"},
    "no signature": {"webhook-signature": ""},
    "another id": {"webhook-id": "msg_other"},
    "another time": {"webhook-timestamp": "1"},
    "a time that is none": {"webhook-timestamp": "now"},
    "another tenant": {"gauntlet-tenant": "globex"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_what_is_not_signed_is_refused_and_noted(lab: Lab, wrong: dict[str, str]) -> None:
    body, headers = signed(new_id())
    status, _ = await post(lab, body, {**headers, **wrong})
    assert status == 401
    (row,) = await received(lab)
    assert (row["verified"], row["status"], row["duplicate"]) == (False, 401, False)


async def test_a_changed_body_and_an_old_message_are_refused(lab: Lab) -> None:
    body, headers = signed(new_id())
    assert (await post(lab, body.replace("job_1", "job_2"), headers))[0] == 401
    assert (await post(lab, *signed(new_id(), age_s=301)))[0] == 401
    assert (await post(lab, *signed(new_id(), age_s=-301)))[0] == 401
    assert (await post(lab, *signed(new_id(), age_s=290)))[0] == 200
    assert [row["verified"] for row in await received(lab)] == [False, False, False, True]


async def test_a_refused_message_is_not_taken(lab: Lab) -> None:
    body, headers = signed(message_id := new_id())
    await post(lab, body, {**headers, "webhook-signature": "v1,AAAA"})
    assert (await post(lab, *signed(message_id)))[1] == {"received": True, "duplicate": False}


async def test_a_fault_before_the_work_takes_nothing(lab: Lab) -> None:
    message_id = new_id()
    await lab.fault("webhooks", "status", params={"status": 500}, times=1)
    assert (await post(lab, *signed(message_id)))[0] == 500
    await lab.fault("webhooks", "reset", times=1)
    with pytest.raises(aiohttp.ClientError):
        await post(lab, *signed(message_id))
    assert (await post(lab, *signed(message_id)))[1]["duplicate"] is False
    rows = await received(lab)
    assert [(row["status"], row["fault"], row["verified"]) for row in rows] == [
        (500, "status", True),
        (None, "reset", True),
        (200, None, True),
    ]


async def test_a_fault_after_the_work_has_taken_it(lab: Lab) -> None:
    message_id = new_id()
    await lab.fault("webhooks", "cut", params={"fraction": 0.5}, times=1)
    with pytest.raises(aiohttp.ClientError):
        await post(lab, *signed(message_id))
    assert (await post(lab, *signed(message_id)))[1]["duplicate"] is True


async def test_refused_closes_this_listener_alone(lab: Lab) -> None:
    await lab.fault("webhooks", "refused")
    with pytest.raises(aiohttp.ClientError):
        await post(lab, *signed(new_id()))
    status, _, _ = await lab.messages()
    assert status == 200
    await lab.control("DELETE", "/sim/faults?target=webhooks")
    assert (await post(lab, *signed(new_id())))[0] == 200


async def test_latency_and_a_hang(lab: Lab) -> None:
    await lab.latency("webhooks", first_token_ms=200)
    began = time.monotonic()
    assert (await post(lab, *signed(new_id())))[0] == 200
    assert time.monotonic() - began >= 0.2
    await lab.fault("webhooks", "hang", times=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await post(lab, *signed(new_id()))


@pytest.mark.parametrize(("method", "path"), [("GET", "/webhooks"), ("POST", "/"), ("POST", "/webhooksx")])
async def test_nothing_else_is_there(lab: Lab, method: str, path: str) -> None:
    async with lab.http.request(method, lab.url("webhooks", path)) as response:
        assert response.status == 404
    assert [row["target"] for row in await lab.rows(1)] == ["webhooks"]


@pytest.mark.parametrize("body", ["", "[]", "no JSON", "{}", '{"type": 7}'])
async def test_a_body_that_is_no_message_is_refused(lab: Lab, body: str) -> None:
    status, _ = await post(lab, body, {"webhook-id": new_id()})
    assert status == 400


async def test_deleting_the_ledger_empties_the_list_but_the_receiver_remembers(lab: Lab) -> None:
    message_id = new_id()
    await post(lab, *signed(message_id))
    await lab.control("DELETE", "/sim/ledger")
    assert await received(lab) == []
    assert (await post(lab, *signed(message_id)))[1]["duplicate"] is True


async def test_the_secret_comes_from_the_services_own_variable() -> None:
    process = SimulatorProcess(GAUNTLET_WEBHOOKS__SECRET=OWN_SECRET)
    try:
        async with Lab(process.ready()) as lab:
            assert (await post(lab, *signed(new_id(), secret=OWN_SECRET)))[0] == 200
            assert (await post(lab, *signed(new_id())))[0] == 401
    finally:
        process.end()


@pytest.mark.parametrize("secret", ["secret", "whsec_", "whsec_no base64", "b3duIHNlY3JldA=="])
def test_a_secret_that_is_none_ends_it_at_once(secret: str) -> None:
    process = SimulatorProcess(GAUNTLET_WEBHOOKS__SECRET=secret)
    _, said = process.child.communicate(timeout=30)
    assert process.child.returncode == 2
    assert "GAUNTLET_WEBHOOKS__SECRET" in said
    assert secret not in said or secret == "whsec_"
