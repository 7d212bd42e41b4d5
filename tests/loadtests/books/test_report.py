"""What a person reads: amounts with every digit and aligned, at most 80 columns, the requests that differ first."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from loadtests.books import report
from loadtests.books.findings import Reconciliation
from loadtests.books.money import usd

from .world import World, balanced, rid


def shown(found: Reconciliation, width: int = 80) -> str:
    page = io.StringIO()
    report.show(found, "The books of run X", "gauntlet", Console(width=width, file=page))
    return page.getvalue()


def altered(n: int) -> World:
    """A world with `n` more requests of which no call is known to the ledger."""
    world = balanced()
    for number in range(n):
        world.add(f"more {number}", 20 + number, entry={}, record={})
        world.records[-1] = replace(world.records[-1], attempts=balanced().records[0].attempts, input_tokens=100)
    return world


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "$0.000000000"), (1, "$0.000000001"), (-1, "-$0.000000001"), (1_234_000_000_567, "$1,234.000000567")],
)
def test_money_is_shown_to_the_nano(nano: int, text: str) -> None:
    assert usd(nano) == text


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for world in (balanced(), altered(12)):
        assert max(map(len, shown(world.judged(), width).splitlines())) <= width


def test_amounts_of_a_column_end_in_one_place() -> None:
    lines = [line for line in shown(balanced().judged()).splitlines() if "$" in line and "balanced" in line]
    assert len(lines) == 2
    assert len({line.index(" balanced") for line in lines}) == 1


def test_books_that_balance_say_so_and_what_is_explained() -> None:
    text = shown(balanced().judged())
    assert text.rstrip().endswith("The books balance; 3 are explained above.")
    assert f"1  lost by the kill of 222-bb\n         {rid('killed')}" in text
    assert "2  calls without a request id of ours" in text
    assert "differs" not in text


def test_differences_name_the_request_and_the_command_that_shows_it() -> None:
    world = balanced()
    world.calls = [replace(row, billed_nano_usd=row.billed_nano_usd + (row.seq == 1)) for row in world.calls]
    text = shown(world.judged())
    assert (
        f"gauntlet trace {rid('plain')}\n  anthropic, attempt 1, cost: service $0.001000001, ledger $0.001000002"
        in text
    )
    assert text.rstrip().endswith("The books do not balance: 1 difference in 1 request.")


def test_of_many_requests_the_first_ten_are_shown() -> None:
    text = shown(altered(12).judged())
    assert text.count("gauntlet trace ") == 10
    assert "… and 2 more requests; --json lists all" in text
    assert "The books do not balance" in text


def test_nothing_at_all_is_said() -> None:
    text = shown(Reconciliation())
    assert "Nothing of that time is in the books." in text
    assert "The books balance." in text


def test_json_has_every_line_and_every_difference() -> None:
    found = altered(12).judged()
    document = json.loads(json.dumps(report.document(found, {"run": "X"})))
    assert (document["verdict"], document["run"]) == ("differences", "X")
    assert len(document["differences"]) == len(found.differences)
    line = next(line for line in document["lines"] if line["rule"] == "lost")
    assert line["ids"] == [rid("killed")]
    assert set(line) == {"rule", "what", "kind", "unit", "client", "service", "ledger", "ids"}
