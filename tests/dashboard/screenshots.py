"""`make screenshots`: every page of the dashboard over an incident, as pictures in docs/screenshots.

    python -m tests.dashboard.screenshots [FOLDER]

A stack of its own is started; warm-up load runs through an outage, and each page is taken when it shows what it is for.
Whoever changes a page looks at them. The README shows some, so they are kept small.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.collector import Collector
from tests.dashboard.browser import (
    SLOW_MACHINE_MS,
    WIDTH_PX,
    browser_page,
    dashboard_of,
    needs_browser,
    program,
)
from tests.root import ROOT
from tests.settings import AT_ONCE
from tests.stack import Stack

FOLDER = ROOT / "docs" / "screenshots"
TOML = "[breaker]\ncooldown_s = 12\n[jobs]\npart_tokens = 1000\n"
QUALITY = ROOT / "loadtests" / "recorded" / "retrieval.json"
TELLS_ALL = {**AT_ONCE, "GAUNTLET_TELEMETRY__ORDINARY_PER_S": "1000"}
QUESTION = "What does a circuit breaker protect when a provider is out?"
TALL_PX, STAGES_PX = 1300, 920
MOST_ASKED, INDEXED_S = 12, 4.0
"""A question is asked again so often at most, with this pause, until its search finds all it can."""
SETTLES_MS = 2500
"""The last refresh before a picture is taken."""


def main(words: list[str]) -> int:
    """0 when all pages were taken, 1 when there is no browser."""
    if program() is None:
        print(needs_browser.kwargs["reason"], file=sys.stderr)
        return 1
    folder = Path(words[0]) if words else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        shipped = home / "shipped"
        shipped.mkdir()
        shutil.copy(QUALITY, shipped)
        collector = Collector.start(home / "collector")
        try:
            own = {**TELLS_ALL, "GAUNTLET_AGENT__CHECKPOINTS": f"sqlite:{home}/checkpoints.sqlite"}
            stack = Stack.start(home / "stack", toml=TOML, collector=collector, env=own, worker=1)
            try:
                with dashboard_of(stack, home / "runs") as url:
                    take_all(url, folder)
            finally:
                stack.end()
        finally:
            collector.end()
    return 0


def take_all(url: str, folder: Path) -> None:
    """The story: empty, load, an outage and its end; then each page, the Live page in the dark too."""
    expect.set_options(timeout=SLOW_MACHINE_MS)
    with browser_page() as page:
        page.goto(url)
        expect(page.get_by_text("Nothing has happened yet")).to_be_visible()
        take(page, folder / "empty.webp")
        page.get_by_role("button", name="Start a warm-up load").click()
        expect(page.locator(".st-key-live_answers svg.marks")).to_be_visible()
        wait_s(page, 20)
        page.get_by_role("button", name="Outage", exact=True).click()
        expect(page.locator(".g-circuit", has_text="anthropic")).to_contain_text("open")
        wait_s(page, 8)
        take(page, folder / "live.webp")
        page.get_by_role("button", name="Stop all faults").click()
        expect(page.locator(".g-circuit", has_text="anthropic")).to_contain_text("closed")
        wait_s(page, 8)
        for name, prepare in PAGES.items():
            page.get_by_role("link", name=name, exact=True).first.click()
            prepare(page)
            take(page, folder / f"{name.lower()}.webp")
            if name == "Experiments":
                show_quality(page)
                take(page, folder / "retrieval.webp")
    with browser_page(dark=True, height=TALL_PX) as page:
        page.goto(url)
        expect(page.locator(".st-key-live_cost svg.marks")).to_be_visible()
        take(page, folder / "live-dark.webp")


def wait_s(page: Page, seconds: float) -> None:
    """Let the incident go on: a picture of nothing shows nothing."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        page.wait_for_timeout(500)


