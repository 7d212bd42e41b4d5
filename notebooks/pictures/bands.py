"""When a fault was at work, as a band behind whatever shares its time axis. Read `breaker_strip.py` next."""

from __future__ import annotations

import altair as alt
import pandas as pd  # type: ignore[import-untyped]

from notebooks.pictures.look import VERMILLION, Rows, table

COLUMNS = ["target", "what", "began_s", "ended_s"]


def windows(faults: Rows | None, zero_s: float, until_s: float) -> pd.DataFrame:
    """`lab.faults()` in seconds since `zero_s`, cut to 0 … `until_s`, where what still works ends; has `words`."""
    found = table([] if faults is None else faults).reindex(columns=COLUMNS)
    began = (found["began_s"].astype(float) - zero_s).clip(lower=0)
    ended = (found["ended_s"].astype(float) - zero_s).fillna(until_s).clip(upper=until_s)
    words = found["target"].astype(str) + ": " + found["what"].astype(str)
    found = found.assign(began_s=began, ended_s=ended, words=words)
    return found[found["began_s"] < found["ended_s"]].reset_index(drop=True)


def bands(found: pd.DataFrame) -> alt.LayerChart:
    """The bands with their words at the top; the x axis is seconds."""
    base = alt.Chart(found)
    area = base.mark_rect(color=VERMILLION, opacity=0.14).encode(x="began_s:Q", x2="ended_s:Q")
    words = base.mark_text(align="left", baseline="top", dx=4, dy=3, color=VERMILLION, fontSize=11).encode(
        x="began_s:Q", y=alt.value(0), text="words:N"
    )
    drawn: alt.LayerChart = area + words
    return drawn
