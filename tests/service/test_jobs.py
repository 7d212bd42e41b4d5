"""The background track with real processes: long documents, their users, what goes wrong with a job itself."""

import time
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from service.tracks.analysis import steps_of

from ..collector import Collector
from ..stack import Stack
from ..waiting import at_once, eventually
from .jobs import (
    BURST,
    DEPTH_MAX,
    PARTS,
    PER_USER_MAX,
    STEPS,
    TEXT_MAX_BYTES,
    TOML,
    accepted,
    at_rest,
    document,
    has_ended,
    job,
    post,
    the_worker,
)


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("jobs"), toml=TOML, collector=collector, worker=1)
    yield stack
    stack.end()


@pytest.fixture
async def stack(_shared: Stack) -> AsyncIterator[Stack]:
    async with at_rest(_shared) as stack:
        yield stack


async def test_a_long_document_is_summarised_in_the_background(stack: Stack) -> None:
    alice = stack.caller()
    answer = await post(alice)
    assert answer.status == 202
    told = answer.json()
    assert told["status"] == "queued"
    done = await job(alice, told["job_id"], has_ended)
    assert done["status"] == "completed", done
    assert done["progress"] == {"done": STEPS, "total": STEPS}
    assert "retries" in done["result"]["summary"]
    assert done["result"]["parts"] == PARTS
    calls = await stack.sim.calls()
    assert len(calls) == STEPS
    billed = sum(row["billed_nano_usd"] for row in calls)
    assert round(done["cost_usd"] * 1e9) == billed > 0
    assert done["usage"]["input_tokens"] == sum(row["input_tokens"] for row in calls)
    assert done["attempts"] == 1
    assert done["ended_at"] > done["started_at"] >= done["created_at"]
    assert done["expires_at"] == done["ended_at"] + 86_400


async def test_jobs_belong_to_their_users_and_are_listed_newest_first(stack: Stack) -> None:
    alice, bob = stack.caller(), stack.caller()
    ids = [await accepted(alice, document(1)) for _ in range(3)]
    first = (await alice.request("GET", "/jobs?limit=2")).json()
    assert [row["job_id"] for row in first["jobs"]] == ids[:0:-1]
    second = (await alice.request("GET", f"/jobs?limit=2&cursor={first['cursor']}")).json()
    assert ([row["job_id"] for row in second["jobs"]], second["cursor"]) == (ids[:1], None)
    assert (await bob.request("GET", "/jobs")).json()["jobs"] == []
    for method in ("GET", "DELETE"):
        assert (await bob.request(method, f"/jobs/{ids[0]}")).status == 404
        assert (await bob.request(method, "/jobs/job_none")).status == 404
    rows = (await stack.admin.request("GET", "/jobs?limit=100")).json()["jobs"]
    assert set(ids) <= {row["job_id"] for row in rows}
    mine = (alice.key.split("-")[1], "alice")
    alone = (await stack.admin.request("GET", f"/jobs/{ids[0]}")).json()
    assert {(row["tenant"], row["user"]) for row in (*rows, alone) if row["job_id"] == ids[0]} == {mine}
    assert "tenant" not in (await alice.request("GET", f"/jobs/{ids[0]}")).json()
    for wrong in ("limit=0", "limit=101", "limit=x", "cursor=x"):
        assert (await alice.request("GET", f"/jobs?{wrong}")).status == 400
    for job_id in ids:
        await job(alice, job_id, has_ended)


