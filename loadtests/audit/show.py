"""The grid in a terminal: number, verdict, promise, and the evidence in words. Read `report.py` for the other forms."""

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from loadtests.audit.claims import Verdict
from loadtests.audit.report import SIGNS, Finding, Report

STYLES = {Verdict.PROVED: "green", Verdict.REFUTED: "red", Verdict.UNOBSERVABLE: "yellow"}
WIDEST = 120
"""Longer lines are not read more easily."""


def show(report: Report, console: Console) -> None:
    """Print it."""
    table = Table(box=box.HORIZONTALS, show_lines=True, pad_edge=False, padding=(0, 1))
    for name, justify in (("", "right"), ("verdict", "left"), ("promise and evidence", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for finding in report.findings:
        table.add_row(str(finding.number), verdict(finding.verdict), _evidence(finding))
    console.print(table, width=min(console.width, WIDEST))
    for note in report.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    console.print(Text.assemble(*_counts(report), f"; {report.service}, {report.ended - report.began:.0f} s"))


def verdict(found: Verdict) -> Text:
    """The word in its colour."""
    return Text(found.upper(), style=f"bold {STYLES[found]}")


def _evidence(finding: Finding) -> Group:
    lines = Table.grid(padding=(0, 1))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for claim in finding.claims:
        lines.add_row(Text(SIGNS[claim.verdict], style=f"bold {STYLES[claim.verdict]}"), Text(claim.words))
    for needs in finding.needs:
        lines.add_row(Text("→", style="yellow"), Text(f"needs {needs}", style="yellow"))
    return Group(Text(finding.promise, style="bold"), lines)


def _counts(report: Report) -> list[Text | str]:
    parts: list[Text | str] = []
    for one in Verdict:
        count = report.count(one)
        parts += [", " if parts else "", Text(f"{count} {one}", style=f"bold {STYLES[one]}" if count else "dim")]
    return parts
