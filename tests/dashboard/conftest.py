"""A page of the dashboard under Streamlit's AppTest, pointed at whichever backends a test has."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import settings

NOWHERE = "http://127.0.0.1:9"
"""Port 9 (discard) refuses: a backend that is away."""

SLOW_MACHINE_S = 60


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., AppTest]]:
    """`app("cost", collector=URL)`: that page alone, not yet run; a backend without a URL is away."""

    def make(
        page: str,
        *,
        collector: str = NOWHERE,
        service: str = NOWHERE,
        simulator: str = NOWHERE,
        profile: str = "workbench",
        runs: Path | None = None,
        shipped: Path | None = None,
        script: str | None = None,
    ) -> AppTest:
        monkeypatch.setenv(settings.COLLECTOR_URL, collector)
        monkeypatch.setenv(settings.SERVICE_URL, service)
        monkeypatch.setenv(settings.SIMULATOR_URL, simulator)
        monkeypatch.setenv(settings.PROFILE, profile)
        monkeypatch.setenv(settings.RUNS, str(runs or tmp_path / "runs"))
        monkeypatch.setenv(settings.SHIPPED_RUNS, str(shipped or tmp_path / "shipped"))
        settings.current.cache_clear()
        return AppTest.from_string(
            script or f"from dashboard.views import {page}\n{page}.show()", default_timeout=SLOW_MACHINE_S
        )

    yield make
    settings.current.cache_clear()
