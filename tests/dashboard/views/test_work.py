"""The Work page against a real service with a worker process: what is begun, decided, told and sent again."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import settings
from dashboard.backends.all import backends_of
from dashboard.control import who
from dashboard.feed import work as work_feed
from dashboard.views import approvals, work_begin
from tests.collector import Collector
from tests.dashboard.conftest import NOWHERE
from tests.settings import QUICK
from tests.stack import Stack
from tests.waiting import eventually

from .work_page import ABOVE, ANALYSE, BELOW, WITHIN_S, App, run, shown, until

ONE_TRY = "\n[webhooks]\ntries = 1\n"


@pytest.fixture(scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("work")
    collector = Collector.start(folder / "collector")
    checkpoints = {"GAUNTLET_AGENT__CHECKPOINTS": f"sqlite:{folder}/checkpoints.sqlite"}
    stack = Stack.start(folder, toml=QUICK + ONE_TRY, env=checkpoints, worker=1, collector=collector)
    yield stack
    stack.end()
    collector.end()


@pytest.fixture
async def stack(_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    monkeypatch.setenv(settings.RECEIVER_URL, hook(_stack))
    async with _stack:
        await _stack.reset()
        yield _stack


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller of its own for each test, and lists as fresh as can be."""
    monkeypatch.setattr(who, "DEMO_ASKER", f"demo-t{uuid.uuid4().hex[:12]}-alice")
    monkeypatch.setattr(work_feed, "LISTS_S", 0.0)
    monkeypatch.setattr(work_feed, "FRESH_S", 0.0)


def page_of(app: App, stack: Stack, **more: Any) -> AppTest:
    assert stack.collector is not None
    urls = {"collector": stack.collector.url, "service": stack.url, "simulator": stack.sim.url}
    return app("work", **{**urls, **more})


async def press(at: AppTest, label: str, place: int = 0) -> AppTest:
    [button for button in at.button if button.label == label][place].click()
    return await run(at)


def keys(at: AppTest, prefix: str) -> list[str]:
    return [str(button.key) for button in at.button if str(button.key).startswith(prefix)]


def hook(stack: Stack) -> str:
    return f"http://127.0.0.1:{stack.simulator_ports['webhooks']}/webhooks"


async def begin_run(stack: Stack, reason: str = "it broke") -> str:
    user = f"u{uuid.uuid4().hex[:8]}"
    asker = stack.caller(f"t{uuid.uuid4().hex[:8]}", user)
    body = {"text": f"Please refund order {user}-1003 because {reason}"}
    answer = await asker.request("POST", "/agent", body, headers={"Idempotency-Key": uuid.uuid4().hex})
    assert answer.status == 202, answer.body
    return str(answer.json()["run_id"])


async def until_listed(at: AppTest, run_id: str) -> None:
    async def there() -> bool:
        return f"approve_{run_id}" in keys(await run(at), "approve_")

    await eventually(there, f"{run_id} among the approvals", within_s=WITHIN_S)


async def status_of(stack: Stack, run_id: str) -> dict[str, Any]:
    told: dict[str, Any] = (await stack.admin.request("GET", f"/agent/{run_id}")).json()
    return told


async def test_a_refund_above_the_limit_is_begun_approved_and_made_with_one_charge(app: App, stack: Stack) -> None:
    at = await press(await run(page_of(app, stack)), ABOVE)

    async def waits() -> bool:
        await run(at)
        return any(f"approve_{one.id}" in keys(at, "approve_") for one in at.session_state["work_begun"])

    await eventually(waits, "the run among the approvals", within_s=WITHIN_S)
    (begun,) = at.session_state["work_begun"]
    at.button(key=f"approve_{begun.id}").click()
    await run(at)
    assert "Approved" in shown(at)
    await until(at, "approved by ops/admin; refunded")
    assert "The refund of 129.00 USD" in shown(at) or "129.00" in shown(at)
    assert [charge["amount"] for charge in await stack.sim.charges()] == [12_900]
    assert f"approve_{begun.id}" not in keys(at, "approve_")


