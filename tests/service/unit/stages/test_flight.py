"""Single-flight within a worker: who leads, who shares, and how a leader hands over."""

import asyncio

import pytest

from service.stages.flight import Flights


async def test_the_first_leads_and_the_others_wait_for_it() -> None:
    flights = Flights[str]()
    flight, leader = flights.join("q", "one")
    assert leader is None
    again, waiter = flights.join("q", "two")
    assert again is flight
    assert waiter is not None
    assert flight.owner == "one"
    flight.land("42")
    assert await waiter == "42"


async def test_different_keys_do_not_wait_for_each_other() -> None:
    flights = Flights[str]()
    flights.join("q", "one")
    assert flights.join("r", "two")[1] is None


async def test_a_failure_is_shared_by_all_who_wait() -> None:
    flights = Flights[str]()
    flight, _ = flights.join("q", "one")
    waiters = [flights.join("q", "x")[1] for _ in range(3)]
    flight.fail(ValueError("no"))
    for waiter in waiters:
        assert waiter is not None
        with pytest.raises(ValueError, match="no"):
            await waiter


async def test_handing_over_wakes_exactly_the_next_waiter_with_the_lead() -> None:
    flights = Flights[str]()
    flight, _ = flights.join("q", "one")
    first, second = flights.join("q", "x")[1], flights.join("q", "y")[1]
    assert first is not None
    assert second is not None
    assert flight.hand_over()
    assert await first is None
    assert not second.done()
    flight.land("42")
    assert await second == "42"


async def test_handing_over_skips_waiters_that_have_left() -> None:
    flights = Flights[str]()
    flight, _ = flights.join("q", "one")
    gone, here = flights.join("q", "x")[1], flights.join("q", "y")[1]
    assert gone is not None
    assert here is not None
    gone.cancel()
    assert flight.hand_over()
    assert here.done()


async def test_there_is_nobody_to_hand_over_to() -> None:
    flights = Flights[str]()
    flight, _ = flights.join("q", "one")
    assert not flight.hand_over()
    waiter = flights.join("q", "x")[1]
    assert waiter is not None
    waiter.cancel()
    assert not flight.hand_over()


async def test_an_old_flight_cannot_close_a_new_one() -> None:
    flights = Flights[str]()
    old, _ = flights.join("q", "one")
    flights.close("q", old)
    new, leader = flights.join("q", "two")
    assert leader is None
    assert new is not old
    flights.close("q", old)
    assert flights.join("q", "three")[0] is new
    flights.close("q", new)
    assert flights.join("q", "four")[1] is None


async def test_landing_wakes_waiters_in_the_order_they_came() -> None:
    flights = Flights[str]()
    flight, _ = flights.join("q", "one")
    order: list[int] = []

    async def wait(number: int) -> None:
        waiter = flights.join("q", "x")[1]
        assert waiter is not None
        await waiter
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(wait(number))
        await asyncio.sleep(0)
        flight.land("42")
    assert order == list(range(20))
