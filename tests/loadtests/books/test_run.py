"""A run's folder, and the ledger that is kept of it: from a real simulator."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path

import pytest

from loadtests.books import CannotJudge, Run, ledger
from loadtests.books.ledger import LedgerReader
from tests.loadtests.simulator.lab import Lab

CLOSED = "http://127.0.0.1:1"


def begin(home: Path, simulator: dict[str, int]) -> Run:
    control = f"http://127.0.0.1:{simulator['control']}"
    return Run.begin(home, seed=7, command="load", service=CLOSED, simulator=control, collector=CLOSED)


def test_a_run_says_what_ran_and_where(tmp_path: Path, simulator: dict[str, int]) -> None:
    run = begin(tmp_path, simulator)
    about = json.loads((run.folder / "run.json").read_text())
    assert {"id", "began", "ended", "seed", "command", "service", "simulator", "collector"} <= set(about)
    assert (about["ended"], about["seed"], about["id"]) == (None, 7, run.folder.name)
    assert run.folder.parent == tmp_path / "runs"
    ended = run.end()
    assert ended.ended is not None
    assert ended.ended >= run.began
    assert Run.find(tmp_path, run.id) == ended
    assert sorted(path.name for path in run.folder.iterdir()) == ["ledger.json", "run.json"]


def test_what_is_noted_of_a_run_stands_in_its_manifest_and_is_read_again(
    tmp_path: Path, simulator: dict[str, int]
) -> None:
    run = begin(tmp_path, simulator).noting(scenario="outage", label="An outage", versions={"locust": "2.47"})
    noted = run.end().noting(verdict="fail", stages_off=("cache",), notes=("It was seen.",))
    about = json.loads((run.folder / "run.json").read_text())
    assert (about["scenario"], about["label"], about["versions"]) == ("outage", "An outage", {"locust": "2.47"})
    assert (about["verdict"], about["stages_off"], about["notes"]) == ("fail", ["cache"], ["It was seen."])
    assert about["ended"] is not None
    found = Run.find(tmp_path, run.id)
    assert (found.scenario, found.verdict, found.notes) == ("outage", "fail", ("It was seen.",))
    assert found == noted


def test_a_manifest_from_before_scenarios_is_read(tmp_path: Path, simulator: dict[str, int]) -> None:
    run = begin(tmp_path, simulator)
    path = run.folder / "run.json"
    about = json.loads(path.read_text())
    for name in ("label", "scenario", "verdict", "versions", "stages_off", "notes"):
        del about[name]
    path.write_text(json.dumps(about))
    assert Run.find(tmp_path, run.id) == run


def test_a_run_against_real_providers_has_no_ledger(tmp_path: Path) -> None:
    run = Run.begin(tmp_path, seed=7, command="load", service=CLOSED, simulator="", collector=CLOSED)
    assert run.ledger_seq == 0
    ended = run.end()
    assert ended.ended is not None
    assert ledger.snapshot(run.folder) is None
    assert Run.find(tmp_path, run.id) == ended


async def test_the_snapshot_has_the_calls_of_the_run_only(tmp_path: Path, simulator: dict[str, int]) -> None:
    async with Lab(simulator) as lab:
        await lab.reset()
        await lab.messages()
        run = await asyncio.to_thread(begin, tmp_path, simulator)
        request_id = str(uuid.uuid4())
        await lab.messages(None, **{"X-Request-ID": request_id, "X-Attempt": "3"})
        body = {"charge": "ch_1", "amount": 5, "currency": "usd"}
        await lab.post("payments", "/v1/refunds", body, {"authorization": "Bearer k", "idempotency-key": "key"})
        await asyncio.to_thread(run.end)
    kept = ledger.snapshot(run.folder)
    assert kept is not None
    assert [(call.target, call.request_id, call.attempt) for call in kept.calls] == [
        ("anthropic", request_id, 3),
        ("payments", None, 1),
    ]
    assert [(charge.idempotency_key, charge.amount) for charge in kept.charges] == [("key", 5)]
    assert kept.complete_from <= run.began <= kept.taken


async def test_the_snapshot_waits_for_calls_that_end(tmp_path: Path, simulator: dict[str, int]) -> None:
    async with Lab(simulator) as lab:
        await lab.reset()
        run = await asyncio.to_thread(begin, tmp_path, simulator)
        await lab.latency("anthropic", first_token_ms=300)
        call = asyncio.create_task(lab.messages())
        await lab.pending(1)
        await asyncio.to_thread(run.end)
        await call
    kept = ledger.snapshot(run.folder)
    assert kept is not None
    assert kept.calls[0].duration_s is not None


def test_the_last_run_is_the_one_that_began_last(tmp_path: Path, simulator: dict[str, int]) -> None:
    assert Run.latest(tmp_path) is None
    runs = [begin(tmp_path, simulator) for _ in range(3)]
    assert len({run.id for run in runs}) == 3
    (tmp_path / "runs" / "rubbish").mkdir()
    (runs[0].folder / "run.json").write_text("{")
    assert Run.latest(tmp_path) == runs[2]


def test_an_unknown_run_is_told_with_those_that_exist(tmp_path: Path, simulator: dict[str, int]) -> None:
    with pytest.raises(CannotJudge, match="none yet"):
        Run.find(tmp_path, "x")
    run = begin(tmp_path, simulator)
    with pytest.raises(CannotJudge, match=run.id):
        Run.find(tmp_path, "x")


def test_without_a_simulator_nothing_can_be_judged(tmp_path: Path) -> None:
    with pytest.raises(CannotJudge, match="the simulator does not answer"):
        Run.begin(tmp_path, seed=7, command="load", service=CLOSED, simulator=CLOSED, collector=CLOSED)


def test_a_snapshot_that_is_broken_is_told(tmp_path: Path) -> None:
    assert ledger.snapshot(tmp_path) is None
    (tmp_path / "ledger.json").write_text("{")
    with pytest.raises(CannotJudge, match=r"ledger\.json"):
        ledger.snapshot(tmp_path)


async def test_what_is_final_travels_once_and_what_is_open_is_read_again(simulator: dict[str, int]) -> None:
    async with Lab(simulator) as lab:
        await lab.reset()
        reader = LedgerReader(lab.url("control"), await asyncio.to_thread(ledger.last_seq, lab.url("control")))
        await lab.chat()
        await lab.latency("anthropic", first_token_ms=60_000)
        call = asyncio.create_task(lab.messages())
        await lab.pending(1)
        first = await asyncio.to_thread(reader.read)
        assert [row.duration_s is None for row in first.calls] == [False, True]
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await lab.rows(2)
        await lab.chat()
        second = await asyncio.to_thread(reader.read)
    assert [row.duration_s is None for row in second.calls] == [False, False, False]
    assert second.calls[0] == first.calls[0]
    assert reader._asked_from == second.last_seq


async def test_another_simulator_is_not_taken_for_that_of_the_run(simulator: dict[str, int]) -> None:
    url = f"http://127.0.0.1:{simulator['control']}"
    with pytest.raises(CannotJudge, match="began anew"):
        LedgerReader(url, since=10**9).read()
