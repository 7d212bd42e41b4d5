"""Whole runs against real processes: what a seed repeats, what several generators share, what a limit of money stops.

One private workbench for all that need no settings of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from door.workbench import Workbench, workbench
from loadtests.books import client, wire
from loadtests.books.client import Entry
from loadtests.conduct import Finished, Hooks, Options, Places, Refused, conduct
from loadtests.conduct.progress import Progress
from loadtests.load.beats import BeatReader
from loadtests.scenario import Arrivals, Scenario, named
from tests.loadtests.small import phase, scenario
from tests.service.test_profiles import ADMIN_KEY, KEY, KEYS, LIVE
from tests.settings import AT_ONCE
from tests.stack import Stack

SHARES = """
title = "A part of the primary's calls fails"
about = "for a test"
short_s = 4
[mix]
faq = 0.2
unique = 0.7
thread = 0.1
[[phase]]
name = "failing"
for_s = 5
rate_per_s = 25
[[phase.fault]]
target = "anthropic"
fault = "status"
share = 0.3
params = { status = 503 }
[[expect]]
measure = "success_share"
at_least = 0.9
why = "what fails is tried again"
"""
Decisions = dict[tuple[str, str, int], str | None]
"""(request id, target, attempt) -> the fault that the call met."""
EDGE_S = 0.1
"""So close to the begin and the end of a window it depends on the moment who is within it."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """All parts; a circuit that does not open by chance, so that calls go on reaching the provider."""
    environ = {**os.environ, "GAUNTLET_HOME": str(tmp_path_factory.mktemp("person"))}
    with workbench(environ, service_env={**AT_ONCE, "GAUNTLET_BREAKER__FAILURES": "100"}) as lab:
        yield lab


@dataclass
class Done:
    """A run that has ended, the ledger's faults of its window, and what was told meanwhile."""

    finished: Finished
    decisions: Decisions
    told: list[Progress]
    entries: list[Entry] = field(default_factory=list)

    @property
    def said(self) -> object:
        """For messages."""
        verdict = self.finished.verdict
        return verdict.word, verdict.reason, verdict.books, verdict.books_said, verdict.judged


def places_of(lab: Workbench, home: Path) -> Places:
    urls = lab.urls
    return Places(home, urls["service"], urls["simulator"], urls["collector"], store_pid=lab.store_pid)


def run(lab: Workbench, home: Path, whole: Scenario, **options: Any) -> Done:
    told: list[Progress] = []
    finished = conduct(whole, places_of(lab, home), Options(**options), Hooks(progress=told.append))
    rows = wire.get("the simulator", lab.urls["simulator"], f"/sim/ledger?since={finished.run.ledger_seq}")["calls"]
    assert len({(row["request_id"], row["target"], row["attempt"]) for row in rows}) == len(rows)
    (band,) = finished.evidence.bands
    decisions = {
        (row["request_id"], row["target"], row["attempt"]): row["fault"]
        for row in rows
        if band.since + EDGE_S < row["t"] < band.until - EDGE_S
    }
    lines = client.read(finished.run.folder)
    assert lines is not None
    return Done(finished, decisions, told, list(lines.entries))


@dataclass
class Three:
    """The same seed with one generator process and with two, and another seed."""

    alone: Done
    shared: Done
    other: Done
    whole: Scenario


