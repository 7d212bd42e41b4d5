"""An open load sends what is due, whatever became of what it sent before; what it could not do it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import gevent
import pytest

from loadtests.load import open_load
from loadtests.load.beats import Beat, BeatReader, Pulse
from loadtests.load.job import Control, ControlReader, Job
from loadtests.load.open_load import OpenLoad
from loadtests.scenario import Arrival, Arrivals, Scenario
from tests.loadtests.load.green import green
from tests.loadtests.small import phase, scenario

FOR_EVER_S = 1000.0
LATE_S = 1.0
"""Far more than this machine stops for, far less than one of those requests takes."""
SOON_S = 0.1


class FakeAsker:
    """Notes what it is asked to send, and when; each request takes `takes_s`."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.broke = False
        self.asked: list[tuple[Arrival, float, float]] = []
        self._takes_s = takes_s

    def ask(self, arrival: Arrival, due_t: float) -> None:
        self.asked.append((arrival, due_t, time.time()))
        gevent.sleep(self._takes_s)

    @property
    def numbers(self) -> list[int]:
        """In the order of sending."""
        return [arrival.number for arrival, _, _ in self.asked]

    @property
    def latest_s(self) -> float:
        return max(sent - due for _, due, sent in self.asked)


class Load:
    """An open load of a scenario with a fake asker; `meanwhile` runs beside it."""

    def __init__(self, folder: Path, whole: Scenario, *, processes: int = 1, drain_s: float = 0.0) -> None:
        self.folder = folder
        self.job = Job(folder, whole, 7, "mark", "http://127.0.0.1:1", processes, drain_s=drain_s)
        self.beat = Beat(0)
        self.epoch = 0.0
        self.took_s = 0.0

    def run(
        self,
        asker: FakeAsker,
        *,
        process: int = 0,
        control: Control | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> FakeAsker:
        (control or Control()).write(self.folder)
        pulse = Pulse(self.folder, process)
        fake: Any = asker
        load = OpenLoad(self.job, process, fake, pulse, ControlReader(self.folder))

        def both() -> None:
            beside = gevent.spawn(meanwhile)
            self.epoch = time.time()
            load.run(self.epoch)
            self.took_s = time.time() - self.epoch
            beside.get()

        green(both)
        self.beat = pulse.beat
        return asker

    def planned(self) -> list[int]:
        """The numbers in order of time."""
        return [arrival.number for arrival in Arrivals(self.job.scenario, 7).open()]


def test_requests_go_out_when_they_are_due_even_if_each_takes_for_ever(tmp_path: Path) -> None:
    """No coordinated omission: who hangs does not slow down who measures it."""
    load = Load(tmp_path, scenario(phase(for_s=1.0, rate_per_s=100)))
    asker = load.run(FakeAsker(FOR_EVER_S))
    assert asker.numbers == load.planned()
    assert len(asker.asked) > 70
    assert asker.latest_s < LATE_S
    for arrival, due_t, _ in asker.asked:
        assert due_t == pytest.approx(load.epoch + arrival_due_s(load, arrival), abs=1e-6)


def arrival_due_s(load: Load, arrival: Arrival) -> float:
    """When it was planned, in seconds after the beginning."""
    planned = {one.number: one.due_s for one in Arrivals(load.job.scenario, 7).open()}
    return planned[arrival.number]


def test_what_does_not_fit_is_counted_as_not_sent_with_all_its_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_load, "MOST_IN_FLIGHT", 10)
    mix = {"faq": 0, "unique": 0, "refund": 1, "copies": 3}
    load = Load(tmp_path, scenario(phase(for_s=0.5, rate_per_s=100), mix=mix))
    asker = load.run(FakeAsker(FOR_EVER_S))
    assert asker.numbers == load.planned()[:10]
    assert load.beat.not_sent == 3 * (len(load.planned()) - 10) > 0


def test_what_has_ended_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_load, "MOST_IN_FLIGHT", 10)
    load = Load(tmp_path, scenario(phase(for_s=0.5, rate_per_s=100)), drain_s=1)
    asker = load.run(FakeAsker())
    assert asker.numbers == load.planned()
    assert load.beat.not_sent == 0


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_turning_the_rate_keeps_the_sequence_and_changes_only_when(tmp_path: Path, scale: float) -> None:
    load = Load(tmp_path, scenario(phase(for_s=1.0, rate_per_s=60)))
    asker = load.run(FakeAsker(), control=Control(scale=scale))
    works = Arrivals(load.job.scenario, 7).works()
    due = [(number, work) for number, work in takewhile(lambda row: row[1] <= 60 * scale, works)]
    assert asker.numbers == list(range(len(asker.asked)))
    assert len(asker.asked) == pytest.approx(len(due), abs=2)
    for (_, due_t, _), (_, work) in zip(asker.asked, due, strict=False):
        assert due_t - load.epoch == pytest.approx(work / scale / 60, abs=SOON_S)


