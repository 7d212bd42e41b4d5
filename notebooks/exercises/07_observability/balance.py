"""A learner's record held against the ledger's rows of its request, for the probes of exercise 7.

What agrees is joined on target and number; what the provider never stated is compared as an interval. Read `probes.py`
next; loadtests/books does the same for the whole service.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from notebooks.grader import World

PRICES = {"anthropic": (5_000, 25_000), "openai": (150, 600)}
"""Nano-USD per token in and out, of the models that the providers here are asked for."""
MAX_TOKENS = 200
MOST_ROWS = 8

Row = Mapping[str, Any]


class Book:
    """What the learner's code writes to: a copy is kept, so that nothing changes later."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.records: list[dict[str, Any]] = []

    def write(self, record: Any) -> None:
        """Keep a record."""
        self.records.append(json.loads(json.dumps(asdict(record), default=repr)))
        row = self.records[-1]
        self._world.note("book", f"{row['outcome']}, {many(row['attempts'], 'call')}", ok=row["outcome"] == "answered")


def many(things: Sequence[Any], word: str) -> str:
    return f"{len(things)} {word}" + ("" if len(things) == 1 else "s")


async def balance(world: World, book: Book, wanted: Any, given: str, *, outcome: str, calls: Sequence[str]) -> Row:
    """Expect one record of a request that agrees with the ledger's calls of it: `calls` as in `anthropic 503`."""
    rows = await world.simulator.calls()
    record = _only(world, book, wanted, given)
    _same_calls(world, record, rows, given, calls)
    attempts = record["attempts"]
    odd = [one for one, row in zip(attempts, rows, strict=True) if not _tokens(one, row)]
    world.expect(
        not odd,
        given=given,
        expected="the tokens that the provider stated (0 where it refused), None where it stated none",
        seen=table(attempts, rows),
    )
    world.expect(
        record["outcome"] == outcome,
        given=given,
        expected=f"the outcome {outcome!r}",
        seen=f"{record['outcome']!r}",
    )
    return record


async def balance_to_the_nano(
    world: World, book: Book, wanted: Any, given: str, *, outcome: str, calls: Sequence[str]
) -> None:
    """The same, and the money."""
    record = await balance(world, book, wanted, given, outcome=outcome, calls=calls)
    rows = await world.simulator.calls()
    odd = [one for one, row in zip(record["attempts"], rows, strict=True) if not _money(one, row)]
    world.expect(
        not odd,
        given=given,
        expected="whole nano-USD: what the ledger has, or where nothing was stated None and a bound above it",
        seen=table(record["attempts"], rows),
    )
    cost = sum(one["cost_nano_usd"] or 0 for one in record["attempts"])
    most = sum(one["most_nano_usd"] for one in record["attempts"])
    told = (record["cost_nano_usd"], record["most_nano_usd"])
    world.expect(
        told == (cost, most) and all(type(one) is int for one in told),
        given=given,
        expected=f"a record with cost_nano_usd {cost} and most_nano_usd {most}, the sums of its attempts",
        seen=f"{told[0]!r} and {told[1]!r}",
    )


def _only(world: World, book: Book, wanted: Any, given: str) -> dict[str, Any]:
    ids = [record["request_id"] for record in book.records]
    words = many(ids, "record") + ":" if ids else "an empty book"
    world.expect(
        ids == [wanted.request_id],
        given=given,
        expected=f"one record, of the request {wanted.request_id}",
        seen=words + "".join(f"\n{one}" for one in ids[:MOST_ROWS]),
    )
    return book.records[0]


def _same_calls(world: World, record: Row, rows: Sequence[Row], given: str, calls: Sequence[str]) -> None:
    """The client has called whom it should, and the record says so."""
    called = [f"{row['target']} {_status(row)}" for row in rows]
    attempts = record["attempts"]
    numbers = [row["attempt"] for row in rows]
    joined = [(one["target"], one["n"], one["status"]) for one in attempts]
    wanted = [(row["target"], row["attempt"], _seen(row)) for row in rows]
    world.expect(
        called == list(calls),
        given=given,
        expected=f"the calls of the starter: {', '.join(calls)}",
        seen=f"at the ledger: {', '.join(called) or 'none'}",
    )
    world.expect(
        numbers == list(range(1, len(rows) + 1)),
        given=given,
        expected=f"calls numbered from 1 to {len(rows)}: of the request, not of a provider",
        seen=f"the ledger was told {', '.join(map(str, numbers))}",
    )
    world.expect(
        joined == wanted,
        given=given,
        expected="an attempt for each call of the ledger, with its target, number and status",
        seen=table(attempts, rows),
    )


