"""The spend guard: what is spent and what is in flight never pass the limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.purse import FIRST_USD, MARGIN, NANO_USD, Purse

FIRST = round(FIRST_USD * NANO_USD)


@given(
    limit=st.integers(0, 50 * FIRST),
    requests=st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(1, 40)), max_size=200),
)
def test_the_limit_is_not_passed_whatever_is_in_flight(limit: int, requests: list[tuple[float, bool, int]]) -> None:
    """Each costs at most what was set aside for it, or nobody says what; so many are in flight at a time."""
    purse = Purse(limit)
    flying: list[tuple[int, float, bool]] = []
    for share, known, most_flying in requests:
        reserved = purse.take()
        if reserved is not None:
            flying.append((reserved, share, known))
        assert purse.spent + purse.reserved <= limit
        while len(flying) >= most_flying or (reserved is None and flying):
            aside, share_of_it, is_known = flying.pop(0)
            purse.settle(aside, int(aside * share_of_it) if is_known else None)
            assert purse.spent + purse.reserved <= limit


def test_before_any_answer_the_dearest_that_is_likely_is_set_aside() -> None:
    purse = Purse(3 * FIRST)
    assert [purse.take() for _ in range(4)] == [FIRST, FIRST, FIRST, None]


def test_then_the_dearest_one_seen_and_some_more() -> None:
    purse = Purse(100 * FIRST)
    for cost in (1_000_000, 3_000_000, 2_000_000):
        reserved = purse.take()
        assert reserved is not None
        purse.settle(reserved, cost)
    assert purse.take() == round(3_000_000 * MARGIN)
    assert (purse.spent, purse.reserved) == (6_000_000, round(3_000_000 * MARGIN))


def test_what_nobody_tells_the_cost_of_counts_as_what_was_set_aside() -> None:
    purse = Purse(2 * FIRST)
    reserved = purse.take()
    assert reserved is not None
    purse.settle(reserved, None)
    assert (purse.spent, purse.reserved) == (FIRST, 0)
    assert purse.take() is not None
    assert purse.take() is None


def test_without_a_limit_it_only_counts() -> None:
    purse = Purse()
    for _ in range(1000):
        reserved = purse.take()
        assert reserved is not None
        purse.settle(reserved, 5 * FIRST)
    assert purse.spent == 5000 * FIRST
