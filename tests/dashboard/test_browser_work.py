"""In a real browser: a refund is approved and made once, a long document is analysed, nothing leaves the machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.collector import Collector
from tests.dashboard.browser import SLOW_MACHINE_MS, browser_page, dashboard_of, needs_browser
from tests.dashboard.test_browser import ask, note_elsewhere
from tests.stack import Stack

pytestmark = [needs_browser, pytest.mark.timeout(300)]

ABOVE_CENTS = 12_900


def test_a_refund_waits_is_approved_and_made_once_and_a_document_is_analysed(
    start_stack: Callable[..., Stack], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    collector = Collector.start(tmp_path / "collector")
    request.addfinalizer(collector.end)
    checkpoints = {"GAUNTLET_AGENT__CHECKPOINTS": f"sqlite:{tmp_path}/checkpoints.sqlite"}
    stack = start_stack(worker=1, collector=collector, env=checkpoints)
    elsewhere: list[str] = []
    expect.set_options(timeout=SLOW_MACHINE_MS)
    with dashboard_of(stack, tmp_path / "runs") as url, browser_page() as page:
        page.on("request", lambda request: note_elsewhere(request.url, elsewhere))
        page.goto(f"{url}/work")
        expect(page.get_by_text("Nothing waits for a person")).to_be_visible()
        page.get_by_role("button", name="Refund above the limit").click()
        approve = page.get_by_role("button", name="Approve")
        expect(approve).to_have_count(1)
        control = f"http://127.0.0.1:{stack.simulator_ports['control']}"
        assert ask(f"{control}/sim/ledger")["charges"] == []
        approve.dblclick()
        expect(page.locator(".g-work").get_by_text("approved by ops/admin; refunded")).to_be_visible()
        expect(page.get_by_text("Nothing waits for a person")).to_be_visible()
        expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
        assert [charge["amount"] for charge in ask(f"{control}/sim/ledger")["charges"]] == [ABOVE_CENTS]

        page.get_by_role("button", name="Start an analysis").click()
        row = page.locator(".g-work tr", has_text="analysis").first
        expect(row).to_contain_text("steps done")
        expect(row).to_contain_text("completed")
        expect(page.locator(".st-key-work_steps svg.marks").first).to_be_visible()

        with page.context.expect_page() as opened:
            row.get_by_role("link").click()
        trace = opened.value
        trace.on("request", lambda request: note_elsewhere(request.url, elsewhere))
        expect(trace.get_by_text("Done for it after the answer").first).to_be_visible()
        trace.get_by_role("link", name=re.compile(r"^map \d+$")).first.click()
        expect(trace.get_by_text("done for the request of the trace").first).to_be_visible()
        expect(page.get_by_text("This page failed")).to_have_count(0)
    assert elsewhere == []
