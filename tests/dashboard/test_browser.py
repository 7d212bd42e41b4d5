"""In a real browser: break a provider from the page and watch the service survive, then find one request's story."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard.look.palette import BLUE, SKY
from tests.collector import Collector
from tests.dashboard.browser import SLOW_MACHINE_MS, browser_page, dashboard_of, needs_browser
from tests.stack import Stack

COOLDOWN_S = 4
TOML = f"[breaker]\ncooldown_s = {COOLDOWN_S}\n"
ANSWERS = ".st-key-live_answers svg.marks"
AREA = ANSWERS + " .mark-area path[fill='{}' i]"
PAGES = {
    "Live": "Where answers came from",
    "Request": "Request or trace id",
    "Gauntlet": "Ask many at once",
    "Work": "Refund above the limit",
    "Cost": "Spent, by purpose",
    "Experiments": "Name of the run",
    "Checklist": "This is live evidence, not an audit",
}
"""Page -> what stands on it when it is drawn."""

pytestmark = [needs_browser, pytest.mark.timeout(300)]


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - our own
        return json.loads(response.read())


def calls_to(stack: Stack, target: str) -> int:
    ledger = ask(f"http://127.0.0.1:{stack.simulator_ports['control']}/sim/ledger")
    return sum(call["target"] == target for call in ledger["calls"])


def circuit(page: Page, provider: str) -> Any:
    return page.locator(".g-circuit", has_text=provider)


def test_an_outage_from_its_click_to_the_recovery_and_one_requests_story(
    start_stack: Callable[..., Stack], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    collector = Collector.start(tmp_path / "collector")  # nothing has happened in it yet
    request.addfinalizer(collector.end)
    stack = start_stack(toml=TOML, collector=collector)
    elsewhere: list[str] = []
    expect.set_options(timeout=SLOW_MACHINE_MS)
    with dashboard_of(stack, tmp_path / "runs") as url, browser_page() as page:
        page.on("request", lambda request: note_elsewhere(request.url, elsewhere))
        page.goto(url)
        expect(page.get_by_text("Nothing has happened yet")).to_be_visible()
        page.get_by_role("button", name="Start a warm-up load").click()
        expect(page.locator(AREA.format(BLUE)).first).to_be_visible()
        expect(circuit(page, "anthropic")).to_contain_text("closed")
        drawn = page.locator(ANSWERS).element_handle()

        page.get_by_role("button", name="Outage", exact=True).click()
        band = page.locator("svg.marks text", has_text="anthropic: status 503 (goes on)")
        expect(band.first).to_be_visible()
        expect(circuit(page, "anthropic")).to_contain_text("open")
        expect(circuit(page, "anthropic")).to_contain_text(re.compile(r"probe"))
        expect(page.locator(AREA.format(SKY)).first).to_be_visible()
        assert calls_to(stack, "openai") > 0

        page.get_by_role("button", name="Stop all faults").click()
        expect(
            page.locator("svg.marks text", has_text=re.compile(r"anthropic: status 503 \(\d+ s\)")).first
        ).to_be_visible()
        expect(circuit(page, "anthropic")).to_contain_text("closed")
        before = calls_to(stack, "anthropic")
        expect(page.locator(AREA.format(BLUE)).first).to_be_visible()
        assert drawn.evaluate("element => element.isConnected"), "the chart was made anew: it flickers"

        page.locator("label", has_text=re.compile(r"^cache")).click()
        expect(page.locator("svg.marks text", has_text="− cache").first).to_be_visible()
        assert calls_to(stack, "anthropic") > before

        find_a_degraded_request(page, stack)
        for name, words in PAGES.items():
            page.get_by_role("link", name=name, exact=True).first.click()
            expect(page.get_by_text(words).first).to_be_visible()
            expect(page.get_by_text("This page failed")).to_have_count(0)
    assert elsewhere == []


def note_elsewhere(url: str, elsewhere: list[str]) -> None:
    if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", url):
        elsewhere.append(url)


def find_a_degraded_request(page: Page, stack: Stack) -> None:
    assert stack.collector is not None
    query = "select request_id from requests where source = 'provider' and len(degraded) > 0 order by time limit 1"
    (row,) = stack.collector.sql(query)
    page.get_by_role("link", name="Request", exact=True).first.click()
    page.get_by_role("textbox", name="Request or trace id").fill(row["request_id"])
    page.keyboard.press("Enter")
    expect(page.get_by_text("failover").or_(page.get_by_text(re.compile("tries rung"))).first).to_be_visible()
    expect(page.locator("svg.marks").first).to_be_visible()
