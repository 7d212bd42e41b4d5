"""How all pictures look: one colour per meaning, one size, a title that says what is seen. Read `waterfall.py` next.

A picture stands alone: title, units, legend. The hues are those of Okabe and Ito (Color Universal Design, 2008), the
same for the same meaning as on the dashboard (a test holds them equal).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import altair as alt
import pandas as pd  # type: ignore[import-untyped]

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#E5D000"
ORANGE, VERMILLION, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#8A8A8A"
DARK_GREY = "#5C5C5C"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY)
"""For lines that mean nothing but themselves, in this order."""
INK, PALE = "#222222", "#6B6B6B"
WIDTH = 680
LETTER_PX = 5.9
"""Of our small type, on average."""
MOST_WORDS = 0.5
"""Words take at most this share of the width."""

Rows: TypeAlias = pd.DataFrame | Iterable[Mapping[str, Any]]


def table(rows: Rows) -> pd.DataFrame:
    """Rows or a frame, as a frame of its own."""
    return rows.copy() if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))


def titled(chart: Any, title: str, subtitle: str = "", *, width: int = WIDTH, height: int | None = None) -> Any:
    """The chart with our title, size and type."""
    size: dict[str, Any] = {"width": width} if height is None else {"width": width, "height": height}
    return (
        chart.properties(title=alt.TitleParams(title, subtitle=subtitle or alt.Undefined), **size)
        .configure(font="Helvetica Neue, Arial, sans-serif", background="white", padding=12)
        .configure_view(stroke=None)
        .configure_title(
            anchor="start",
            fontSize=16,
            color=INK,
            subtitleColor=PALE,
            subtitleFontSize=12,
            subtitlePadding=4,
            offset=12,
        )
        .configure_axis(
            labelColor=INK,
            titleColor=PALE,
            titleFontWeight="normal",
            labelFontSize=11,
            titleFontSize=11,
            gridColor="#E8E8E8",
            domainColor="#BBBBBB",
            tickColor="#BBBBBB",
        )
        .configure_legend(orient="bottom", labelFontSize=11, title=None, labelColor=INK, symbolType="square")
    )


def scale(meanings: Mapping[str, str], present: Iterable[str] | None = None) -> alt.Scale:
    """Name -> colour as a scale, in its order; with `present` only of what is there."""
    there = set(meanings if present is None else present)
    shown = {name: colour for name, colour in meanings.items() if name in there}
    return alt.Scale(domain=list(shown), range=list(shown.values()))


def room_for(words: pd.Series, ends: pd.Series, width: int = WIDTH) -> float:
    """Where an axis from 0 has to end so that words which begin at `ends` (0 or more) have room on the picture."""
    taken = (words.astype(str).str.len() * LETTER_PX + 12).clip(upper=MOST_WORDS * width)
    return float((ends * width / (width - taken)).max())


def since(frame: pd.DataFrame, columns: Iterable[str], began_s: float | None = None) -> tuple[pd.DataFrame, float]:
    """The frame with its columns of Unix seconds counted from the first of them, or from `began_s`; and that moment."""
    columns = list(columns)
    zero = float(frame[columns].min().min()) if began_s is None else began_s
    return frame.assign(**{name: frame[name] - zero for name in columns}), zero