def test_the_rate_can_be_turned_while_it_runs(tmp_path: Path) -> None:
    load = Load(tmp_path, scenario(phase(for_s=1.6, rate_per_s=50)))

    def turned() -> None:
        gevent.sleep(0.8)
        Control(scale=4).write(tmp_path)

    asker = load.run(FakeAsker(), meanwhile=turned)
    assert asker.numbers == list(range(len(asker.asked))), "none twice, none left out"
    at_s = [due_t - load.epoch for _, due_t, _ in asker.asked]
    assert at_s == sorted(at_s)
    before, after = sum(t < 0.8 for t in at_s), sum(t >= 0.9 for t in at_s)
    assert 20 < before < 65
    assert 90 < after < 190, "four times as many in the other half"
    assert asker.latest_s < LATE_S


def test_several_processes_send_everything_once_between_them(tmp_path: Path) -> None:
    whole = scenario(phase(for_s=0.4, rate_per_s=200, at_once=30))
    load = Load(tmp_path, whole, processes=3)
    askers = [load.run(FakeAsker(), process=process) for process in range(3)]
    assert sorted(number for asker in askers for number in asker.numbers) == sorted(load.planned())
    assert min(len(asker.asked) for asker in askers) > 10
    callers = [{arrival.caller for arrival, _, _ in asker.asked} for asker in askers]
    assert not callers[0] & callers[1]
    assert not callers[1] & callers[2]


def test_those_who_come_together_go_out_together_whatever_the_rate(tmp_path: Path) -> None:
    whole = scenario(phase("a", 0.3, None, at_once=20), phase("b", 0.3, None, at_once=15))
    load = Load(tmp_path, whole)
    asker = load.run(FakeAsker(), control=Control(scale=2))
    assert asker.numbers == load.planned()
    assert [round(due_t - load.epoch, 6) for _, due_t, _ in asker.asked] == [0.0] * 20 + [0.3] * 15


def test_stop_ends_it_at_once(tmp_path: Path) -> None:
    load = Load(tmp_path, scenario(phase(for_s=60, rate_per_s=50)))

    def stopped() -> None:
        gevent.sleep(0.3)
        Control(stop=True).write(tmp_path)

    asker = load.run(FakeAsker(), meanwhile=stopped)
    assert load.took_s < 2
    assert asker.numbers == load.planned()[: len(asker.asked)]
    assert 3 < len(asker.asked) < 60


def test_no_money_left_ends_it(tmp_path: Path) -> None:
    load = Load(tmp_path, scenario(phase(for_s=60, rate_per_s=50)))
    asker = FakeAsker()
    asker.broke = True
    load.run(asker)
    assert (asker.asked, load.took_s < 1) == ([], True)


def test_what_is_in_flight_at_the_end_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    whole = scenario(phase(for_s=0.2, rate_per_s=50))
    load = Load(tmp_path, whole, drain_s=20)
    load.run(FakeAsker(0.7))
    assert 0.6 < load.took_s < 3
    load = Load(tmp_path, whole, drain_s=0.3)
    load.run(FakeAsker(FOR_EVER_S))
    assert 0.3 < load.took_s < 3


def test_what_went_out_late_is_counted(tmp_path: Path) -> None:
    load = Load(tmp_path, scenario(phase(for_s=1.0, rate_per_s=50)))
    asker = FakeAsker()

    def busy() -> None:
        gevent.sleep(0.2)
        time.sleep(0.9)  # as a generator does that cannot keep up

    load.run(asker, meanwhile=busy)
    assert asker.numbers == load.planned(), "late, and sent all the same"
    assert 3 <= load.beat.late < len(asker.asked)
    assert 300 < load.beat.latest_ms < 2000
    assert load.beat.latest_ms == pytest.approx(asker.latest_s * 1000, abs=100)


def test_what_went_out_in_time_is_not_counted_as_late(tmp_path: Path) -> None:
    load = Load(tmp_path, scenario(phase(for_s=0.5, rate_per_s=50)))
    asker = load.run(FakeAsker())
    assert load.beat.late <= sum(sent - due_t > 0.25 for _, due_t, sent in asker.asked)
    assert 0 <= load.beat.latest_ms <= asker.latest_s * 1000


def test_a_beat_is_a_line_and_the_newest_one_counts(tmp_path: Path) -> None:
    reader = BeatReader(tmp_path)
    assert reader.read() == {}
    one, other = Pulse(tmp_path, 0), Pulse(tmp_path, 1)
    one.write()
    other.write()
    assert {number: beat.sent for number, beat in reader.read().items()} == {0: 0, 1: 0}
    one.beat.sent, one.beat.done = 5, True
    one.write()
    with (tmp_path / "beats.jsonl").open("ab") as file:
        file.write(b'{"process": 1, "t": 1')  # half a line: somebody is writing
    assert {number: (beat.sent, beat.done) for number, beat in reader.read().items()} == {0: (5, True), 1: (0, False)}


def test_how_busy_a_process_is_counts_from_the_beginning(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, 0)
    began, used = time.monotonic(), time.process_time()
    pulse.begin()
    while time.process_time() < used + 0.3 or time.monotonic() < began + 1.1:
        pass
    pulse.write()
    share = (time.process_time() - used) / (time.monotonic() - began)
    assert pulse.beat.busy == pytest.approx(share, rel=0.1)
    assert pulse.beat.busy > 0.01
