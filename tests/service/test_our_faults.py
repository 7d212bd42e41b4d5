"""Our own faults at the ledger: a wrong key, an unpaid bill, a model that does not exist.

No retry, not counted, the next rung answers, and an operator reads an error in the log. DESIGN, section 3 (whose
fault). Next: ``test_disconnect.py``.
"""

from typing import Any

import pytest

from tests.stack import Stack
from tests.waiting import eventually

from .refusals import openai_error, problem

FAULTS: dict[str, dict[str, Any]] = {
    "401": {"status": 401},
    "402": {"status": 402},
    "403": {"status": 403},
    "404": {"status": 404},
    "insufficient quota": {"status": 429, "kind": "insufficient_quota"},
    "spend limit": {"status": 429, "kind": "spend_limit"},
}
ROUTES = {"anthropic": "restart", "openai": "restart_openai_first"}
"""Primary, and the route that begins with it."""


async def complaints(stack: Stack, request_id: str) -> list[tuple[str, str, int]]:
    """Level, provider and upstream status of each complaint in the service's log about one request."""
    rows = stack.service.lines(event="provider_misconfigured", request_id=request_id)
    return [(row["level"], row["provider"], row["upstream_status"]) for row in rows]


@pytest.mark.parametrize("primary", ROUTES)
@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
@pytest.mark.parametrize("kind", FAULTS)
async def test_our_fault_is_one_call_and_the_next_rung_answers(
    stack: Stack, kind: str, path: str, primary: str
) -> None:
    await stack.sim.fault(primary, "status", **FAULTS[kind])
    alice, asked = stack.caller(), {"text": "Who pays the bill?", "route": ROUTES[primary]}
    if path == "/chat":
        body = (await alice.request("POST", path, asked)).json()
    else:
        body = (await alice.events(path, asked))[-1][1]
    assert (body["source"], body["degraded"]) == ("provider", [f"{primary}:misconfigured"])
    calls = await stack.sim.calls()
    assert [(c["target"] == primary, c["status"]) for c in calls] == [(True, FAULTS[kind]["status"]), (False, 200)]
    rows = (await stack.admin.request("GET", "/admin/breakers")).json()["breakers"]
    assert {(row["state"], row["failures"], row["paused_for_s"]) for row in rows} == {("closed", 0, 0.0)}

    async def told() -> bool:
        wanted = [("error", primary, FAULTS[kind]["status"])]
        return await complaints(stack, body["request_id"]) == wanted

    await eventually(told, "the log to complain once")


async def test_a_model_that_does_not_exist_leaves_the_smaller_one_of_that_provider(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=503)
    await stack.sim.fault("openai", "status", status=404, match={"model": "gpt-5.5"})
    body = (await stack.caller().chat()).json()
    assert (body["source"], body["model"]) == ("smaller_model", "gpt-5.4-mini")
    assert [c["model"] for c in await stack.sim.calls("openai")] == ["gpt-5.5", "gpt-5.4-mini"]


async def test_where_every_provider_refuses_our_key_the_answer_is_502(stack: Stack) -> None:
    for target in ROUTES:
        await stack.sim.fault(target, "status", status=401)
    alice = stack.caller()
    for path in ("/chat", "/chat/stream"):
        refused = problem(await alice.request("POST", path, {"text": "Whose key is it?", "route": "restart"}), 502)
        assert refused["code"] == "misconfigured"
        assert refused["degraded"] == ["anthropic:misconfigured", "openai:misconfigured"]
        assert "Invalid API key" not in refused["detail"]
    body = {"model": "restart", "messages": [{"role": "user", "content": "Whose key is it?"}]}
    assert openai_error(await alice.request("POST", "/v1/chat/completions", body), 502)["code"] == "misconfigured"
    assert [c["target"] for c in await stack.sim.calls()] == ["anthropic", "openai"] * 3
    assert set((await stack.breakers()).values()) == {"closed"}
