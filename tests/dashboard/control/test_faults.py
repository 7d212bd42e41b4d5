"""Faults at a click: what each button sends, and what the simulator then does; who may, and who is away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.control.faults import CHATS, PAYMENTS, Button, fault_of
from dashboard.feed.feed import feed_of
from tests.stack import Stack

App = Callable[..., AppTest]
SIDEBAR = "import streamlit as st\nfrom dashboard.control import sidebar\nwith st.sidebar:\n    sidebar.show()"
GIVEN = {
    "status": 500,
    "retry_after": 7,
    "delay_ms": 100.0,
    "per_token_ms": 20.0,
    "fraction": 0.25,
    "stream_error": "overloaded",
    "bad_body": "html",
}


def sidebar(app: App, stack: Stack, **more: Any) -> AppTest:
    return app("", script=SIDEBAR, service=stack.url, simulator=url_of(stack), **more)


def url_of(stack: Stack) -> str:
    return f"http://127.0.0.1:{stack.simulator_ports['control']}"


def click(page: AppTest, label: str) -> None:
    (button,) = [one for one in page.button if one.label == label]
    button.click().run()
    assert not page.exception


@pytest.mark.parametrize(
    ("target", "button"),
    [("anthropic", button) for button in CHATS] + [("payments", button) for button in PAYMENTS],
    ids=lambda given: given.words if isinstance(given, Button) else str(given),
)
async def test_the_simulator_takes_what_each_button_sends(stack: Stack, target: str, button: Button) -> None:
    fault = fault_of(button, target, 0.5, 30.0, GIVEN)
    answer = await stack.request("POST", f"{stack.sim.url}/sim/faults", fault)
    await stack.sim.heal()
    assert answer.status == 200, answer.body
    assert answer.json()["state"] == "active"
    assert answer.json()["share"] == (1.0 if button.name == "refused" else 0.5)


def test_a_button_sends_only_what_its_fault_takes() -> None:
    outage, limit = CHATS[0], CHATS[1]
    assert fault_of(outage, "openai", 1.0, None, GIVEN) == {
        "target": "openai",
        "fault": "status",
        "params": {"status": 500},
    }
    assert fault_of(limit, "openai", 0.2, 5.0, GIVEN) == {
        "target": "openai",
        "fault": "status",
        "params": {"retry_after": 7, "status": 429},
        "for_s": 5.0,
        "share": 0.2,
    }


async def test_a_click_breaks_the_chosen_provider_as_the_form_says_and_another_ends_it(app: App, stack: Stack) -> None:
    page = sidebar(app, stack).run()
    assert not page.exception
    page.button_group(key="fault_target").set_value("openai").run()
    page.number_input(key="fault_share").set_value(40)
    page.selectbox(key="fault_duration").set_value("5 min")
    page.number_input(key="param_status").set_value(529)
    click(page, "Outage")
    (active,) = (await stack.request("GET", f"{stack.sim.url}/sim/state")).json()["active"]
    assert (active["target"], active["fault"], active["share"], active["for_s"]) == ("openai", "status", 0.4, 300)
    assert active["params"] == {"status": 529}
    feed_of.cache_clear()
    page.run()
    assert any("openai: status 529, 40 %" in element.value for element in page.markdown)
    click(page, "Stop all faults")
    assert (await stack.request("GET", f"{stack.sim.url}/sim/state")).json()["active"] == []


def switch(page: AppTest, name: str) -> Any:
    (found,) = [toggle for toggle in page.toggle if toggle.label == name]
    return found


async def test_a_stage_is_switched_for_the_fleet_and_the_switch_shows_what_is(app: App, stack: Stack) -> None:
    page = sidebar(app, stack).run()
    assert switch(page, "retry").value is True
    switch(page, "retry").set_value(False).run()
    assert not page.exception
    assert (await stack.admin.request("GET", "/admin/stages")).json()["stages"]["retry"] is False
    await stack.switch(retry=True)
    page.run()
    assert switch(page, "retry").value is True


async def test_a_switch_is_made_anew_only_when_somebody_else_moved_it_so_that_no_click_on_its_way_is_lost(
    app: App, stack: Stack
) -> None:
    page = sidebar(app, stack).run()
    key = switch(page, "retry").key
    switch(page, "retry").set_value(False).run()
    page.run()
    assert (switch(page, "retry").key, switch(page, "retry").value) == (key, False)
    await stack.switch(retry=True)
    page.run()
    assert switch(page, "retry").key != key


async def test_a_switch_has_its_value_as_its_default_which_no_browser_can_miss(app: App, stack: Stack) -> None:
    page = sidebar(app, stack).run()
    for toggle in page.toggle:
        assert toggle.proto.default is True
        assert not toggle.proto.set_value, (
            "told once by the session's state, it is lost when two runs come close together"
        )


async def test_a_switch_that_the_service_refuses_goes_back_and_says_so_for_longer_than_a_refresh(
    app: App, start_stack: Callable[..., Stack]
) -> None:
    async with start_stack() as stack:
        page = sidebar(app, stack).run()
        stack.valkey.stop()
        switch(page, "retry").set_value(False).run()
        stack.valkey.go_on()
        for _ in range(2):
            assert "Redis" in " ".join(error.value for error in (*page.error, *page.warning))
            assert switch(page, "retry").value is True
            page.run()
        await stack.switch(retry=False)
        page.run()
        switch(page, "retry").set_value(True).run()
        assert not [*page.error, *page.warning]


async def test_all_circuits_are_closed_by_a_click(app: App, stack: Stack) -> None:
    await stack.sim.fault("anthropic", "status", status=503)
    for _ in range(6):
        await stack.caller().chat()
    await stack.sim.heal()
    page = sidebar(app, stack).run()
    click(page, "Close all circuits")
    rows = (await stack.admin.request("GET", "/admin/breakers")).json()["breakers"]
    assert {row["state"] for row in rows} == {"closed"}


def test_with_nobody_there_it_says_what_cannot_be_done(app: App) -> None:
    page = app("", script=SIDEBAR).run()
    assert not page.exception
    said = " ".join(caption.value for caption in page.caption)
    assert "simulator is away" in said
    assert "service is away" in said
    click(page, "Outage")
    assert "simulator is away" in " ".join(warning.value for warning in page.warning)


async def test_outside_the_workbench_the_admin_key_opens_the_controls(app: App, stack: Stack) -> None:
    page = sidebar(app, stack, profile="bench").run()
    assert not page.toggle
    assert not [button for button in page.button if button.label == "Outage"]
    page.text_input(key="admin_key_given").set_value("demo-alice")
    click(page, "Unlock the controls")
    assert "does not take it" in page.error[0].value
    page.text_input(key="admin_key_given").set_value("demo-admin")
    click(page, "Unlock the controls")
    page.run()
    assert switch(page, "cache").value is True
    assert [button for button in page.button if button.label == "Outage"]
