"""`gauntlet books` as a person runs it: a run of three books, and what the exit code says."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.books import ClientBook, Run, ledger
from loadtests.books import run as runs
from tests.collector import Collector
from tests.door.cli import environment, gauntlet
from tests.loadtests.books.world import BEGAN, ENDED, World, balanced, rid
from tests.loadtests.simulator.lab import SimulatorProcess
from tests.telling import Teller

AWAY = "http://127.0.0.1:1"
AGO_S = 3600.0


def moved(world: World, by: float) -> World:
    """The same world at another time."""
    world.entries = [replace(entry, t=entry.t + by) for entry in world.entries]
    world.records = [replace(record, t=record.t + by) for record in world.records]
    world.calls = [replace(row, t=row.t + by) for row in world.calls]
    world.charges = [replace(charge, t=charge.t + by) for charge in world.charges]
    return world


class Home:
    """A home with one run, an hour ago, whose service told the collector."""

    def __init__(self, path: Path, collector: Collector) -> None:
        self.path = path
        self.collector = collector
        self.by = time.time() - AGO_S - BEGAN
        self.world = moved(balanced(), self.by)
        folder = path / "runs" / "one"
        folder.mkdir(parents=True)
        self.run = Run(folder, "one", BEGAN + self.by, 7, "load", AWAY, AWAY, collector.url, 0, ENDED + self.by)
        runs._write(self.run)
        with ClientBook(folder) as book:
            for entry in self.world.entries:
                book.write(entry)
        self.keep()

    def keep(self) -> None:
        """Write the ledger's snapshot."""
        kept = ledger.ProviderLedger(self.world.calls, self.world.charges, 99, 0.0, time.time())
        (self.run.folder / ledger.NAME).write_bytes(ledger.encoded(kept))

    def tell(self) -> None:
        """What the workers told: 111 lives, 222 was killed."""
        for life in reversed(self.world.instances[:2]):
            with Teller(self.collector, life.id) as teller:
                teller.started(life.started + self.by)
                if life.id == "111-aa":
                    for record in self.world.records:
                        teller.again(record)
                    teller.told()  # which is its newest sign of life
                else:
                    teller.record(t=life.last_record + self.by - 70, duration_ms=70_000.0)

    def books(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return gauntlet("books", *words, env=environment(self.path, COLUMNS="80", **more))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, own_collector: Collector) -> Home:
    made = Home(tmp_path_factory.mktemp("books"), own_collector)
    made.tell()
    return made


@pytest.fixture(scope="module")
def own_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector whose only run is this one."""
    process = Collector.start(tmp_path_factory.mktemp("collector"))
    yield process
    process.end()


def test_books_that_balance(home: Home) -> None:
    said = home.books()
    assert said.returncode == 0, said.stdout + said.stderr
    assert "The books of run one, " in said.stdout
    assert ", seed 7" in said.stdout
    assert "The books balance; 3 are explained above." in said.stdout
    assert rid("killed") in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 80


def test_books_that_do_not(home: Home) -> None:
    """The ledger is put right again."""
    right = list(home.world.calls)
    home.world.calls[0] = replace(right[0], output_tokens=21)
    home.keep()
    said = home.books("one")
    asked = home.books("one", "--json")
    home.world.calls = right
    home.keep()
    assert (said.returncode, asked.returncode) == (1, 1)
    assert f"trace {rid('plain')}\n  anthropic, attempt 1, output tokens: service 20, ledger 21" in said.stdout
    document = json.loads(asked.stdout)
    (difference,) = document["differences"]
    assert (difference["request_id"], difference["service"], difference["ledger"]) == (rid("plain"), 20, 21)
    assert (document["run"], document["verdict"]) == ("one", "differences")


def test_a_broken_last_line_is_told_and_not_fatal(home: Home) -> None:
    file = home.run.folder / "client.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"request_id": "6')
    said = home.books("one")
    file.write_bytes(whole)
    assert said.returncode == 0
    assert "note: line 16 of client.jsonl is broken" in " ".join(said.stdout.split())


@pytest.mark.parametrize("words", [(), ("one",), ("--since", "2h")])
def test_a_collector_that_is_away_is_not_judged(home: Home, words: tuple[str, ...]) -> None:
    said = home.books(*words, "--collector", AWAY, "--simulator", AWAY)
    assert said.returncode == 2
    assert f"not judged: the collector does not answer at {AWAY}" in said.stdout


def test_a_simulator_that_is_away_is_not_judged(home: Home) -> None:
    said = home.books("--since", "2h", "--collector", home.collector.url, "--simulator", AWAY, "--json")
    assert said.returncode == 2
    document = json.loads(said.stdout)
    assert document["verdict"] == "not judged"
    assert "the simulator does not answer" in document["reason"]


def test_a_ledger_that_does_not_cover_the_time_is_not_judged(home: Home) -> None:
    process = SimulatorProcess()
    try:
        places = ("--collector", home.collector.url, "--simulator", f"http://127.0.0.1:{process.ready()['control']}")
        explicit = home.books("--since", "2h", *places)
        assert explicit.returncode == 2
        assert "the provider's ledger begins at" in explicit.stdout
        (home.path / "runs").rename(home.path / "aside")
        usual = home.books(*places)
        (home.path / "aside").rename(home.path / "runs")
    finally:
        process.end()
    assert usual.returncode == 0
    assert "no client's book" in usual.stdout
    assert "Nothing of that time is in the books." in usual.stdout


def test_an_unknown_run_is_told_with_those_that_exist(home: Home) -> None:
    said = home.books("two")
    assert said.returncode == 2
    assert "the last ones are: one" in said.stdout


@pytest.mark.parametrize("words", [("--since", "soon"), ("one", "--since", "5m"), ("--since", "0")])
def test_wrong_usage(home: Home, words: tuple[str, ...]) -> None:
    assert home.books(*words).returncode == 2
