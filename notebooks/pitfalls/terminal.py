"""A result in a terminal of 80 columns: the number as bars, the figures, a strip over time, why, and what to try.

Read `door/pitfall.py` next: the verb that prints it.
"""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from door.console import command_name
from notebooks.pitfalls.catalogue import FOLDER, Pitfall, all_pitfalls
from notebooks.pitfalls.counting import BINS
from notebooks.pitfalls.guess import nearness
from notebooks.pitfalls.result import Figure, Mark, Result, Strip, Verdict, quantity

BLOCKS = " ▁▂▃▄▅▆▇█"
PARTS = " ▏▎▍▌▋▊▉█"
EIGHTHS = 8
STYLES = {"before": "red", "blocking": "magenta", "after": "green"}
INDENT = 2
ROWS = 2
"""Lines that a form's strip is high."""
LONGEST_BAR = 50


def show_list(out: Console) -> None:
    """All pitfalls, a line each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("pitfall")
    table.add_column("the number")
    for pitfall in all_pitfalls():
        table.add_row(str(pitfall.number), pitfall.title, pitfall.counts)
    out.print(table)
    out.print(
        Text(f"{command_name()} pitfall N runs one, before and after under the same load: half a minute at most.")
    )


def show_beginning(out: Console, pitfall: Pitfall) -> None:
    """What it is about, and where its programs are; nothing of what comes out."""
    out.print(Text(f"Pitfall {pitfall.number}: {pitfall.title}", style="bold"))
    out.print(Text(f"chapter: {pitfall.section}", style="dim"))
    out.print(Text(f"Watch: {pitfall.watch}"))
    out.print()
    width = max(len(form.name) for form in pitfall.forms)
    for form in pitfall.forms:
        out.print(Text.assemble(_label(form.name, width), f"  {form.words}"))
    out.print(Text(f"{' ' * INDENT}in {FOLDER.parent.name}/{FOLDER.name}/{pitfall.folder.name}/", style="dim"))
    out.print()


def show(out: Console, result: Result) -> None:
    """The result."""
    findings = result.findings
    out.print(Text(f"{findings.load} (seed {result.seed})", style="dim"))
    out.print()
    _bars(out, result)
    _table(out, result)
    _strip(out, findings.strip)
    style, mark = {
        Verdict.SHOWN: ("green", "✔"),
        Verdict.NOT_SHOWN: ("red", "✘"),
        Verdict.NOT_JUDGED: ("yellow", "?"),
    }[result.verdict]
    out.print(Text(f"{mark} {result.verdict}", style=f"bold {style}"))
    for doubt in findings.doubts:
        out.print(Padding(Text(doubt, style="yellow"), (0, 0, 0, INDENT)))
    for check in findings.checks:
        tick = Text("✔ " if check.holds else "✘ ", style="green" if check.holds else "red")
        out.print(Padding(Text.assemble(tick, check.words), (0, 0, 0, INDENT)))
    out.print()
    for heading, words in (("Why", result.pitfall.why), *(("Note", note) for note in findings.notes)):
        out.print(Text.assemble((f"{heading}: ", "bold"), " ".join(words.split())))
    out.print(Text.assemble(("Try: ", "bold"), " ".join(result.pitfall.attempt.split())))


def bar(value: float, most: float, width: int) -> str:
    """A horizontal bar, to an eighth of a character; the least value above 0 shows."""
    eighths = round(value / most * width * EIGHTHS) if most > 0 else 0
    if value > 0:
        eighths = max(eighths, 1)
    return PARTS[EIGHTHS] * (eighths // EIGHTHS) + (PARTS[eighths % EIGHTHS] if eighths % EIGHTHS else "")


def columns(values: Sequence[float | None], most: float, rows: int = ROWS) -> list[str]:
    """Lines of vertical bars, from top to bottom: a dot is 0, a blank nothing to tell."""
    lines = [""] * rows
    for value in values:
        full = None if value is None else min(round(value / most * rows * EIGHTHS), rows * EIGHTHS)
        if value and not full:
            full = 1
        for row in range(rows):
            left = 0 if full is None else min(max(full - (rows - 1 - row) * EIGHTHS, 0), EIGHTHS)
            dot = row == rows - 1 and full == 0
            lines[row] += "·" if dot else BLOCKS[left]
    return lines


def stretched(values: Sequence[float | None], bins: int = BINS) -> list[float | None]:
    """As many values as the strip has columns."""
    return [values[number * len(values) // bins] for number in range(bins)]


def marks_line(marks: Sequence[Mark], lasts_s: float, bins: int = BINS) -> str:
    """Bands with their words above a strip: `├── 503 ──┤`, or `▼ restart` for a moment."""
    line = [" "] * bins
    for mark in marks:
        first = min(int(mark.from_s / lasts_s * bins), bins - 1)
        last = min(max(int(mark.to_s / lasts_s * bins), first + 1), bins) - 1
        if mark.from_s == mark.to_s:
            text = f"▼ {mark.words}"[: bins - first]
            line[first : first + len(text)] = text
        elif first == last:
            line[first] = "│"
        else:
            room = last - first - 1
            words = f" {mark.words} " if room >= len(mark.words) + INDENT else ""
            line[first : last + 1] = f"├{words.center(room, '─')}┤"
    return "".join(line).rstrip()


def _bars(out: Console, result: Result) -> None:
    figure = result.figure
    known = [value for value in figure.values.values() if value is not None]
    guess, guessed = result.guess, result.pitfall.asked.guessed
    most = max([*known, guess or 0.0, 1e-9])
    width = max(map(len, figure.values))
    said = {form: figure.said(form) for form in figure.values}
    longest = min(LONGEST_BAR, out.width - INDENT - width - 4 - max(map(len, said.values())))
    out.print(Text(figure.words, style="bold"))
    for form, value in figure.values.items():
        drawn = bar(value or 0.0, most, longest)
        out.print(Text.assemble(_label(form, width), "  ", (drawn, STYLES[form]), f" {said[form]}"), no_wrap=True)
        if guess is not None and form == guessed:
            drawn = bar(guess, most, longest)
            line = (" " * INDENT, f"{'guess':<{width}}", "  ", (drawn, "dim"), f" {quantity(guess, figure.unit)}")
            out.print(Text.assemble(*line), no_wrap=True)
    if guess is not None and (came := figure.values[guessed]) is not None:
        out.print(Padding(Text(f"your guess for {guessed}: {nearness(guess, came)}"), (0, 0, 0, INDENT)))
    if (words := ratio(figure, result)) is not None:
        out.print(Padding(Text(words), (0, 0, 0, INDENT)))


def ratio(figure: Figure, result: Result) -> str | None:
    """How many times the larger one is the smaller; None where that says nothing."""
    first = "blocking" if "blocking" in figure.values else "before"
    one, other = figure.values[first], figure.values["after"]
    if not one or not other:
        return None
    larger, smaller = (first, "after") if one > other else ("after", first)
    return f"{larger} is {max(one, other) / min(one, other):.1f} times {smaller}"


def _table(out: Console, result: Result) -> None:
    forms = [form.name for form in result.pitfall.forms]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("")
    for form in forms:
        table.add_column(Text(form, style=STYLES[form]), justify="right", no_wrap=True)
    for figure in result.findings.figures:
        if figure is not result.figure:
            table.add_row(figure.words, *(figure.said(form) for form in forms))
    out.print()
    out.print(Padding(table, (0, 0, 0, INDENT)))
    out.print()


def _strip(out: Console, strip: Strip) -> None:
    width = max(map(len, strip.values))
    out.print(Text.assemble((strip.words, "bold"), f"; full height is {quantity(strip.highest, strip.unit)}"))
    blank = " " * (INDENT + width + 2)
    if shared := marks_line([mark for mark in strip.marks if mark.form is None], strip.lasts_s, BINS):
        out.print(Text(f"{blank}{shared}", style="yellow"), no_wrap=True)
    for form, values in strip.values.items():
        *upper, lowest = columns(stretched(values), strip.highest)
        if own := marks_line([mark for mark in strip.marks if mark.form == form], strip.lasts_s, BINS):
            out.print(Text(f"{blank}{own}", style="yellow"), no_wrap=True)
        for line in upper:
            out.print(Text.assemble(blank, (line, STYLES[form])), no_wrap=True)
        out.print(Text.assemble(_label(form, width), "  ", (lowest, STYLES[form])), no_wrap=True)
    end = f"{strip.lasts_s:g} s"
    out.print(Text(f"{blank}0{end:>{BINS - 1}}", style="dim"), no_wrap=True)
    out.print()


def _label(form: str, width: int) -> Text:
    return Text(f"{' ' * INDENT}{form:<{width}}", style=STYLES[form])
