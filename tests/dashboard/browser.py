"""A real browser on the dashboard of a real stack: what the browser tests and the screenshots share."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.process import Process
from tests.stack import Stack

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
"""Without a sandbox of its own (CI runs as root) and without its errands on the internet."""

WIDTH_PX, HEIGHT_PX = 1280, 800
SLOW_MACHINE_MS = 60_000


def program() -> str | None:
    """Where a browser is; None when there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


needs_browser = pytest.mark.skipif(
    program() is None, reason=f"no browser: none of {', '.join(BROWSERS)} is installed (Debian: apt install chromium)"
)


@contextmanager
def dashboard_of(stack: Stack, runs: Path) -> Iterator[str]:
    """The dashboard's process on this stack; its URL."""
    assert stack.collector is not None
    environment = {
        "GAUNTLET_COLLECTOR_URL": stack.collector.url,
        "GAUNTLET_SERVICE_URL": stack.url,
        "GAUNTLET_SIMULATOR_URL": f"http://127.0.0.1:{stack.simulator_ports['control']}",
        "GAUNTLET_RECEIVER_URL": f"http://127.0.0.1:{stack.simulator_ports['webhooks']}/webhooks",
        "GAUNTLET_RUNS": str(runs),
        "GAUNTLET_SHIPPED_RUNS": str(runs.with_name("shipped")),
        "GAUNTLET_PROFILE": "workbench",
    }
    process = Process("dashboard", [sys.executable, "-m", "dashboard", "--port", "0"], environment, stack.folder)
    try:
        yield str(process.ready()["url"])
    finally:
        process.end()


@contextmanager
def browser_page(*, dark: bool = False, height: int = HEIGHT_PX) -> Iterator[Page]:
    """A page of a browser that was started for it."""
    found = program()
    assert found is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        try:
            page = browser.new_page(
                viewport={"width": WIDTH_PX, "height": height}, color_scheme="dark" if dark else "light"
            )
            page.set_default_timeout(SLOW_MACHINE_MS)
            yield page
        finally:
            browser.close()