async def test_a_click_that_streamlit_tells_twice_begins_one_run(
    app: App, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = work_begin._once

    def told_twice(*given: Any) -> None:
        once(*given)
        once(*given)

    monkeypatch.setattr(work_begin, "_once", told_twice)
    at = await press(await run(page_of(app, stack)), ABOVE)
    assert len(at.session_state["work_begun"]) == 1
    await press(at, ABOVE)
    assert len(at.session_state["work_begun"]) == 2


async def test_below_the_limit_nobody_is_asked(app: App, stack: Stack) -> None:
    at = await press(await run(page_of(app, stack)), BELOW)
    await until(at, "paid → told; 49.99 USD")
    assert [charge["amount"] for charge in await stack.sim.charges()] == [4_999]
    (begun,) = at.session_state["work_begun"]
    assert f"approve_{begun.id}" not in keys(at, "approve_")


async def test_a_double_click_is_one_decision_and_no_error(
    app: App, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await begin_run(stack)
    at = page_of(app, stack)
    await until_listed(at, run_id)
    twice = approvals._decide

    def double(run_id: str, decision: str) -> None:
        twice(run_id, decision)
        twice(run_id, decision)

    monkeypatch.setattr(approvals, "_decide", double)
    await run(at)
    at.button(key=f"approve_{run_id}").click()
    await run(at)
    assert not at.error
    assert "Approved: the refund is under way." in shown(at)

    async def made() -> bool:
        return bool((await status_of(stack, run_id))["status"] == "completed")

    await eventually(made, "the refund", within_s=WITHIN_S)
    assert len(await stack.sim.charges()) == 1


async def test_who_is_too_late_is_told_who_was_quicker_and_that_is_no_error(app: App, stack: Stack) -> None:
    run_id = await begin_run(stack)
    at = page_of(app, stack)
    await until_listed(at, run_id)
    body, once = {"decision": "reject"}, {"Idempotency-Key": uuid.uuid4().hex}
    other = await stack.admin.request("POST", f"/agent/{run_id}/resume", body, headers=once)
    assert other.status == 202, other.body
    at.button(key=f"approve_{run_id}").click()
    await run(at)
    assert not at.error
    assert "Somebody was quicker: it was rejected by ops/admin" in shown(at)
    assert await stack.sim.charges() == []


async def test_what_a_customer_says_is_text_and_no_markup(app: App, stack: Stack) -> None:
    run_id = await begin_run(stack, 'of <img src=x onerror="alert(1)"> and ![p](http://evil.example/p.png) :red[x]')
    at = page_of(app, stack)
    await until_listed(at, run_id)
    said = shown(at)
    assert "&lt;img src=x onerror=" in said
    assert "<img" not in said
    assert all("evil.example" not in element.value for element in at.markdown)


async def test_a_document_is_analysed_with_its_progress_and_its_webhook(app: App, stack: Stack) -> None:
    at = await press(await run(page_of(app, stack)), ANALYSE)
    await until(at, "of a sample document")
    await until(at, "steps done; waited")
    (begun,) = at.session_state["work_begun"]

    async def ended() -> bool:
        await run(at)
        return bool(begun.ended)

    await eventually(ended, "the end of the analysis", within_s=WITHIN_S)
    await run(at)
    done = begun.row["progress"]
    assert done["done"] == done["total"] > 20
    assert begun.row["result"]["summary"] in shown(at).replace("&#x27;", "'")
    assert f"request?request={begun.row['trace_id']}" in shown(at)


async def test_dead_letters_are_listed_and_sent_off_again(app: App, stack: Stack) -> None:
    await stack.sim.fault("webhooks", "status", status=500)
    asker = stack.caller()
    body = {"text": "A short document. It has two sentences.", "webhook_url": hook(stack)}
    answer = await asker.request("POST", "/jobs", body, headers={"Idempotency-Key": uuid.uuid4().hex})
    assert answer.status == 202, answer.body
    at = page_of(app, stack)
    await until(at, "1 try in vain; status 500")
    assert answer.json()["job_id"] in shown(at)
    await stack.sim.heal()
    dead = (await stack.admin.request("GET", "/admin/webhooks?state=dead")).json()["webhooks"]
    (message_id,) = [message["id"] for message in dead if message["subject_id"] == answer.json()["job_id"]]
    at.button(key=f"redrive_{message_id}").click()
    await run(at)

    async def delivered() -> bool:
        found = await stack.admin.request("GET", f"/admin/webhooks/{message_id}")
        await run(at)
        return bool(found.json()["state"] == "delivered") and f"redrive_{message_id}" not in keys(at, "redrive_")

    await eventually(delivered, "its delivery, and that it is listed no more", within_s=WITHIN_S)


async def test_charts_tiles_and_stories_of_what_happened(app: App, stack: Stack) -> None:
    await begin_run(stack)
    at = page_of(app, stack)
    await until(at, "has waited for an approval")

    async def drawn() -> bool:
        await run(at)
        return len(at.get("vega_lite_chart")) == 9 and '<div class="value">1 <small>' in shown(at)

    await eventually(drawn, "nine charts and a worker that is alive", within_s=WITHIN_S)
    assert "Chapter, section 3" in shown(at)
    assert not at.warning


async def test_in_other_profiles_it_asks_for_the_admin_key(app: App, stack: Stack) -> None:
    await begin_run(stack)
    at = await run(page_of(app, stack, profile="bench"))
    assert "show the admin key in the sidebar first" in shown(at)
    assert not keys(at, "approve_")
    at.session_state["admin_key"] = "demo-admin"
    await until(at, "has waited for an approval")
    assert keys(at, "approve_")


async def test_a_service_without_a_queue_says_so(app: App, start_stack: Callable[..., Stack]) -> None:
    async with start_stack() as stack:
        at = page_of(app, stack)
        await until(at, "This service has no queue")


async def test_without_the_collector_the_service_tells_what_it_has(app: App, stack: Stack) -> None:
    run_id = await begin_run(stack)
    at = page_of(app, stack, collector=NOWHERE)
    await until_listed(at, run_id)
    assert "collector is away" in shown(at)
    assert f"approve_{run_id}" in keys(at, "approve_")
    assert not at.get("vega_lite_chart")


async def test_a_click_that_the_service_refuses_or_does_not_hear_says_so(
    app: App, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await begin_run(stack)
    at = page_of(app, stack)
    await until_listed(at, run_id)
    monkeypatch.setattr(approvals, "backends", gone)
    at.button(key=f"approve_{run_id}").click()
    await run(at)
    assert "service is away" in shown(at)
    assert (await status_of(stack, run_id))["status"] == "waiting"


def gone() -> Any:
    """Backends whose service is away."""
    return backends_of(settings.Settings(service=NOWHERE))
