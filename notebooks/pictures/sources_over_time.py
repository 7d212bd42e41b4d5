"""Where answers came from, second by second, stacked, with fault windows behind. Read `histogram.py` next."""

from __future__ import annotations

import altair as alt
import pandas as pd  # type: ignore[import-untyped]

from notebooks.pictures.bands import bands, windows
from notebooks.pictures.look import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    Rows,
    scale,
    table,
    titled,
)

SOURCES = {
    "live": BLUE,
    "provider": SKY,
    "smaller_model": PURPLE,
    "cache": GREEN,
    "shared": "#66C2A5",
    "stale": YELLOW,
    "message": ORANGE,
    "refused": GREY,
    "failed": VERMILLION,
}
"""The wished answer first; `shared` is a cache's answer that was still under way."""
HEIGHT_PX = 220
HEADROOM = 1.15
"""Above the bars, for the words of a band."""


def counted(answers: Rows, bin_s: float, began_s: float | None = None) -> tuple[pd.DataFrame, float]:
    """`answers.frame()` (began_s, source, status) as counts per bin: t (its beginning, s), source, n; and the zero."""
    frame = table(answers).reindex(columns=["began_s", "source", "status"])
    zero = float(frame["began_s"].min()) if began_s is None else began_s
    source = frame["source"].fillna("")
    refused = frame["status"].between(400, 499)
    source = source.where(source != "", other=refused.map({True: "refused", False: "failed"}))
    bins = ((frame["began_s"] - zero) // bin_s) * bin_s
    found = frame.assign(t=bins, source=source).groupby(["t", "source"], as_index=False).size()
    return found.rename(columns={"size": "n"}), zero


def sources_over_time(
    answers: Rows,
    *,
    faults: Rows | None = None,
    bin_s: float = 1.0,
    began_s: float | None = None,
    title: str = "Where answers came from",
) -> alt.LayerChart:
    """Stacked bars of `bin_s` seconds; `answers` is `lab.ask_many(…).frame()`, `faults` is `lab.faults()`."""
    found, zero = counted(answers, bin_s, began_s)
    until_s = float(found["t"].max()) + bin_s
    most = float(found.groupby("t")["n"].sum().max()) * HEADROOM
    found = found.assign(
        until=found["t"] + bin_s, place=found["source"].map({name: n for n, name in enumerate(SOURCES)})
    )
    drawn = (
        alt.Chart(found)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("t:Q", bin="binned", title="seconds", scale=alt.Scale(domain=[0, until_s], nice=False)),
            x2="until:Q",
            y=alt.Y("n:Q", title=f"answers per {bin_s:g} s", stack="zero", scale=alt.Scale(domainMax=most)),
            color=alt.Color("source:N", scale=scale(SOURCES, found["source"])),
            order="place:O",
            tooltip=["source", "n", "t"],
        )
    )
    chart: alt.LayerChart = titled(
        alt.layer(bands(windows(faults, zero, until_s)), drawn),
        title,
        "by when the question was asked",
        height=HEIGHT_PX,
    )
    return chart
