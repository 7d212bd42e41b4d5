"""What cannot be seen is UNOBSERVABLE, whatever the service is like: never PROVED, and it says what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from loadtests.audit import store
from loadtests.audit.claims import Verdict
from loadtests.audit.items import ITEMS, hit_rate
from loadtests.audit.scene import Scene
from loadtests.audit.sources import Unreadable
from tests.loadtests.audit.conftest import School, audited, changed
from tests.valkey import Valkey

ONE_KEY = {"header": "X-Api-Key", "value": "{key}", "users": {"ann": "key-ann"}}
NOWHERE = "http://127.0.0.1:9"
"""Port 9 (discard) refuses."""

WITHHELD: list[tuple[int, dict[str, Any], str]] = [
    (1, {"simulator": ""}, "--simulator"),
    (2, {"simulator": ""}, "--simulator"),
    (2, {"hit_rate.source": {}}, "[hit_rate] source"),
    (2, {"hit_rate.source": {"url": "{collector}/x"}}, "--collector"),
    (3, {"keys": ONE_KEY}, "[keys] users"),
    (4, {"simulator": ""}, "--simulator"),
    (4, {"refund.path": ""}, "[refund] path"),
    (4, {"replicas": [NOWHERE]}, "--replica"),
    (5, {"replicas": []}, "--replica"),
    (5, {"replicas": [NOWHERE]}, "--replica"),
    (6, {"simulator": ""}, "--simulator"),
    (7, {"simulator": ""}, "--simulator"),
    (8, {"simulator": ""}, "--simulator"),
    (8, {"store.pid": 0}, "[store] pid"),
    (9, {"chat.request_id_header": ""}, "[chat] request_id_header"),
    (9, {"search.by_request": {}}, "[search] by_request"),
    (9, {"search.by_user": {}}, "[search] by_user"),
    (9, {"search.by_user": {"url": f"{NOWHERE}/find?of={{value}}"}}, "[search] by_user"),
    (10, {"simulator": ""}, "--simulator"),
    (10, {"logs": []}, "[[logs]]"),
    (10, {"logs": [{"files": ["{logs}/*.log"]}]}, "--logs"),
    (10, {"store.url": ""}, "[store] url"),
    (10, {"store.sessions": ["*"]}, "[store] url"),
    (10, {"store.url": "redis://127.0.0.1:9"}, "[store] url"),
]


@pytest.mark.parametrize(
    ("number", "lines", "needs"), WITHHELD, ids=[f"{number}-{'-'.join(lines)}" for number, lines, _ in WITHHELD]
)
def test_without_the_access_nothing_is_proved(pupil: School, number: int, lines: dict[str, Any], needs: str) -> None:
    described = pupil.described
    for path, value in lines.items():
        described = changed(described, path, value)
    report = audited(described, number)
    (finding,) = report.findings
    assert finding.verdict is Verdict.UNOBSERVABLE, finding.claims
    assert needs in "; ".join(finding.needs)
    assert report.exit_code == 2


def test_each_item_has_something_that_it_needs() -> None:
    assert {number for number, _, _ in WITHHELD} == {item.number for item in ITEMS}


def test_a_simulator_that_the_service_does_not_call_shows_nothing(pupil: School) -> None:
    described = changed(pupil.described, "providers.targets", ["embeddings"])
    report = audited(described, 1, 6, 8)
    assert {finding.verdict for finding in report.findings} == {Verdict.UNOBSERVABLE}
    assert "a new question made no call to embeddings" in report.findings[0].claims[0].words


@pytest.mark.parametrize("flaw", ["echoes", "finds_all"])
def test_a_search_that_finds_anything_shows_nothing(pupil: School, flaw: str) -> None:
    pupil.told(flaw)
    (finding,) = audited(pupil.described, 9).findings
    assert finding.verdict is Verdict.UNOBSERVABLE
    assert any("what never was as well" in claim.words for claim in finding.claims)


def test_without_keys_there_is_one_user_only(pupil: School) -> None:
    (finding,) = audited(changed(pupil.described, "keys.header", ""), 3).findings
    assert finding.verdict is Verdict.UNOBSERVABLE


def test_a_log_without_the_request_proves_nothing_about_what_is_in_it(pupil: School) -> None:
    (pupil.folder / "other.jsonl").write_text("{}\n")
    described = changed(pupil.described, "logs", [{"files": [str(pupil.folder / "other.jsonl")]}])
    (finding,) = audited(changed(described, "bounds.settle_s", 0.5), 10).findings
    assert finding.verdict is Verdict.UNOBSERVABLE
    assert any("do not have the request" in claim.words for claim in finding.claims)


def test_a_store_without_anything_of_the_question_proves_nothing(pupil: School, tmp_path: Path) -> None:
    other = Valkey(tmp_path)
    try:
        with Redis.from_url(other.url) as redis:
            redis.set("somebody", "else")
        (finding,) = audited(changed(pupil.described, "store.url", other.url), 10).findings
    finally:
        other.end()
    assert finding.verdict is Verdict.UNOBSERVABLE
    assert any("Nothing else of that question" in claim.words for claim in finding.claims)


def test_a_key_that_cannot_be_read_keeps_the_store_from_being_clean(
    pupil: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(store.READ, "hash")
    (finding,) = audited(pupil.described, 10).findings
    assert finding.verdict is Verdict.UNOBSERVABLE
    assert any("could not be read" in claim.words for claim in finding.claims)


def test_figures_that_can_be_read_no_more_are_not_to_be_seen(pupil: School, monkeypatch: pytest.MonkeyPatch) -> None:
    read, times = hit_rate._read, iter(range(100))

    async def once(scene: Scene) -> Any:
        if next(times):
            raise Unreadable("it is away")
        return await read(scene)

    monkeypatch.setattr(hit_rate, "_read", once)
    (finding,) = audited(pupil.described, 2).findings
    assert finding.verdict is Verdict.UNOBSERVABLE


def test_one_process_that_remembers_does_not_show_that_two_do(pupil: School) -> None:
    pupil.told("memory_session")
    (finding,) = audited(changed(pupil.described, "replicas", []), 5).findings
    assert finding.verdict is Verdict.UNOBSERVABLE
    assert "perhaps in one process" in finding.claims[0].words


def test_a_part_that_can_be_seen_is_refuted_all_the_same(pupil: School) -> None:
    pupil.told("key_optional")
    (finding,) = audited(changed(pupil.described, "simulator", ""), 4).findings
    assert finding.verdict is Verdict.REFUTED
