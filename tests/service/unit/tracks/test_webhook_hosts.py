"""Slots per receiver, and how long those wait who find none."""

import pytest

from service.tracks.webhook_hosts import LEAST_S, MOST_S, Hosts


def middle() -> float:
    return 0.5


def test_a_receiver_has_so_many_slots_and_no_other_has_fewer_for_it() -> None:
    hosts = Hosts(2, middle)
    assert [hosts.take("a", str(n)) is None for n in range(3)] == [True, True, False]
    assert hosts.take("b", "4") is None
    hosts.give_back("a", 0.1)
    assert hosts.take("a", "2") is None


def test_who_finds_none_waits_for_as_long_as_those_before_it_take() -> None:
    hosts = Hosts(2, middle)
    for name in ("x", "y", "z"):
        hosts.take("a", name)
    hosts.give_back("a", 10.0)
    assert hosts.take("a", "z") is None
    assert [hosts.take("a", str(n)) for n in range(4)] == [5.0, 10.0, 15.0, 20.0]
    assert hosts.take("a", "3") == 20.0, "who asks again is not counted again"
    assert hosts.take("a", "4") == pytest.approx(25.0)
    assert [hosts.take("a", str(n)) for n in range(5, 100)][-1] == MOST_S


def test_a_quick_receiver_is_asked_again_soon() -> None:
    hosts = Hosts(1, middle)
    hosts.take("a", "x")
    assert hosts.take("a", "y") == LEAST_S


def test_nothing_is_kept_of_a_receiver_that_nobody_calls() -> None:
    hosts = Hosts(1, middle)
    hosts.take("a", "x")
    hosts.take("a", "y")
    hosts.give_back("a", 30.0)
    assert not hosts._hosts
