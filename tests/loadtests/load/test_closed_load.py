"""Users who ask, wait, think and ask again; and the files that tell a generator what to do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gevent
import pytest

from loadtests.load.closed_load import ClosedUser, crowd
from loadtests.load.job import Control, ControlReader, Job
from loadtests.scenario import Arrival, named, names
from loadtests.scenario.timing import lasting, times
from tests.loadtests.load.green import green
from tests.loadtests.small import crowd as of_users
from tests.loadtests.small import scenario


class SlowAsker:
    """Takes its time."""

    def __init__(self, takes_s: float) -> None:
        self.asked: list[tuple[Arrival, float]] = []
        self._takes_s = takes_s

    def ask(self, arrival: Arrival, due_t: float) -> None:
        self.asked.append((arrival, due_t))
        gevent.sleep(self._takes_s)


def test_a_user_asks_waits_for_the_answer_and_thinks(tmp_path: Path) -> None:
    whole = scenario(of_users(), arrivals="closed", think_s=0.1)
    asker = SlowAsker(0.15)
    fake: Any = asker
    user = ClosedUser(Job(tmp_path, whole, 7, "mark", "http://127.0.0.1:1"), 3, fake)

    def thrice() -> None:
        for _ in range(3):
            user.once()

    begun = time.time()
    green(thrice)
    assert [arrival.number for arrival, _ in asker.asked] == [3_000_000, 3_000_001, 3_000_002]
    due = [due_t - begun for _, due_t in asker.asked]
    assert due[0] < 0.2
    assert due[1] - due[0] >= 0.24, "a slow answer delays the next question: that is what closed means"


def test_the_crowd_follows_the_phases_and_the_scale() -> None:
    whole = scenario(of_users("a", 10, 4), of_users("b", 10, (4, 24)), of_users("c", 5, 2), arrivals="closed")
    planned = {0: 4, 9.9: 4, 10: 4, 15: 14, 19.99: 24, 20: 2, 24.9: 2, 25: 0}
    assert {at_s: crowd(whole, Control(), at_s) for at_s in planned} == planned
    assert crowd(whole, Control(scale=0.5), 15) == 7
    assert crowd(whole, Control(scale=0.1), 20) == 1


@pytest.mark.parametrize("name", names())
def test_a_generator_reads_the_scenario_as_it_was_written(tmp_path: Path, name: str) -> None:
    whole = times(lasting(named(name), named(name).short_s * 1.1), 1.37)
    job = Job(tmp_path, whole, 7, "mark", "http://127.0.0.1:1", processes=2, max_nano_usd=5, drain_s=3)
    again = Job.read(job.write())
    assert again.scenario.model_dump() == whole.model_dump()
    assert (again.seed, again.mark, again.processes, again.max_nano_usd, again.drain_s) == (7, "mark", 2, 5, 3)


def test_the_key_is_in_no_file(tmp_path: Path) -> None:
    job = Job(tmp_path, scenario(), 7, "mark", "http://127.0.0.1:1", key="gk-secret")
    path = job.write()
    assert "gk-secret" not in path.read_text()
    assert Job.read(path, "gk-secret") == job


def test_the_newest_control_counts_and_none_means_not_yet(tmp_path: Path) -> None:
    reader = ControlReader(tmp_path)
    assert reader.now() == Control()
    for control in (Control(epoch=5.0), Control(epoch=5.0, scale=2.0), Control(epoch=5.0, scale=2.0, stop=True)):
        control.write(tmp_path)
        assert reader.now() == control
        assert reader.now() == control
    assert [path.name for path in tmp_path.iterdir()] == ["control.json"]
