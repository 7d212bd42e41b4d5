"""Langfuse, against a receiver that decodes what its SDK really posts: each generation once, masked, never felt."""

import json
import socket
from collections.abc import Callable

from tests.langfuse import langfuse
from tests.settings import QUICK
from tests.stack import Stack
from tests.waiting import at_once, eventually


async def test_generations_appear_once_with_usage_cost_session_user_and_tags(start_stack: Callable[..., Stack]) -> None:
    async with langfuse() as receiver, start_stack(env=receiver.environment) as stack:
        alice = stack.caller()
        await stack.sim.fault("anthropic", "status", status=503, times=1)
        answer = await alice.chat("What does Langfuse see?")
        body, trace_id = answer.json(), answer.headers["traceparent"][3:35]
        hit = await alice.chat("What does Langfuse see?")
        refund = await alice.refund("order-1")

        async def there() -> bool:
            return len(receiver.of(trace_id)) >= 3

        await eventually(there, "a trace with two generations")
        root, *generations = receiver.of(trace_id)
        assert [g["langfuse.observation.type"] for g in generations] == ["generation"] * 2
        assert [g["langfuse.observation.metadata.status"] for g in generations] == ["unavailable", "ok"]
        assert {g["parent_span_id"] for g in generations} == {root["span_id"]}
        good = generations[1]
        usage = json.loads(good["langfuse.observation.usage_details"])
        assert (usage["input"], usage["output"]) == (body["usage"]["input_tokens"], body["usage"]["output_tokens"])
        assert json.loads(good["langfuse.observation.cost_details"]) == {"total": body["cost_usd"]}
        assert good["langfuse.observation.model.name"] == "claude-opus-4-7"
        for observation in (root, *generations):
            assert observation["session.id"] == body["thread_id"]
            assert len(observation["user.id"]) == 16
            assert observation["user.id"] != "alice"
            assert {"default", "answered", "live"} <= set(observation["langfuse.trace.tags"])
            assert observation["end_ns"] > observation["start_ns"]
        # Whoever asked no model is no trace there; and nothing of what was said, since content is not captured.
        asked = {hit.headers["traceparent"][3:35], refund.headers["traceparent"][3:35]}
        ids = [observation["span_id"] for observation in receiver.observations]
        assert len(ids) == len(set(ids)), "exactly once"
        assert not asked & {observation["trace_id"] for observation in receiver.observations}
        assert not any("What does Langfuse see?" in raw.decode("latin-1") for raw in receiver.raw)
        assert receiver.wrong == []


async def test_content_goes_there_only_when_captured_and_masked(start_stack: Callable[..., Stack]) -> None:
    async with (
        langfuse() as receiver,
        start_stack(env={**receiver.environment, "CAPTURE_CONTENT": "true"}) as stack,
    ):
        answer = await stack.caller().chat("Write to jane.doe@example.com about jitter, please.")
        trace_id = answer.headers["traceparent"][3:35]

        async def there() -> bool:
            return len(receiver.of(trace_id)) >= 2

        await eventually(there, "the trace, masked")
        generation = receiver.of(trace_id)[1]
        asked = json.loads(generation["langfuse.observation.input"])
        assert asked[-1:] == [{"role": "user", "content": "Write to [email] about jitter, please."}]
        assert json.loads(generation["langfuse.observation.output"])["content"]
        (span,) = await stack.told(f"select attributes from spans where trace_id = '{trace_id}' and kind = 'client'")
        said = json.loads(span["attributes"]["gen_ai.input.messages"])
        assert said[0]["parts"][0]["content"] == "Write to [email] about jitter, please."
        assert not any(b"jane.doe" in raw for raw in receiver.raw)


async def test_a_dead_or_silent_langfuse_is_not_felt(start_stack: Callable[..., Stack]) -> None:
    keys = {"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk"}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        stack = start_stack(env={**keys, "LANGFUSE_BASE_URL": url}, toml=QUICK)
        async with stack:
            callers = [stack.caller() for _ in range(10)]
            answers = await at_once(100, lambda n: callers[n % 10].chat())
            assert {answer.status for answer in answers} == {200}
            assert sorted(answer.took_s for answer in answers)[98] < 2
            rows = await stack.told("select count(*) as n from requests where outcome = 'answered'")
            assert rows[0]["n"] >= 1
            stack.service.popen.terminate()
            assert stack.service.popen.wait(5) is not None