async def test_one_key_is_one_job_also_for_thirty_at_once(stack: Stack) -> None:
    alice, key, text = stack.caller(), uuid.uuid4().hex, document(2)
    answers = await at_once(30, lambda _: post(alice, text, key))
    assert {answer.status for answer in answers} <= {202, 409}
    assert len({answer.worker for answer in answers}) == 2
    ids = {answer.json()["job_id"] for answer in answers if answer.status == 202}
    again = await post(alice, text, key)
    assert (again.status, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.headers["location"] == f"/jobs/{again.json()['job_id']}"
    assert ids == {again.json()["job_id"]}
    await job(alice, ids.pop(), has_ended)
    assert len((await alice.request("GET", "/jobs")).json()["jobs"]) == 1
    assert len(await stack.sim.calls()) == steps_of(2)
    assert (await post(alice, document(2), key)).status == 422


async def test_what_cannot_be_done_is_refused_at_once(stack: Stack) -> None:
    alice = stack.caller()
    no_key = await alice.request("POST", "/jobs", {"text": "x"})
    assert (no_key.status, no_key.headers["content-type"]) == (400, "application/problem+json")
    assert (await post(alice, " \n ")).status == 422
    assert (await post(alice, route="nowhere")).status == 404
    assert (await post(alice, "x" * (TEXT_MAX_BYTES + 1))).status == 413
    assert (await post(alice, webhook_url="ftp://example.com/")).status == 400
    assert await stack.sim.calls() == []


async def test_a_job_is_cancelled_while_it_runs_and_never_completes(stack: Stack) -> None:
    alice = stack.caller()
    await stack.sim.latency("anthropic", first_token_ms=2000)
    job_id = await accepted(alice)
    await job(alice, job_id, lambda seen: seen["status"] == "running")
    answer = await alice.request("DELETE", f"/jobs/{job_id}")
    assert (answer.status, answer.json()["status"]) == (200, "cancelled")

    async def given_up() -> bool:
        return any(row["cancelled"] for row in await stack.sim.calls())

    await eventually(given_up, "the calls under way to be given up")
    done = await job(alice, job_id, has_ended)
    assert (done["status"], done["result"]) == ("cancelled", None)
    assert (await alice.request("DELETE", f"/jobs/{job_id}")).status == 200
    await stack.sim.latency("anthropic")
    ended = await accepted(alice, document(1))
    await job(alice, ended, has_ended)
    assert (await alice.request("DELETE", f"/jobs/{ended}")).status == 409


async def test_while_the_providers_are_out_a_job_waits_and_then_goes_on(stack: Stack) -> None:
    alice = stack.caller()
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "status", status=503)
    job_id = await accepted(alice, document(3))
    waits = await job(alice, job_id, lambda seen: seen["waits_for"] is not None)
    assert (waits["status"], waits["waits_for"]) == ("running", "unavailable")
    assert waits["next_try_at"] is not None
    await stack.sim.heal()
    done = await job(alice, job_id, has_ended)
    assert (done["status"], done["waits_for"]) == ("completed", None)
    assert done["attempts"] > 1


async def test_an_empty_bucket_makes_a_job_wait_and_not_fail(stack: Stack) -> None:
    alice = stack.caller()
    await at_once(BURST, lambda _: alice.chat())
    done = await job(alice, await accepted(alice, document(3)), has_ended)
    assert done["status"] == "completed", done
    assert done["attempts"] > 1
    refused = f"method = 'WORK' and status = 429 and tenant = '{alice.key.split('-')[1]}'"
    assert await stack.told(f"select error from requests where {refused}")


async def test_what_the_document_is_to_blame_for_fails_the_job_at_once(stack: Stack) -> None:
    alice = stack.caller()
    await stack.sim.fault("anthropic", "status", status=400, kind="content_filter")
    done = await job(alice, await accepted(alice), has_ended)
    assert done["status"] == "failed"
    assert done["error"]["code"] in ("content_filtered", "invalid_request")
    assert done["attempts"] == 1


async def test_too_many_waiting_jobs_are_refused_with_a_time_that_fits(stack: Stack) -> None:
    await stack.sim.latency("anthropic", first_token_ms=1500)
    bob = stack.caller()
    ids = [await accepted(bob, document(1)) for _ in range(PER_USER_MAX)]
    mine = await post(bob, document(1))
    assert (mine.status, mine.json()["code"]) == (429, "rate_limited")
    assert int(mine.headers["retry-after"]) >= 1
    crowd = [stack.caller() for _ in range(2 * DEPTH_MAX)]
    posted = [(caller, await post(caller, document(1))) for caller in crowd]
    refused = [answer for _, answer in posted if answer.status == 503]
    assert refused
    assert {answer.json()["code"] for answer in refused} == {"overloaded"}
    assert all(1 <= int(answer.headers["retry-after"]) <= 600 for answer in refused)
    await stack.sim.latency("anthropic")
    for job_id in ids:
        await job(bob, job_id, has_ended)
    for caller, answer in posted:
        if answer.status == 202:
            assert (await job(caller, answer.json()["job_id"], has_ended))["status"] == "completed"
    assert (await post(bob, document(1))).status == 202


async def test_the_end_of_a_job_is_told_to_its_webhook_once(stack: Stack) -> None:
    alice = stack.caller()
    job_id = await accepted(alice, document(2), webhook_url=stack.sim.receiver)
    done = await job(alice, job_id, lambda seen: (seen["webhook"] or {}).get("state") == "delivered")
    (told,) = [row for row in await stack.sim.webhooks() if row["subject_id"] == job_id]
    assert (told["event"], told["verified"], told["duplicate"]) == ("job.completed", True, False)
    assert told["message_id"] == done["webhook"]["message_id"]


