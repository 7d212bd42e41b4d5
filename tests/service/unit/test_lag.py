"""How late a worker is: by a clock that the test turns."""

import pytest

from service.lag import PERIOD_S, REMEMBERED_S, Lag

from .fakes import FakeClock, until

LIMIT_S = 0.1


class Worker:
    """Its timer rings when the test says so; the event loop gets no chance to."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.lag = Lag(limit_s=LIMIT_S, clock=clock)

    def passes(self, seconds: float) -> None:
        """Time in which the loop does nothing of ours."""
        self.clock.now += seconds

    def rings(self, *late_s: float) -> None:
        for late in late_s:
            self.passes(PERIOD_S + late)
            self.lag._ring()


@pytest.fixture
async def worker(clock: FakeClock) -> Worker:
    worker = Worker(clock)
    worker.lag.start()
    return worker


async def test_before_it_listens_it_is_never_late(clock: FakeClock) -> None:
    worker = Worker(clock)
    worker.passes(10)
    assert (worker.lag.behind, worker.lag.mean_s, worker.lag.lost_s(5)) == (False, 0.0, 0.0)


async def test_one_long_pause_is_no_overload_and_two_in_a_row_are(worker: Worker) -> None:
    worker.rings(0.0, 3.0)
    assert not worker.lag.behind
    worker.rings(3.0)
    assert worker.lag.behind
    worker.rings(0.0, 0.0)
    assert not worker.lag.behind, "it has caught up"


async def test_who_is_late_all_the_time_is_behind_though_never_by_much(worker: Worker) -> None:
    worker.rings(*[LIMIT_S * 0.9] * 100)
    assert not worker.lag.behind
    worker.rings(*[LIMIT_S * 0.6, LIMIT_S * 1.8] * 20)
    assert worker.lag.behind
    assert LIMIT_S < worker.lag.mean_s < LIMIT_S * 1.8


async def test_what_was_lost_is_told_of_the_last_seconds_alone(worker: Worker) -> None:
    worker.rings(*[0.0] * 20)
    assert worker.lag.lost_s(2.0) == 0.0
    worker.rings(0.5, 0.0)
    assert worker.lag.lost_s(2.0) == pytest.approx(0.5)
    assert worker.lag.lost_s(0.01) == pytest.approx(0.0)
    worker.rings(*[0.0] * 50)
    assert worker.lag.lost_s(2.0) == 0.0
    assert worker.lag.lost_s(4.0) == pytest.approx(0.5)


async def test_of_a_pause_before_those_seconds_nothing_is_told(worker: Worker) -> None:
    worker.rings(3.0)
    worker.rings(*[0.0] * 38)  # 1.9 s
    assert worker.lag.lost_s(2.0) == pytest.approx(0.1)
    assert worker.lag.lost_s(5.0) == pytest.approx(3.0)
    worker.rings(*[0.0] * 200)
    assert worker.lag.lost_s(5.0) == pytest.approx(0.0)


async def test_after_its_end_it_is_never_late(worker: Worker) -> None:
    worker.rings(3.0, 3.0, 3.0)
    assert worker.lag.mean_s > 1.0, "told as it is"
    worker.lag.stop()
    worker.passes(3.0)
    assert (worker.lag.behind, worker.lag.mean_s, worker.lag.lost_s(2.0)) == (False, 0.0, 0.0)


async def test_a_ring_that_is_overdue_counts_before_it_rings(worker: Worker) -> None:
    """Who was stopped meets the time-outs of his calls first."""
    worker.rings(0.0)
    worker.passes(PERIOD_S + 3.0)
    assert worker.lag.lost_s(2.0) == 2.0, "never more than there was"
    assert worker.lag.lost_s(4.0) == pytest.approx(3.0)


async def test_it_remembers_no_more_than_it_tells(worker: Worker) -> None:
    worker.rings(*[0.0] * 1000)
    assert len(worker.lag._past) <= REMEMBERED_S / PERIOD_S + 2


async def test_it_rings_by_itself_until_it_is_stopped(clock: FakeClock) -> None:
    lag = Lag(limit_s=LIMIT_S, clock=clock)
    lag.start()
    clock.now += 7.0
    await until(lambda: len(lag._past) > 1)
    assert lag.lost_s(5.0) == 5.0
    lag.stop()
    assert lag._timer is not None
    assert lag._timer.cancelled()
