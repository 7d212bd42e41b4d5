"""The Work page with each backend away, empty, hung or lying: it takes only its own part, and that is said."""

from __future__ import annotations

import json
import time

import pytest

from dashboard.feed import work as work_feed
from tests.collector import Collector
from tests.dashboard.feed.test_feed import Silent, lying
from tests.telling import Teller

from .work_page import ABOVE, ANALYSE, BELOW, App, run, shown, until


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists as fresh as can be."""
    monkeypatch.setattr(work_feed, "LISTS_S", 0.0)
    monkeypatch.setattr(work_feed, "FRESH_S", 0.0)


@pytest.fixture
def told(own: Collector) -> Collector:
    """A collector that knows of a job and of a run that ended."""
    now = time.time()
    with Teller(own) as teller:
        facts = {"kind": "analysis", "outcome": "completed", "created": now - 9, "ended": now - 5, "tenant": "acme"}
        teller.event("gauntlet.job", json.dumps({"job_id": "job_1", "wait_ms": 1000.0, **facts}), t=now - 5)
        run_facts = {"run_id": "run_1", "outcome": "refunded", "created": now - 9, "ended": now - 4, "deliveries": 3}
        teller.event("gauntlet.agent", json.dumps(run_facts), t=now - 4)
        teller.told()
    return own


async def test_without_the_service_the_collector_tells_what_ended(app: App, told: Collector) -> None:
    at = await run(app("work", collector=told.url))
    assert "service is away" in shown(at)
    assert "From the collector" in shown(at)
    assert "refunded; taken up 3 times" in shown(at)
    assert "waited 1.0 s; ran 3.0 s" in shown(at)
    assert len(at.get("vega_lite_chart")) == 9
    assert "Nothing waits" not in shown(at), "what waits is not known"
    assert "**Waiting for a worker** :gray[· none]" in shown(at)
    assert "**Jobs and runs that ended**\n" in shown(at)


async def test_empty_it_says_what_it_will_show(app: App, own: Collector) -> None:
    with lying(b'{"jobs": [], "runs": [], "webhooks": []}') as url:
        at = await run(app("work", collector=own.url, service=url))
    assert "Nothing has happened yet" in shown(at)
    assert {ANALYSE, BELOW, ABOVE} <= {button.label for button in at.button}


async def test_with_nobody_there_it_says_so(app: App) -> None:
    at = await run(app("work"))
    assert {"collector is away", "service is away", "simulator is away"} <= {
        f"{name} is away" for name in ("collector", "service", "simulator") if f"{name} is away" in shown(at)
    }
    assert "Neither the service nor the collector" in shown(at)


async def test_who_hangs_or_lies_takes_only_its_own_part(app: App, told: Collector) -> None:
    with Silent() as silent:
        at = app("work", collector=told.url, service=silent.url)
        began_s = time.monotonic()
        await run(at)
        assert time.monotonic() - began_s < 30  # AppTest's own time and a busy machine's; a hang would be for ever
        await until(at, "service is away")
        assert "refunded; taken up 3 times" in shown(at)
    with lying(b'{"jobs": [{"job_id": 7}]}') as url:
        at = app("work", collector=told.url, service=url)
        await until(at, "its answer is not what was expected")
        assert "refunded; taken up 3 times" in shown(at)
