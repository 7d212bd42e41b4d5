"""Verdicts and quantities."""

import json

import pytest

from notebooks.pitfalls.result import Verdict, quantity

from . import made


def test_it_showed_itself_only_where_every_contrast_is_there_and_nothing_is_in_doubt() -> None:
    assert made.result().verdict is Verdict.SHOWN
    assert made.result(holds=False).verdict is Verdict.NOT_SHOWN
    assert made.result(doubts=["late"]).verdict is Verdict.NOT_JUDGED


def test_a_value_that_was_cut_off_is_told_as_a_bound() -> None:
    figure = made.result().findings.figures[1]
    assert figure.said("before") == "> 2.5 s"
    assert figure.said("after") == "–"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1000, "", "1,000"),
        (6.53, "", "6.5"),
        (0.5, "", "0.50"),
        (61.25, "%", "61.2 %"),
        (999.4, "ms", "999 ms"),
        (2040, "ms", "2.0 s"),
        (0.0123, "USD", "$0.0123"),
        (12.96, "USD", "$12.96"),
        (0, "USD", "$0.00"),
    ],
)
def test_quantities_have_as_many_digits_as_say_something(value: float, unit: str, said: str) -> None:
    assert quantity(value, unit) == said


def test_the_document_is_json_with_every_number() -> None:
    document = json.loads(json.dumps(made.result(guess=5.0).document()))
    assert document["numbers"]["calls_per_hour"] == {"before": 360.0, "after": 0.0}
    assert (document["guess"], document["verdict"], document["number"]) == (5.0, "shown", "calls_per_hour")
