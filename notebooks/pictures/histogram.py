"""How often what took how long: a histogram per label, one above the other. Read `swim_lanes.py` next."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd  # type: ignore[import-untyped]

from notebooks.pictures.look import SERIES, Rows, table, titled

PANEL_PX = 90
BINS = 40


def bins(rows: Rows, value: str, label: str, count: int = BINS, *, log: bool = False) -> pd.DataFrame:
    """Counts of bins of one width over all labels (with `log` of one ratio): label, low, high, n.

    Values of one size alone get one bin. With `log` values must be above 0.
    """
    frame = table(rows)
    values = frame[value].astype(float)
    values = values.map(math.log10) if log else values
    low = float(values.min())
    width = (float(values.max()) - low) / count or 1.0
    place = ((values - low) / width).map(math.floor).clip(upper=count - 1)
    found = frame.assign(place=place).groupby([label, "place"], as_index=False, sort=False).size()
    edges = pd.DataFrame({"low": low + found["place"] * width, "high": low + (found["place"] + 1) * width})
    edges = 10**edges if log else edges
    return edges.assign(label=found[label], n=found["size"])


def histogram(
    rows: Rows,
    *,
    value: str,
    label: str,
    unit: str,
    title: str,
    subtitle: str = "",
    count: int = BINS,
    log: bool = False,
) -> alt.Chart:
    """A panel per `label`, in the order in which they come; bars by `value`, which has a `unit`; `log`: by its size."""
    found = bins(rows, value, label, count, log=log)
    order = list(dict.fromkeys(table(rows)[label]))
    axis = alt.Scale(type="log" if log else "linear", nice=False)
    drawn = (
        alt.Chart(found)
        .mark_rect(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X("low:Q", title=unit, scale=axis),
            x2="high:Q",
            y=alt.Y("n:Q", title="how many"),
            y2=alt.datum(0),
            color=alt.Color("label:N", scale=alt.Scale(domain=order, range=list(SERIES)), legend=None),
            row=alt.Row(
                "label:N",
                sort=order,
                title=None,
                header=alt.Header(
                    labelAngle=0, labelAlign="left", labelAnchor="start", labelOrient="top", labelFontSize=12
                ),
            ),
            tooltip=["label", "n", alt.Tooltip("low:Q", format=".3g"), alt.Tooltip("high:Q", format=".3g")],
        )
    )
    chart: alt.Chart = titled(drawn, title, subtitle, height=PANEL_PX)
    return chart