def request_page(page: Page) -> None:
    """The story of a request that was tried again and answered by another provider."""
    page.set_viewport_size({"width": WIDTH_PX, "height": TALL_PX})
    for box, choice in (("Outcome", "degraded"), ("Order", "slowest first")):
        page.get_by_role("combobox", name=box).click()
        page.get_by_role("option", name=choice).click()
    page.wait_for_timeout(SETTLES_MS)
    cells = page.get_by_test_id("stDataFrame").locator("canvas").first
    expect(cells).to_be_visible()
    cells.click(position={"x": 12, "y": 52}, force=True)  # a layer of the grid lies over its canvas
    expect(page.locator("[class*='waterfall'] svg.marks, svg.marks").first).to_be_visible()


def gauntlet_page(page: Page) -> None:
    """One message that nobody asked before, played back to its end, with the passages that its answer cites."""
    page.set_viewport_size({"width": WIDTH_PX, "height": STAGES_PX})
    page.get_by_role("combobox", name="Route").click()
    page.get_by_role("option", name="handbook").click()
    page.get_by_role("textbox", name="Message").fill(QUESTION)
    page.get_by_role("button", name="Ask", exact=True).click()
    found = page.locator(".g-search .g-chip", has_text="→ found")
    for _ in range(MOST_ASKED):  # the first question begins the index, and a busy machine's reranker is late
        expect(page.get_by_text("USD").first).to_be_visible()
        wait_s(page, INDEXED_S)
        if found.count():
            break
        page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_text("USD").first).to_be_visible()


def work_page(page: Page) -> None:
    """Documents under way while receivers of webhooks are out, a refund that waits, and one that was made."""
    page.set_viewport_size({"width": WIDTH_PX, "height": TALL_PX})
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("webhooks", exact=True).click()
    expect(sidebar.get_by_role("button", name="Slow start")).to_have_count(0)  # the buttons are those for receivers now
    sidebar.get_by_role("button", name="Outage", exact=True).click()
    expect(sidebar.get_by_role("button", name="Stop all faults")).to_be_enabled()
    for label in ("Refund below the limit", "Refund above the limit", "Start an analysis", "Refund above the limit"):
        page.get_by_role("button", name=label).click()
        wait_s(page, 3)
    expect(page.get_by_role("button", name="Approve")).to_have_count(2)
    page.get_by_role("button", name="Approve").last.click()
    expect(page.locator(".g-work").get_by_text("approved by ops/admin; refunded")).to_be_visible()
    page.get_by_role("button", name="Start an analysis").click()
    expect(page.locator(".st-key-work_steps svg.marks").first).to_be_visible()


def cost_page(page: Page) -> None:
    """The charts are there."""
    expect(page.locator("svg.marks").first).to_be_visible()


def experiments_page(page: Page) -> None:
    """A run that is kept from what was just seen."""
    keep = page.get_by_role("button", name="Keep").first
    expect(keep).to_be_visible()
    keep.click()
    expect(page.locator("svg.marks").first).to_be_visible()


def show_quality(page: Page) -> None:
    """The table at the page's end."""
    table = page.get_by_test_id("stDataFrame").last
    expect(table.locator("canvas").first).to_be_visible()
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, main.scrollHeight)")


def checklist_page(page: Page) -> None:
    """The ten items."""
    expect(page.get_by_text("seen").first).to_be_visible()


PAGES: dict[str, Callable[[Page], None]] = {
    "Request": request_page,
    "Gauntlet": gauntlet_page,
    "Work": work_page,
    "Cost": cost_page,
    "Experiments": experiments_page,
    "Checklist": checklist_page,
}


def take(page: Page, path: Path) -> None:
    """The page as it stands a moment later, without what only says that it is at work."""
    page.mouse.move(WIDTH_PX - 1, 1)  # away from what would explain itself
    page.wait_for_timeout(SETTLES_MS)
    shot = page.screenshot(timeout=SLOW_MACHINE_MS, animations="disabled")
    with Image.open(io.BytesIO(shot)) as picture:  # half the size of PNG, and every colour as it is
        picture.convert("RGB").save(path, lossless=True, method=6)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
