"""Stage switches over two workers: turn a stage off and see at the ledger what it was worth.

DESIGN, section 4 (admin). Next: ``test_profiles.py``.
"""

from collections.abc import AsyncIterator

import pytest

from tests.stack import Stack
from tests.waiting import at_once

from .refusals import problem

STAGES = ["cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead", "retrieval", "rerank"]


@pytest.fixture
async def switched(stack: Stack) -> AsyncIterator[Stack]:
    """The stack; every stage is on again afterwards."""
    yield stack
    await switch(stack, **dict.fromkeys(STAGES, True))


async def switch(stack: Stack, **stages: bool) -> dict[str, bool]:
    """Turn stages on or off; both workers must have acknowledged."""
    answer = await stack.admin.request("PUT", "/admin/stages", stages)
    assert answer.status == 200, answer.body
    assert answer.json()["not_acknowledged"] == []
    assert answer.took_s < 1
    on: dict[str, bool] = answer.json()["stages"]
    return on


async def test_a_switch_holds_in_both_workers_once_it_is_acknowledged(switched: Stack) -> None:
    for on in (False, True, False):
        assert (await switch(switched, cache=on)) == {**dict.fromkeys(STAGES, True), "cache": on}
        seen: set[str] = set()
        while len(seen) < 2:
            answer = await switched.admin.request("GET", "/admin/stages")
            assert answer.json()["stages"]["cache"] is on
            seen.add(answer.worker)


async def test_without_the_cache_the_same_question_is_asked_twice(switched: Stack) -> None:
    alice, asked = switched.caller(), "Is this one kept?"
    await switch(switched, cache=False)
    off = [(await alice.request("POST", "/chat?explain=1", {"text": asked})).json() for _ in range(2)]
    assert [body["source"] for body in off] == ["live", "live"]
    assert len(await switched.sim.calls()) == 2
    for body in off:
        assert [row["decision"] for row in body["path"] if row["stage"] == "cache"] == ["off"]
    await switch(switched, cache=True)
    assert [(await alice.chat(asked)).json()["source"] for _ in range(2)] == ["live", "cache"]
    assert len(await switched.sim.calls()) == 3


async def test_without_retry_a_single_failure_costs_the_primary(switched: Stack) -> None:
    await switch(switched, retry=False)
    await switched.sim.fault("anthropic", "status", status=503, times=1)
    body = (await switched.caller().chat()).json()
    assert (body["source"], body["degraded"]) == ("provider", ["anthropic:unavailable"])
    assert len(await switched.sim.calls("anthropic")) == 1


async def test_without_fallback_an_outage_reaches_the_caller(switched: Stack) -> None:
    await switch(switched, fallback=False)
    await switched.sim.fault("anthropic", "status", status=503)
    assert problem(await switched.caller().chat(), 503)["code"] == "unavailable"
    assert await switched.sim.calls("openai") == []


async def test_without_the_breaker_every_request_goes_to_the_dead_provider(switched: Stack) -> None:
    await switch(switched, breaker=False, retry=False)
    await switched.sim.fault("anthropic", "status", status=503)
    callers = [switched.caller() for _ in range(12)]
    answers = await at_once(12, lambda n: callers[n].chat())
    assert {a.json()["source"] for a in answers} == {"provider"}
    assert len(await switched.sim.calls("anthropic")) == 12


async def test_without_the_rate_limit_nobody_is_refused(switched: Stack) -> None:
    await switch(switched, rate_limit=False)
    alice = switched.caller()
    answers = await at_once(40, lambda _: alice.chat())
    assert {a.status for a in answers} == {200}
    assert not any("ratelimit" in a.headers for a in answers)


async def test_an_unknown_stage_is_refused_and_nothing_is_switched(switched: Stack) -> None:
    answer = await switched.admin.request("PUT", "/admin/stages", {"cache": False, "turbo": True})
    assert "turbo" in problem(answer, 422)["detail"]
    seen: set[str] = set()
    while len(seen) < 2:
        answer = await switched.admin.request("GET", "/admin/stages")
        assert answer.json()["stages"] == dict.fromkeys(STAGES, True)
        seen.add(answer.worker)


async def test_only_an_admin_may_look_or_switch(switched: Stack) -> None:
    alice = switched.caller()
    for method, path, body in (
        ("GET", "/admin/stages", None),
        ("PUT", "/admin/stages", {"cache": False}),
        ("GET", "/admin/breakers", None),
        ("POST", "/admin/breakers/reset", {}),
    ):
        problem(await alice.request(method, path, body), 403)
    assert (await switched.admin.request("GET", "/admin/stages")).json()["stages"]["cache"] is True


async def test_a_reset_names_its_provider_or_resets_all(switched: Stack) -> None:
    await switched.sim.fault("anthropic", "status", status=503)
    callers = [switched.caller() for _ in range(5)]
    await at_once(5, lambda n: callers[n].chat())
    assert (
        "no provider is called 'none'"
        in problem(await switched.admin.request("POST", "/admin/breakers/reset", {"provider": "none"}), 404)["detail"]
    )
    reset = await switched.admin.request("POST", "/admin/breakers/reset", {"provider": "anthropic"})
    states = {row["provider"]: row["state"] for row in reset.json()["breakers"]}
    assert states["anthropic"] == "closed"
