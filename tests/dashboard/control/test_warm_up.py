"""The warm-up client against a real service, and its buttons."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.control.client import MOST_IN_FLIGHT, Load
from dashboard.control.warm_up import SpendGuard, WarmUp, told, warm_up
from tests.root import ROOT
from tests.stack import Stack
from tests.waiting import eventually, wait_for

BUTTON = "from dashboard.control import warm_up\nwarm_up.show_button('try')"
SECTION = "from dashboard.control import load\nload.show()"


@pytest.fixture
def client() -> Iterator[WarmUp]:
    """The process's own; ended with the test."""
    warm_up.cache_clear()
    client = warm_up()
    yield client
    client.end()
    load = client.load
    if load is not None:
        wait_for(lambda: load.ended is not None, "the load to end")
    warm_up.cache_clear()


def load_of(client: WarmUp) -> Load:
    assert client.load is not None
    return client.load


def said(at: AppTest) -> str:
    assert not at.exception
    return "\n".join(element.value for element in (*at.markdown, *at.caption))


async def test_it_sends_and_the_cache_answers_a_part(stack: Stack, app: Callable[..., AppTest], client: WarmUp) -> None:
    app("live", service=stack.url)
    client.set_rate(50)
    client.start()
    load = load_of(client)

    async def enough() -> bool:
        return load.counts.answered >= 100

    await eventually(enough, "a hundred answers", within_s=60)
    client.stop()

    async def ended() -> bool:
        return load.ended is not None

    await eventually(ended, "the load to end")
    counts = load.counts
    assert counts.in_flight == 0
    assert counts.sent == counts.answered + counts.refused + counts.failed + counts.left
    assert counts.failed == counts.left == 0
    calls = await stack.sim.calls()
    assert 0 < len(calls) < counts.answered


async def test_stopped_it_sends_no_more_and_can_be_started_again(
    stack: Stack, app: Callable[..., AppTest], client: WarmUp
) -> None:
    app("live", service=stack.url)
    client.start()
    first = load_of(client)

    async def sent() -> bool:
        return first.counts.sent > 0

    async def ended() -> bool:
        return first.ended is not None

    await eventually(sent, "the first chat")
    client.stop()
    assert not client.runs
    await eventually(ended, "the load to end")
    assert first.ended == "stopped"
    client.start()
    assert client.runs
    assert load_of(client) is not first


async def test_started_twice_it_is_one(stack: Stack, app: Callable[..., AppTest], client: WarmUp) -> None:
    app("live", service=stack.url)
    client.start()
    load = load_of(client)
    client.start()
    assert load_of(client) is load


async def test_a_button_starts_it_and_then_says_that_it_runs(
    stack: Stack, app: Callable[..., AppTest], client: WarmUp
) -> None:
    at = app("live", service=stack.url, script=BUTTON)
    await asyncio.to_thread(at.run)
    client.set_rate(50)
    await asyncio.to_thread(at.button("try").click().run)
    assert client.runs
    assert load_of(client).rate_per_s == 5
    assert not at.button
    assert "runs" in said(at)


async def test_the_sidebar_starts_stops_and_tells(stack: Stack, app: Callable[..., AppTest], client: WarmUp) -> None:
    at = app("live", service=stack.url, script=SECTION)
    await asyncio.to_thread(at.run)
    await asyncio.to_thread(at.slider[0].set_value(20).run)
    assert client.rate_per_s == 20
    await asyncio.to_thread(at.button("warm_up_start").click().run)
    load = load_of(client)

    async def answered() -> bool:
        return load.counts.answered > 0

    await eventually(answered, "an answer")
    await asyncio.to_thread(at.run)
    assert "in flight" in said(at)
    assert "ends by itself" in said(at)
    await asyncio.to_thread(at.button("warm_up_stop").click().run)
    assert not client.runs
    assert [button.label for button in at.button] == ["Start"]


def test_another_session_moves_the_slider_of_this_one(app: Callable[..., AppTest], client: WarmUp) -> None:
    at = app("live", script=SECTION).run()
    client.set_rate(33)
    assert at.run().slider[0].value == 33


def test_a_slider_that_was_not_drawn_for_a_while_stands_where_it_was_left(
    app: Callable[..., AppTest], client: WarmUp
) -> None:
    script = (
        "import streamlit as st\nif not st.checkbox('hide'):\n    from dashboard.control import load\n    load.show()"
    )
    at = app("live", script=script).run()
    at.slider[0].set_value(20).run()
    at.checkbox[0].check().run()
    assert not at.slider
    assert at.checkbox[0].uncheck().run().slider[0].value == client.rate_per_s == 20


def test_a_service_that_is_away_is_said_and_tried_on(app: Callable[..., AppTest], client: WarmUp) -> None:
    at = app("live", script=SECTION)
    client.start()
    load = load_of(client)
    wait_for(lambda: load.counts.failed > 0 and load.counts.not_sent > 0, "the load to find nobody")
    assert "The service is away" in said(at.run())
    assert client.runs
    client.stop()
    wait_for(lambda: load.ended is not None, "the load to end")
    assert "nobody answers there" in told(load)


def test_in_the_live_profile_it_does_not_start_and_says_why(app: Callable[..., AppTest], client: WarmUp) -> None:
    for script in (BUTTON, SECTION):
        at = app("live", profile="live", script=script).run()
        assert not at.button
        assert "--max-usd" in said(at)
    with pytest.raises(SpendGuard, match="real money"):
        client.start()
    assert client.load is None


def test_in_the_bench_profile_it_needs_the_admin_key(app: Callable[..., AppTest], client: WarmUp) -> None:
    for script in (BUTTON, SECTION):
        at = app("live", profile="bench", script=script).run()
        assert [button.disabled for button in at.button] == [True]
        assert "admin key" in said(at)


def test_a_process_does_not_wait_for_it() -> None:
    """A service that takes connections and never answers, a load under way, and the end of the main thread."""
    script = """
import socket, os
from dashboard.control.warm_up import warm_up
with socket.create_server(("127.0.0.1", 0)) as hanging:
    os.environ["GAUNTLET_SERVICE_URL"] = "http://127.0.0.1:%d" % hanging.getsockname()[1]
    warm_up().start()
    hanging.accept()[0].recv(1)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_what_it_tells_is_short(client: WarmUp) -> None:
    load = Load("http://127.0.0.1:9", 5, seed=1)
    load.counts.sent, load.counts.failed = 1234, MOST_IN_FLIGHT
    load.reasons = {f"status {status}": status for status in range(500, 510)}
    lines = told(load).splitlines()
    assert "1,234 sent" in lines[1]
    assert len(lines) == 7
