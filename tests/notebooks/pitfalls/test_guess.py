"""Guesses: what people type, and how near it came."""

import pytest

from notebooks.pitfalls.guess import nearness, number_in


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("12", 12.0),
        (" 0.5 ", 0.5),
        ("1,000", 1000.0),
        ("60 %", 60.0),
        ("$3", 3.0),
        ("3 s", 3.0),
        ("", None),
        ("  ", None),
    ],
)
def test_a_number_is_taken_as_people_write_it(typed: str, number: float | None) -> None:
    assert number_in(typed) == number


@pytest.mark.parametrize("typed", ["many", "-3", "1e999", "3 or 4", "nan"])
def test_what_is_no_number_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(ValueError, match="expected a number such as 12"):
        number_in(typed)


def test_nearness_is_told_in_the_direction_of_the_error() -> None:
    assert nearness(6.0, 6.0) == "exactly what you said"
    assert nearness(5.0, 6.0) == "about what you said"
    assert nearness(2.0, 6.0) == "3.0 times what you said"
    assert nearness(12.0, 6.0) == "you said 2.0 times as much"
    assert nearness(0.0, 6.0) == "you expected none"
    assert nearness(6.0, 0.0) == "you expected some"
