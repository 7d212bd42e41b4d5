"""The circuit of each provider over time, a strip each, with fault windows behind. Read `swim_lanes.py` next."""

from __future__ import annotations

import altair as alt
import pandas as pd  # type: ignore[import-untyped]

from notebooks.pictures.bands import bands, windows
from notebooks.pictures.look import DARK_GREY, GREEN, VERMILLION, YELLOW, Rows, scale, table, titled

STATES = {"closed": GREEN, "half-open": YELLOW, "open": VERMILLION}
LANE_PX = 44
SHORTEST = 170
"""Of the width: a probe of some milliseconds is to be seen, too."""


def spells(events: Rows, began_s: float, until_s: float, providers: list[str]) -> pd.DataFrame:
    """From changes (`provider`, `state`, `t` in Unix seconds) to spells: provider, state, began_s, ended_s.

    Seconds since `began_s`, closed before the first change. Changes that several workers tell of count once.
    """
    told = table(events).reindex(columns=["provider", "state", "t"])
    told = told.assign(state=told["state"].astype(str).str.replace("_", "-")).sort_values("t")
    rows = []
    for provider in providers:
        state, at_s = "closed", 0.0
        for change in told[told["provider"] == provider].itertuples():
            now_s = min(max(float(change.t) - began_s, 0.0), until_s - began_s)
            if change.state != state:
                rows.append({"provider": provider, "state": state, "began_s": at_s, "ended_s": now_s})
                state, at_s = str(change.state), now_s
        rows.append({"provider": provider, "state": state, "began_s": at_s, "ended_s": until_s - began_s})
    found = pd.DataFrame(rows, columns=["provider", "state", "began_s", "ended_s"])
    return found[found["ended_s"] > found["began_s"]].reset_index(drop=True)


def breaker_strip(
    events: Rows,
    *,
    began_s: float,
    until_s: float,
    faults: Rows | None = None,
    calls: Rows | None = None,
    providers: tuple[str, ...] = ("anthropic", "openai"),
    title: str = "What the circuits did",
) -> alt.LayerChart:
    """Strips from `began_s` to `until_s` (Unix seconds).

    `events` are rows of `select provider, state, epoch(time) as t from breaker_events`; `faults` is `lab.faults()`;
    `calls` is `lab.ledger()`: each call is a tick in its provider's lane, dark where it was answered, red where not.
    """
    length_s = until_s - began_s
    strip = spells(events, began_s, until_s, list(providers))
    strip = strip.assign(shown_s=strip["ended_s"].clip(lower=strip["began_s"] + length_s / SHORTEST))
    strip = strip.sort_values("state", key=lambda states: states == "half-open")  # short, and drawn over the others
    lanes = alt.Y("provider:N", title=None, sort=list(providers), scale=alt.Scale(paddingInner=0.25))
    time = alt.X("began_s:Q", title="seconds", scale=alt.Scale(domain=[0, length_s], nice=False))
    drawn = (
        alt.Chart(strip)
        .mark_bar(height=14, cornerRadius=2)
        .encode(
            x=time,
            x2="shown_s:Q",
            y=lanes,
            color=alt.Color("state:N", scale=scale(STATES)),
            tooltip=[
                "provider",
                "state",
                alt.Tooltip("began_s:Q", format=".2f"),
                alt.Tooltip("ended_s:Q", format=".2f"),
            ],
        )
    )
    layers = [bands(windows(faults, began_s, length_s)), drawn]
    if calls is not None:
        layers.append(_ticks(calls, began_s, list(providers), lanes))
    chart: alt.LayerChart = titled(
        alt.layer(*layers),
        title,
        "; ".join(
            ["bar: state of the circuit"]
            + ["red band: the fault"] * (faults is not None)
            + ["tick: a call that arrived"] * (calls is not None)
        ),
        height=LANE_PX * len(providers) + 20,
    )
    return chart


def _ticks(calls: Rows, began_s: float, providers: list[str], lanes: alt.Y) -> alt.Chart:
    frame = table(calls).reindex(columns=["t", "target", "status"])
    frame = frame[frame["target"].isin(providers)]
    frame = frame.assign(
        began_s=frame["t"].astype(float) - began_s, provider=frame["target"], answered=frame["status"].eq(200)
    )
    drawn: alt.Chart = (
        alt.Chart(frame[["began_s", "provider", "answered", "status"]])
        .mark_tick(thickness=1.5, size=12, yOffset=14)
        .encode(
            x="began_s:Q",
            y=lanes,
            color=alt.condition("datum.answered", alt.value(DARK_GREY), alt.value(VERMILLION)),
            tooltip=["provider", "status"],
        )
    )
    return drawn
