"""What a run finds and leaves, with a service and a simulator that are a list of what they were asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtests.books import wire
from loadtests.books.errors import CannotJudge
from loadtests.conduct import Places, Refused
from loadtests.conduct.gathering import _bands
from loadtests.conduct.world import SEEN_CLOSED, World, label, planned
from loadtests.scenario import named
from loadtests.verdict.evidence import Band
from tests.loadtests.small import phase, scenario

SERVICE, SIMULATOR = "http://service", "http://simulator"
STAGES = {"cache": True, "retry": True, "breaker": False}
SEARCHED, BLIND, EMPTY = (
    {"passages": passages, "degraded": degraded}
    for passages, degraded in (([{"n": 1}], []), ([{"n": 1}], ["embeddings:circuit_open"]), ([], []))
)
OPEN, CLOSED = ([{"state": state, "paused_for_s": None}] for state in ("open", "closed"))


class Fake:
    """Both of them; `away` does not answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.stages = dict(STAGES)
        self.switches = True
        self.away: str | None = None
        self.not_acknowledged: list[list[int]] = []
        self.breakers = [OPEN, CLOSED, OPEN]
        self.found: list[dict[str, Any]] = []
        self.ports: dict[str, int] = {}

    def ask(self, whose: str, url: str, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        if url == self.away:
            raise CannotJudge(f"{whose} does not answer")
        assert url == SIMULATOR or headers == {"Authorization": "Bearer admin"}
        self.asked.append((method, path, body))
        if path == "/admin/stages" and method == "PUT":
            self.stages |= body if self.switches else {}
            return {"stages": self.stages, "not_acknowledged": (self.not_acknowledged or [[]]).pop(0)}
        if path == "/admin/stages":
            return {"stages": dict(self.stages)}
        if path == "/admin/breakers":
            return {"breakers": self.breakers.pop(0) if self.breakers else CLOSED}
        if path == "/retrieve":
            return self.found.pop(0) if self.found else SEARCHED
        if path == "/sim/state":
            return {"ports": self.ports}
        return {}

    def paths(self, method: str) -> list[str]:
        return [path for asked, path, _ in self.asked if asked == method]

    def last(self, path: str) -> Any:
        return next(body for _, asked, body in reversed(self.asked) if asked == path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setattr(wire, "ask", fake.ask)
    return fake


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., World]:
    places = Places(tmp_path, SERVICE, SIMULATOR, "http://collector", admin_key="admin")
    return lambda **given: World(places, **given)


def test_a_run_begins_without_faults_with_its_stages_and_closed_circuits(
    fake: Fake, make: Callable[..., World]
) -> None:
    make().prepare(named("rate-limits"), ["cache"])
    assert fake.asked[0][:2] == ("DELETE", "/sim/faults")
    assert fake.stages == {"cache": False, "retry": True, "breaker": True}
    quotas = {body["target"]: body for method, path, body in fake.asked if path == "/sim/quota"}
    assert quotas["anthropic"] == {"target": "anthropic", "requests_per_min": 60, "tokens_per_min": None}
    assert quotas["openai"] == {"target": "openai"}
    assert fake.paths("GET").count("/admin/breakers") == 3 + SEEN_CLOSED, "so often in a row after one that is open"


HANDBOOK = {"mix": {"faq": 0, "unique": 0, "handbook": 1}}


def test_a_run_that_asks_the_handbook_begins_when_every_worker_can_search_it(
    fake: Fake, make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.found = [EMPTY, SEARCHED, BLIND]
    tight = {"embeddings": {"requests_per_min": 1}}
    make().prepare(scenario(**HANDBOOK, providers=tight), ["retry"])
    asked = [path for _, path, _ in fake.asked]
    searches = [place for place, path in enumerate(asked) if path == "/retrieve"]
    assert len(searches) == 3 + SEEN_CLOSED
    told = [body for _, path, body in fake.asked[: searches[-1]] if path == "/sim/quota"]
    assert all("requests_per_min" not in body for body in told), "the scenario's quota is for its own questions"
    assert {"target": "embeddings", "requests_per_min": 1, "tokens_per_min": None} in [body for *_, body in fake.asked]
    assert searches[-1] < fake.asked.index(("PUT", "/admin/stages", {"cache": True, "retry": False, "breaker": True}))
    monkeypatch.setattr("loadtests.conduct.world.SEARCHED_WITHIN_S", -1.0)
    fake.found = [EMPTY] * 3
    with pytest.raises(CannotJudge, match="the handbook is not searched"):
        make().prepare(scenario(**HANDBOOK), [])


def test_webhooks_go_to_the_simulators_receiver(fake: Fake, make: Callable[..., World]) -> None:
    assert make().webhooks() is None
    fake.ports = {"webhooks": 8105}
    assert make().webhooks() == "http://simulator:8105/webhooks"


def test_afterwards_all_is_as_it_was_found(fake: Fake, make: Callable[..., World]) -> None:
    world = make()
    world.prepare(named("spike"), ["cache"])
    assert fake.last("/sim/latency") is not None
    fake.asked.clear()
    world.restore()
    assert fake.stages == STAGES
    assert ("DELETE", "/sim/faults", None) in fake.asked
    usual = {body["target"]: body["first_token_ms"] for _, path, body in fake.asked if path == "/sim/latency"}
    chat, others = {"anthropic": 120, "openai": 120}, {"payments": 50, "embeddings": 20, "rerank": 30, "webhooks": 10}
    assert usual == chat | others


def test_what_was_never_prepared_is_left_alone(fake: Fake, make: Callable[..., World]) -> None:
    world = make()
    with pytest.raises(Refused, match="no stage is named hope; there are cache, retry, breaker"):
        world.check_stages(["cache", "hope"])
    world.restore()
    assert {method for method, _, _ in fake.asked} == {"GET"}


@pytest.mark.parametrize("away", [SERVICE, SIMULATOR])
def test_when_one_of_the_two_is_away_the_other_is_put_right_all_the_same(
    fake: Fake, make: Callable[..., World], away: str
) -> None:
    world = make()
    world.prepare(scenario(), ["cache"])
    fake.asked.clear()
    fake.away = away
    with pytest.raises(CannotJudge):
        world.restore()
    if away == SERVICE:
        assert "/sim/faults" in fake.paths("DELETE")
    else:
        assert fake.stages == STAGES


def test_stages_are_switched_until_every_worker_knows(
    fake: Fake, make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.not_acknowledged = [[1], [2], []]
    make().prepare(scenario(), ["cache"])
    assert fake.paths("PUT").count("/admin/stages") == 3
    monkeypatch.setattr("loadtests.conduct.world.SWITCHED_WITHIN_S", -1.0)
    fake.not_acknowledged = [[1]] * 3
    with pytest.raises(CannotJudge, match="1 workers do not switch"):
        make().prepare(scenario(), ["retry"])


def test_the_next_run_pays_what_one_that_was_killed_owes(fake: Fake, make: Callable[..., World]) -> None:
    make().prepare(scenario(), ["cache"])
    world = make()
    world.prepare(scenario(), [])
    assert world.put_back
    world.restore()
    assert fake.stages == STAGES
    after = make()
    after.prepare(scenario(), [])
    assert not after.put_back, "it is paid"


def test_a_run_that_is_killed_before_it_switches_owes_what_the_one_before_it_owed(
    fake: Fake, make: Callable[..., World]
) -> None:
    make().prepare(scenario(), ["cache"])
    fake.switches = False
    make().prepare(scenario(), ["retry"])
    fake.switches = True
    world = make()
    world.prepare(scenario(), [])
    world.restore()
    assert fake.stages == STAGES


def test_what_is_owed_to_one_service_is_not_paid_to_another(
    fake: Fake, make: Callable[..., World], tmp_path: Path
) -> None:
    make().prepare(scenario(), ["cache"])
    other = World(Places(tmp_path, "http://other:1", SIMULATOR, "http://collector", admin_key="admin"))
    other.prepare(scenario(), [])
    assert not other.put_back
    other.restore()
    fake.stages = {"cache": False, "retry": True, "breaker": True}
    world = make()
    world.prepare(scenario(), [])
    world.restore()
    assert fake.stages == STAGES


def test_a_stage_that_somebody_switched_since_is_left_as_it_is(fake: Fake, make: Callable[..., World]) -> None:
    make().prepare(scenario(), ["cache"])
    fake.stages["retry"] = False
    world = make()
    world.prepare(scenario(), [])
    assert not world.put_back
    world.restore()
    assert fake.stages == {"cache": False, "retry": False, "breaker": True}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"found": 1}', b"\xff"])
def test_a_note_of_what_is_owed_that_cannot_be_read_owes_nothing(
    fake: Fake, make: Callable[..., World], tmp_path: Path, content: bytes
) -> None:
    make().prepare(scenario(), ["cache"])
    (note,) = (tmp_path / "runs").iterdir()
    note.write_bytes(content)
    world = make()
    world.prepare(scenario(), [])
    assert not world.put_back


def test_a_service_that_is_none_of_ours_has_no_stages(fake: Fake, make: Callable[..., World]) -> None:
    world = make(plain=True)
    world.check_stages([])
    world.prepare(scenario(), [])
    world.restore()
    assert not any(path.startswith("/admin") for _, path, _ in fake.asked)


def test_faults_begin_with_the_load_and_those_of_processes_are_not_the_simulators(
    fake: Fake, make: Callable[..., World]
) -> None:
    killed = {"target": "worker", "fault": "kill", "every_s": 2}
    faults = [{"target": "anthropic", "fault": "status", "at_s": 1}, {"target": "store", "fault": "pause"}, killed]
    whole = scenario(phase("a", 10), phase("b", 10, fault=faults))
    make().break_by(whole, 7, time.time() + 5)
    plan = fake.last("/sim/timeline")
    (fault,) = plan["faults"]
    assert plan["seed"] == 7
    assert fault["at_s"] == pytest.approx(5 + 10 + 1, abs=0.5)
    assert fault["for_s"] == 9
    assert len(planned(whole)) == 3


def test_a_fault_in_a_few_words() -> None:
    assert label({"target": "anthropic", "fault": "status", "params": {"status": 503}}) == "anthropic: status 503"
    assert label({"target": "openai", "fault": "slow_tokens", "share": 0.2}) == "openai: slow tokens, 20 %"


def test_windows_are_from_begin_to_end_and_what_has_not_ended_goes_on() -> None:
    one = {"index": 0, "target": "anthropic", "fault": "hang"}
    other = {"index": 1, "target": "openai", "fault": "cut", "share": 0.5}
    events = [
        {"t": 1.0, "event": "started", "fault": one},
        {"t": 2.0, "event": "started", "fault": other},
        {"t": 3.0, "event": "ended", "fault": one},
        {"t": 4.0, "event": "ended", "fault": {**one, "index": 9}},
    ]
    assert _bands(events, 10.0) == [
        Band("anthropic", "anthropic: hang", 1.0, 3.0),
        Band("openai", "openai: cut, 50 %", 2.0, 10.0),
    ]
