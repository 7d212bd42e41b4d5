"""What is counted: at once, per piece of time, quantiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notebooks.pitfalls import counting
from notebooks.pitfalls.load import Answer, Due
from notebooks.pitfalls.simulator import Call

SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=30)


def call(start_s: float, end_s: float | None) -> Call:
    return Call("anthropic", start_s, end_s, 200, 10, 0.001)


def answer(at_s: float, status: int | None) -> Answer:
    return Answer(Due(at_s, "chat", "/chat"), at_s, at_s + 1, status, lost=False)


@given(SPANS)
def test_most_at_once_is_what_one_counts_at_the_beginning_of_each(drawn: list[tuple[int, int]]) -> None:
    spans = [(float(start), float(start + length)) for start, length in drawn]
    by_hand = max((sum(a <= start < b for a, b in spans) for start, _ in spans), default=0)
    assert counting.at_once(spans) == by_hand


def test_a_call_that_is_open_counts_until_the_end() -> None:
    assert counting.open_spans([call(1.0, 2.0), call(3.0, None)], 10.0) == [(1.0, 2.0), (3.0, 10.0)]


def test_pieces_of_time_tell_rates_levels_and_shares() -> None:
    assert counting.rate_per_bin([0.1, 0.2, 1.5, 9.0], 2.0, bins=2) == [2.0, 1.0]
    assert counting.open_per_bin([(0.0, 1.2), (0.4, 2.0)], 2.0, bins=2) == [2.0, 1.0]
    answers = [answer(0.1, 200), answer(0.2, 503), answer(2.5, None)]
    assert counting.share_per_bin(answers, 3.0, bins=3) == [50.0, None, 0.0]


def test_quantiles_are_of_what_there_is() -> None:
    assert counting.quantile(range(100), 0.99) == 99
    assert counting.quantile([5.0], 0.5) == 5.0
    assert counting.quantile([], 0.5) is None


def test_shares_are_of_those_that_were_due_then() -> None:
    answers = [answer(0.0, 200), answer(1.0, 200), answer(1.5, 503), answer(2.0, 200)]
    assert counting.share_ok(counting.due_between(answers, 1.0, 2.0)) == pytest.approx(50.0)
    assert counting.share_ok([]) is None