@pytest.fixture(scope="module")
def three(lab: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Three:
    home = tmp_path_factory.mktemp("home")
    path = home / "shares.toml"
    path.write_text(SHARES)
    whole = named(str(path))
    return Three(
        run(lab, home, whole, seed=7),
        run(lab, home, whole, seed=7, processes=2),
        run(lab, home, whole, seed=8),
        whole,
    )


@pytest.mark.timeout(240)
def test_the_same_seed_meets_the_same_faults(three: Three) -> None:
    """Compared at the ledger: whatever reached the provider in both runs met the same fate there."""
    both = set(three.alone.decisions) & set(three.shared.decisions)
    assert len(both) > 80
    differing = [call for call in both if three.alone.decisions[call] != three.shared.decisions[call]]
    assert differing == []
    met = sum(three.alone.decisions[call] == "status" for call in both)
    assert 10 < met < 0.7 * len(both)


def test_another_seed_makes_other_requests_that_meet_other_faults(three: Three) -> None:
    assert not {call[0] for call in three.alone.decisions} & {call[0] for call in three.other.decisions}
    assert "status" in three.other.decisions.values()
    first, other = (
        [[done.decisions.get((one.request_id(), "anthropic", 1)) for one in Arrivals(three.whole, seed).open()[:60]]]
        for done, seed in ((three.alone, 7), (three.other, 8))
    )
    assert first != other


@pytest.mark.parametrize("name", ["alone", "shared", "other"])
def test_every_arrival_is_sent_once_and_the_books_balance(three: Three, name: str) -> None:
    done: Done = getattr(three, name)
    arrivals = Arrivals(three.whole, done.finished.seed).open()
    assert sorted(entry.request_id for entry in done.entries) == sorted(one.request_id() for one in arrivals)
    assert done.finished.verdict.books == "balanced", done.said
    assert done.finished.verdict.word == "pass", done.said
    assert done.finished.evidence.generator.sent == len(arrivals)


def test_requests_are_due_when_they_were_planned(three: Three) -> None:
    planned = {one.request_id(): one.due_s for one in Arrivals(three.whole, 7).open()}
    for done in (three.alone, three.shared):
        began = done.finished.evidence.began
        assert all(entry.t - began == pytest.approx(planned[entry.request_id], abs=1e-3) for entry in done.entries)


def test_two_processes_share_the_load(three: Three) -> None:
    beats = BeatReader(three.shared.finished.run.folder).read()
    assert sorted(beats) == [0, 1]
    sent = [beat.sent for beat in beats.values()]
    assert min(sent) > 10
    assert sum(sent) == len(three.shared.entries)
    assert all(beat.done for beat in beats.values())
    assert three.shared.finished.evidence.generator.processes == 2


def test_a_run_tells_how_it_stands_each_second(three: Three) -> None:
    told = three.alone.told
    assert len(told) >= 4
    assert told[1].phase == "failing"
    assert told[1].faults == ["anthropic: status 503, 30 %"]
    assert [one.sent for one in told] == sorted(one.sent for one in told)
    assert told[-1].success_share is not None
    assert told[-1].success_share > 0.8


def test_what_was_broken_is_known_with_its_times(three: Three) -> None:
    seen = three.alone.finished.evidence
    (band,) = seen.bands
    assert (band.target, band.label) == ("anthropic", "anthropic: status 503, 30 %")
    assert band.since == pytest.approx(seen.phases[0].since, abs=0.5)
    assert band.until == pytest.approx(seen.phases[0].until, abs=0.7)


def test_the_world_is_left_as_it_was_found(three: Three, lab: Workbench) -> None:
    state = wire.get("the simulator", lab.urls["simulator"], "/sim/state")
    assert state["active"] == []
    assert state["latency"]["anthropic"]["first_token_ms"] == 120
    stages = wire.ask("the service", lab.urls["service"], "GET", "/admin/stages", None, ADMIN)["stages"]
    assert set(stages.values()) == {True}
    assert three.alone.finished.run.verdict == "pass"


ADMIN = {"Authorization": "Bearer demo-admin"}


def test_a_refused_run_changes_nothing(lab: Workbench, tmp_path: Path) -> None:
    by_hand = {"target": "openai", "fault": "status", "share": 0.001, "params": {"status": 500}}
    wire.post("the simulator", lab.urls["simulator"], "/sim/faults", by_hand)
    with pytest.raises(Refused, match="no stage is named braker; there are"):
        conduct(scenario(), places_of(lab, tmp_path), Options(off=["braker"]))
    state = wire.get("the simulator", lab.urls["simulator"], "/sim/state")
    assert [fault["target"] for fault in state["active"]] == ["openai"]
    wire.ask("the simulator", lab.urls["simulator"], "DELETE", "/sim/faults")


def test_stages_are_off_while_it_runs_and_whoever_stops_it_gets_no_verdict(lab: Workbench, tmp_path: Path) -> None:
    """Also a limit wrong on purpose: it was stopped, so that nothing is said of it."""
    seen: list[dict[str, bool]] = []

    def look(_: Progress) -> None:
        answer = wire.ask("the service", lab.urls["service"], "GET", "/admin/stages", None, ADMIN)
        seen.append(answer["stages"])

    hooks = Hooks(progress=look, steering=lambda: None if len(seen) >= 2 else 1.0)
    whole = scenario(phase(for_s=60, rate_per_s=10))
    finished = conduct(whole, places_of(lab, tmp_path), Options(off=["cache", "retry"]), hooks)
    assert (finished.verdict.word, finished.verdict.reason) == ("unknown", "it was stopped before its end")
    assert {name for name, on in seen[0].items() if not on} == {"cache", "retry"}
    after = wire.ask("the service", lab.urls["service"], "GET", "/admin/stages", None, ADMIN)["stages"]
    assert set(after.values()) == {True}
    assert len(finished.evidence.entries) < 200


BUCKET = "requests_per_min = 100000\nburst = 10000\ntokens_per_min = 100000000\n"
WIDE = f"[rate_limit.user]\n{BUCKET}[rate_limit.tenant]\n{BUCKET}"


@pytest.fixture
def live(start_stack: Callable[..., Stack]) -> Stack:
    """A service in the live profile; those who take its money are the simulator's."""
    return start_stack(toml=WIDE + KEYS, env=LIVE)


def live_places(stack: Stack, home: Path) -> Places:
    assert stack.collector is not None
    control = f"http://127.0.0.1:{stack.simulator_ports['control']}"
    return Places(home, stack.url, control, stack.collector.url, admin_key=ADMIN_KEY)


@pytest.mark.timeout(240)
def test_the_live_profile_is_loaded_up_to_the_limit_and_not_beyond(live: Stack, tmp_path: Path) -> None:
    places = live_places(live, tmp_path)
    whole = scenario(phase(for_s=20, rate_per_s=15), mix={"faq": 0, "unique": 1})
    with pytest.raises(Refused, match="--max-usd"):
        conduct(whole, places, Options(key=KEY))
    with pytest.raises(Refused, match="GAUNTLET_LOAD_KEY"):
        conduct(whole, places, Options(max_usd=0.2))
    with pytest.raises(Refused, match="those of the live profile are the real ones"):
        conduct(named("outage"), places, Options(max_usd=0.2, key=KEY))
    control = places.simulator
    quick = {"target": "anthropic", "first_token_ms": 5, "per_token_ms": 0}
    wire.ask("the simulator", control, "PUT", "/sim/latency", quick)
    before = wire.get("the simulator", control, "/sim/ledger?since=0")["calls"]
    assert before == []
    limit_usd = 0.2
    finished = conduct(whole, places, Options(max_usd=limit_usd, key=KEY))
    calls = wire.get("the simulator", control, "/sim/ledger?since=0")["calls"]
    spent_usd = sum(call["billed_nano_usd"] for call in calls) / 1e9
    assert 0.3 * limit_usd < spent_usd <= limit_usd
    assert finished.verdict.word == "unknown"
    assert finished.verdict.reason is not None
    assert "the limit of $0.2 was reached" in finished.verdict.reason
    assert len(finished.evidence.entries) < len(Arrivals(whole, 7).open())
    assert finished.run.simulator == "", "the real providers have no ledger to ask"
