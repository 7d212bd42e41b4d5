"""Streams side by side: a lane per reader, a tick per piece of text as it came. Read `bucket_levels.py` next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd  # type: ignore[import-untyped]

from notebooks.pictures.look import BLUE, GREEN, GREY, INK, ORANGE, VERMILLION, Rows, room_for, scale, table, titled

KEPT, TAKEN_BACK = "delta", "delta, taken back"
KINDS = {KEPT: BLUE, TAKEN_BACK: GREY, "restart": ORANGE, "done": GREEN, "error": VERMILLION, "left": INK}
LANE_PX = 34


def marks(lanes: Mapping[str, Rows]) -> pd.DataFrame:
    """A row per event of each lane: lane, t_ms, kind; what came before a `restart` was taken back."""
    found: list[dict[str, Any]] = []
    for lane, events in lanes.items():
        rows = table(events).to_dict("records")
        restarts = [n for n, row in enumerate(rows) if row["event"] == "restart"]
        for n, row in enumerate(rows):
            kind = TAKEN_BACK if row["event"] == KEPT and restarts and n < restarts[-1] else row["event"]
            if kind in KINDS:
                found.append({"lane": lane, "t_ms": float(row["t_ms"]), "kind": kind})
    return pd.DataFrame(found, columns=["lane", "t_ms", "kind"])


def stream_lanes(
    lanes: Mapping[str, Rows], *, title: str, subtitle: str = "", words: Mapping[str, str] | None = None
) -> alt.LayerChart:
    """`lanes` are name -> events (`t_ms` since the question was sent, `event`), such as `Streamed.frame()`.

    Ticks are pieces of text, diamonds what else happened (`restart`, `done`, `error`, `left`); `words` are name -> what
    to say at the end of a lane.
    """
    drawn = marks(lanes)
    ends = drawn.groupby("lane", as_index=False)["t_ms"].max()
    ends = ends.assign(words=ends["lane"].map(dict(words or {})).fillna(""))
    until_ms = max(float(drawn["t_ms"].max()) * 1.02, room_for(ends["words"], ends["t_ms"]))
    lane = alt.Y("lane:N", sort=list(lanes), title=None, axis=alt.Axis(grid=True, labelLimit=240))
    time = alt.X("t_ms:Q", title="ms since the question was sent", scale=alt.Scale(domain=[0, until_ms], nice=False))
    colour = alt.Color("kind:N", scale=scale(KINDS, drawn["kind"]))
    tip = ["lane", "kind", alt.Tooltip("t_ms:Q", format=".0f")]
    pieces = drawn[drawn["kind"].isin((KEPT, TAKEN_BACK))]
    ticks = (
        alt.Chart(pieces).mark_tick(thickness=2, size=16, opacity=1).encode(x=time, y=lane, color=colour, tooltip=tip)
    )
    points = (
        alt.Chart(drawn.drop(pieces.index))
        .mark_point(shape="diamond", filled=True, size=90, opacity=1)
        .encode(x=time, y=lane, color=colour, tooltip=tip)
    )
    text = alt.Chart(ends).mark_text(align="left", dx=9, fontSize=11, color=INK)
    chart: alt.LayerChart = titled(
        alt.layer(ticks, points, text.encode(x=time, y=lane, text="words:N")),
        title,
        subtitle,
        height=LANE_PX * len(lanes),
    )
    return chart
