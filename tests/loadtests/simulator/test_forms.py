"""A prompt that asks for one JSON object gets one, whatever the message says."""

from __future__ import annotations

import orjson
import pytest

from loadtests.simulator.forms import filled

SYSTEM = """Answer with one JSON object and nothing else, in this form:
{"wants_refund": boolean, "order": id or null, "amount": cents or null, "reason": text}"""


@pytest.mark.parametrize(
    ("message", "order", "amount"),
    [
        ("Please refund order alice-1003 because it is broken.", "alice-1003", None),
        ("Please refund order 1003.", "1003", None),
        ("Please refund order 1003, it is broken.", "1003", None),
        ("Please refund order #1003!", "#1003", None),
        ("Refund $15.00 of order alice-1001", "alice-1001", 1_500),
        ("Refund 1299.50 USD.", None, 129_950),
        ("Refund it, amount: 999999", "999999", 99_999_900),
        ("Refund order 1003, amount: 99999999999999999999999", "1003", None),
        ("Refund $99999999999999999999999 of order 1003.", "1003", None),
        ("Refund 99999999999999999999999 USD of order a-1003.", "a-1003", None),
    ],
)
def test_an_order_and_a_sum_are_found_as_people_write_them(message: str, order: str | None, amount: int | None) -> None:
    form = filled(SYSTEM, message)
    assert form is not None
    found = orjson.loads(form)
    assert (found["wants_refund"], found["order"], found["amount"]) == (True, order, amount)


def test_who_asks_for_no_object_gets_none() -> None:
    assert filled("You are helpful.", "Refund order 1003.") is None