def _answered(row: Row) -> bool:
    return bool(row["completed"])


def _status(row: Row) -> Any:
    return row["status"] if _answered(row) else "without an answer"


def _seen(row: Row) -> Any:
    """The status as the client saw it."""
    return row["status"] if _answered(row) else None


def _ending(row: Row) -> str:
    """The ledger's status, or how the call ended where the client saw none."""
    return str(row["status"]) if _answered(row) else "left" if row["cancelled"] else "cut"


def _tokens(one: Row, row: Row) -> bool:
    stated = (row["input_tokens"], row["output_tokens"]) if _answered(row) else (None, None)
    return (one["input_tokens"], one["output_tokens"]) == stated


def _money(one: Row, row: Row) -> bool:
    cost, most, billed = one["cost_nano_usd"], one["most_nano_usd"], row["billed_nano_usd"]
    if _answered(row):
        return type(cost) is int and type(most) is int and cost == most == billed
    return cost is None and type(most) is int and billed <= most


def agrees(one: Row, row: Row) -> bool:
    """Whether an attempt has the tokens and the money of a call."""
    return _tokens(one, row) and _money(one, row)


def table(attempts: Sequence[Row], rows: Sequence[Row]) -> str:
    """Book and ledger side by side, at most 64 columns; `≠` where they differ."""
    lines = [f"{'':15}{'your book':24}  {'ledger':24}", f"  n  {'target':10}{HEAD}  {HEAD}"]
    theirs = {(row["target"], row["attempt"]): row for row in rows}
    ours = {(one["target"], one["n"]): one for one in attempts}
    for target, n in [*theirs, *(key for key in ours if key not in theirs)][:MOST_ROWS]:
        one, row = ours.get((target, n)), theirs.get((target, n))
        same = one is not None and row is not None and agrees(one, row) and one["status"] == _seen(row)
        left = _cells(one, _said(one["status"]), "cost_nano_usd") if one else f"{'not in it':>24}"
        right = _cells(row, _ending(row), "billed_nano_usd") if row else f"{'no such call':>24}"
        lines.append(f"{' ' if same else '≠'} {n!s:2} {target!s:10}{left}  {right}")
    return "\n".join(lines)


HEAD = f"{'':>5}{'in':>5}{'out':>5}{'nano-USD':>9}"


def _cells(row: Row, ending: str, money: str) -> str:
    tokens = (row["input_tokens"], row["output_tokens"])
    cost = row[money]
    words = f"≤{row['most_nano_usd']}" if cost is None else str(cost)
    return f"{ending:>5}{_said(tokens[0]):>5}{_said(tokens[1]):>5}{words:>9}"


def _said(value: object) -> str:
    return "-" if value is None else str(value)


async def expect_bounds(world: World, record: Row, wanted: Any, given: str) -> None:
    """No bound is wider than what the request can cost, and none narrower: the ledger knows how long the prompt was."""
    rows = await world.simulator.calls()
    size = sum(len(message["content"].encode()) + 8 for message in wanted.messages)
    for one, row in zip(record["attempts"], rows, strict=True):
        per_input, per_output = PRICES[one["target"]]
        most = size * per_input + MAX_TOKENS * per_output
        world.expect(
            one["most_nano_usd"] <= most,
            given=given,
            expected=f"a bound of at most {most} nano-USD: {size} tokens in at {per_input}, 200 out at {per_output}",
            seen=f"{one['most_nano_usd']}",
        )
        least = row["input_tokens"] * per_input + MAX_TOKENS * per_output
        world.expect(
            _answered(row) or one["most_nano_usd"] >= least,
            given=given,
            expected=f"a bound of {least} nano-USD or more: {row['input_tokens']} tokens in, as the ledger knows, "
            f"and {MAX_TOKENS} out",
            seen=f"{one['most_nano_usd']}",
        )
