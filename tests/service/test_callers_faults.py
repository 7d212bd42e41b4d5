"""The caller's faults at the ledger: they pass through at once, once, and no provider is blamed.

DESIGN, section 3 (whose fault). Next: ``test_our_faults.py``.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.caller import Caller
from tests.stack import Stack

from .refusals import openai_error, problem

FAULTS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "400": ({"status": 400, "message": "messages: roles must alternate"}, 400, "invalid_request", "must alternate"),
    "422": ({"status": 422, "message": "max_tokens: too many"}, 400, "invalid_request", "max_tokens: too many"),
    "413": ({"status": 413}, 413, "request_too_large", "too large"),
    "context length": ({"status": 400, "kind": "context_length"}, 400, "context_too_long", "prompt is too long"),
    "content filter": ({"status": 400, "kind": "content_filter"}, 400, "content_filtered", "content filtering policy"),
}
"""What the provider says, and status, code and words that reach the caller."""

PRIMARIES = {"anthropic": "restart", "openai": "restart_openai_first"}
primaries = pytest.mark.parametrize("primary", PRIMARIES)
kinds = pytest.mark.parametrize("kind", FAULTS)


async def one_call_and_no_blame(stack: Stack, primary: str) -> None:
    """The ledger has one call, and the breaker has heard of nothing."""
    assert [c["target"] for c in await stack.sim.calls()] == [primary]
    rows = (await stack.admin.request("GET", "/admin/breakers")).json()["breakers"]
    assert {(row["state"], row["failures"], row["paused_for_s"]) for row in rows} == {("closed", 0, 0.0)}


@primaries
@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
@kinds
async def test_the_callers_fault_is_one_call_and_its_reason_reaches_the_caller(
    stack: Stack, kind: str, path: str, primary: str
) -> None:
    given, status, code, words = FAULTS[kind]
    await stack.sim.fault(primary, "status", **given)
    alice = stack.caller()
    refused = problem(
        await alice.request("POST", path, {"text": "What is wrong?", "route": PRIMARIES[primary]}), status
    )
    assert refused["code"] == code
    assert words in refused["detail"]
    await one_call_and_no_blame(stack, primary)
    assert (await alice.request("GET", "/threads")).json() == {"threads": []}


@pytest.mark.parametrize("stream", [False, True])
@kinds
async def test_on_openais_surface_the_reason_comes_in_openais_form(stack: Stack, kind: str, stream: bool) -> None:
    given, status, code, words = FAULTS[kind]
    await stack.sim.fault("anthropic", "status", **given)
    body = {"model": "default", "stream": stream, "messages": [{"role": "user", "content": "What is wrong?"}]}
    error = openai_error(await stack.caller().request("POST", "/v1/chat/completions", body), status)
    assert error["code"] == code
    assert words in error["message"]
    await one_call_and_no_blame(stack, "anthropic")


async def test_many_faults_of_callers_open_no_circuit(stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=400)
    callers: list[Caller] = [stack.caller() for _ in range(10)]
    for _ in range(2):
        for alice in callers:
            assert (await alice.chat()).status == 400
    assert (await stack.breakers())["anthropic"] == "closed"
    assert len(await stack.sim.calls()) == 20


LADDER = """
[[routes.wide.rungs]]
provider = "anthropic"
model = "claude-haiku-5-5"
context_tokens = 1000
[[routes.wide.rungs]]
provider = "openai"
model = "gpt-5.4-mini"
context_tokens = 1000
[[routes.wide.rungs]]
provider = "openai"
model = "gpt-5.5"
context_tokens = 400000
"""


async def test_a_context_that_is_too_long_goes_only_to_the_rung_with_a_larger_one(
    start_stack: Callable[..., Stack],
) -> None:
    async with start_stack(toml=LADDER) as stack:
        alice = stack.caller()
        await stack.sim.fault("anthropic", "status", status=400, kind="context_length")
        for path in ("/chat", "/chat/stream"):
            answer = await alice.request("POST", path, {"text": f"Is {path} too long?", "route": "wide"})
            assert answer.status == 200, answer.body
        assert [c["model"] for c in await stack.sim.calls()] == ["claude-haiku-5-5", "gpt-5.5"] * 2
        await stack.sim.fault("openai", "status", status=400, kind="context_length")
        assert problem(await alice.chat(route="wide"), 400)["code"] == "context_too_long"
        assert len(await stack.sim.calls()) == 6
        assert set((await stack.breakers()).values()) == {"closed"}
