"""A guess is laid beside what was measured; a number within a fifth counts as right."""

import numpy as np
import pytest

from notebooks.guess import predict


@pytest.mark.parametrize(
    ("guess", "actual", "right"),
    [
        (100, 1, False),
        (5, 6, True),
        (1, np.int64(1), True),
        ("stale", "stale", True),
        (True, 1.0, True),
        ("1", 1, False),
    ],
)
def test_right_is_equal_or_close(guess: object, actual: object, right: bool) -> None:
    assert predict("?", guess).is_right(actual) is right


def test_both_are_printed_with_their_unit(capsys: pytest.CaptureFixture[str]) -> None:
    predict("How many?", guess=12_000).check(0.25, "%")
    assert capsys.readouterr().out == ("How many?\n  your guess  12,000 %\n  measured    0.25 %   but it was not so\n")
    predict("Who?", guess="nobody").check("nobody")
    assert capsys.readouterr().out.endswith("measured    nobody   and so it was\n")
