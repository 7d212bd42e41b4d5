"""Draws steps as a waterfall: words on the left, the time each took on the right.

It needs 80 columns and uses more when there are more; without colours the kinds of bars still differ. Read
`dashboard/story/steps.py` for where the steps come from.
"""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from dashboard.story.steps import Kind, Step

BARS: dict[Kind, tuple[str, str]] = {
    "server": ("━", "bold"),
    "stage": ("━", "blue"),
    "decision": ("·", "dim"),
    "call": ("█", "green"),
    "failed call": ("█", "red"),
    "wait": ("░", "yellow"),
}
"""Kind -> character and style of its bar."""

WIDEST_BAR = 48
DEEPEST = 8
"""Deeper steps are not moved further to the right."""


def drawn(steps: Sequence[Step], width: int) -> Table:
    """The waterfall in `width` columns; the scale goes from the request's arrival to the end of the last step."""
    end_ms = max((step.t_ms + (step.duration_ms or 0) for step in steps), default=0) or 1.0
    bar_width = min(WIDEST_BAR, width * 3 // 10)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", width=width)
    table.add_column("at ms", justify="right", no_wrap=True)
    table.add_column("what was decided, and from what", ratio=1, overflow="fold")
    table.add_column(f"0{f'{end_ms:,.0f} ms':>{bar_width - 1}}", no_wrap=True, width=bar_width)
    table.add_column("ms", justify="right", no_wrap=True)
    for step in steps:
        table.add_row(
            f"{step.t_ms:,.0f}",
            _what(step),
            _bar(step, end_ms, bar_width),
            "" if step.duration_ms is None else f"{step.duration_ms:,.1f}",
        )
    return table


def _what(step: Step) -> Table:
    """Name and words, moved to the right by the depth, so that folded lines keep their place."""
    line = Table.grid(padding=0)
    line.add_column(width=min(step.depth, DEEPEST))
    line.add_column(ratio=1, overflow="fold")
    text = Text()
    if step.name:
        text.append(step.name, style="bold red" if step.kind == "failed call" else "bold")
    if step.words:
        text.append("  " if step.name else "· ").append(step.words, style="yellow" if step.kind == "wait" else "")
    line.add_row("", text)
    return line


def _bar(step: Step, end_ms: float, width: int) -> Text:
    character, style = BARS[step.kind]
    start = min(int(step.t_ms / end_ms * width), width - 1)
    length = max(round((step.duration_ms or 0) / end_ms * width), 1)
    return Text(" " * start + character * min(length, width - start), style=style)