async def test_a_question_that_nobody_can_answer_now_is_answered_later(stack: Stack) -> None:
    alice = stack.caller()
    first = (await alice.chat("My cat is called Minka.")).json()
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "status", status=503)
    question = {"text": "What is my cat called?", "later": True, "webhook_url": stack.sim.receiver}
    answer = await alice.request("POST", "/chat", {**question, "thread_id": first["thread_id"]})
    assert answer.status == 202, answer.body
    told = answer.json()
    assert told["source"] == "later"
    assert answer.headers["location"] == f"/jobs/{told['job_id']}"
    assert told["degraded"]
    streamed = await alice.request("POST", "/chat/stream", {"text": "And what is a breaker?", "later": True})
    assert (streamed.status, streamed.json()["source"]) == (202, "later")
    plain = await alice.chat("Without later?")
    assert (plain.status, plain.json()["source"]) == (503, "message")
    await stack.reset()
    done = await job(alice, told["job_id"], lambda seen: (seen["webhook"] or {}).get("state") == "delivered")
    assert (done["kind"], done["status"]) == ("later", "completed")
    assert "Minka" in done["result"]["answer"]
    assert (done["result"]["thread_id"], done["result"]["appended"]) == (first["thread_id"], True)
    thread = (await alice.request("GET", f"/threads/{first['thread_id']}")).json()
    assert [row["content"] for row in thread["messages"]][2:] == [question["text"], done["result"]["answer"]]
    (message,) = [row for row in await stack.sim.webhooks() if row["subject_id"] == told["job_id"]]
    assert message["event"] == "answer.ready"
    begun = await job(alice, streamed.json()["job_id"], has_ended)
    assert begun["result"]["appended"] is True
    assert (await alice.request("GET", f"/threads/{begun['result']['thread_id']}")).status == 200


async def test_a_thread_that_moved_on_gets_no_late_answer(stack: Stack) -> None:
    alice = stack.caller()
    thread_id = (await alice.chat("My dog is called Rex.")).json()["thread_id"]
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "status", status=503)
    late = (await alice.request("POST", "/chat", {"text": "Late?", "later": True, "thread_id": thread_id})).json()
    assert late["source"] == "later"
    worker = the_worker(stack)
    worker.stop()
    await stack.reset()
    assert (await alice.chat("I am back already.", thread_id=thread_id)).status == 200
    worker.go_on()
    done = await job(alice, late["job_id"], has_ended)
    assert (done["status"], done["result"]["appended"]) == ("completed", False)
    thread = (await alice.request("GET", f"/threads/{thread_id}")).json()
    assert [row["content"] for row in thread["messages"]][2] == "I am back already."
    assert len(thread["messages"]) == 4


async def test_later_is_refused_where_it_means_nothing(stack: Stack) -> None:
    alice = stack.caller()
    answer = await alice.request("POST", "/chat", {"text": "x", "webhook_url": stack.sim.receiver})
    assert answer.status == 422
    refused = await alice.request("POST", "/chat", {"text": "x", "later": True, "webhook_url": "http://[::1"})
    assert refused.status == 400
    healthy = await alice.request("POST", "/chat", {"text": "What do breakers do?", "later": True})
    assert (healthy.status, healthy.json()["source"]) == (200, "live")


async def test_steps_are_booked_as_work_with_a_trace_that_links_to_the_request(stack: Stack) -> None:
    alice = stack.caller()
    began_s = time.time()
    answer = await post(alice, document(2), webhook_url=None)
    job_id = answer.json()["job_id"]
    await job(alice, job_id, has_ended)
    trace_id, span_id = answer.headers["traceparent"].split("-")[1:3]
    (told,) = await stack.told(f"select body from log_records where event = 'gauntlet.job' and body like '%{job_id}%'")
    assert trace_id in told["body"]
    rows = await stack.told(
        f"select * from requests where method = 'WORK' and t > {began_s} and tenant = '{alice.key.split('-')[1]}'",
        rows=3,
    )
    assert {row["endpoint"] for row in rows} == {"/jobs"}
    assert {uuid.UUID(row["request_id"]).version for row in rows} == {8}
    assert len({row["trace_id"] for row in rows}) == 3
    spans = await stack.told(
        f"select * from spans where kind = 'consumer' and links::varchar like '%{trace_id}%{span_id}%'", rows=1
    )
    assert {span["name"] for span in spans} == {"WORK /jobs"}
