"""Runs over each other: a line each, in seconds since each began. Read `experiments_differences.py` next.

A run has its colour and its dashes, and its letter in the legend. The first run's fault windows are shaded, those of
the others outlined; all of them, and the switches, are listed beneath.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..feed.figures import series, step_s
from ..feed.picture import Band, Picture
from ..look.glossary import explained
from ..look.palette import BLUE, FAULT, GREEN, GREY, ORANGE, PURPLE, SKY, SWITCH

Spec = dict[str, Any]

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, GREY)
DASHES = ([1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [4, 4], [1, 3])
HEIGHT_PX = 230
AXIS_EXTENT_PX = 46
ACROSS = 2
COLUMNS = ("kind", "s", "s2", "run", "value", "label")


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn of each run: a column of its series, with the y axis' title, the numbers' format, its term."""

    column: str
    title: str
    y: str
    number: str
    term: str
    most: float | None = None
    is_log: bool = False


CHARTS = (
    Chart("rate", "Request rate", "requests / s", ",.1f", "request rate"),
    Chart("success", "Success", "share", ".0%", "success", most=1.0),
    Chart("p95_ms", "p95", "ms (log)", "~s", "percentiles", is_log=True),
    Chart("amplification", "Amplification", "calls / request", ".1f", "amplification"),
    Chart("usd_per_min", "Cost", "USD / min", "~g", "cost rate"),
    Chart("hit_rate", "Cache hit rate", "share", ".0%", "hit rate", most=1.0),
)


def show(pictures: Mapping[str, Picture]) -> None:
    """Draw all charts of the runs, by their letters."""
    width_s = max(seen.width_s for seen in pictures.values())
    step = step_s(width_s)
    tables = {letter: since_begin(series(seen, step), seen) for letter, seen in pictures.items()}
    beside = _beside(pictures)
    for place, chart in enumerate(CHARTS):
        if place % ACROSS == 0:
            columns = st.columns(ACROSS)
        with columns[place % ACROSS]:
            st.markdown(f"**{chart.title}**", help=explained(chart.term))
            values = [
                pd.DataFrame({"kind": "value", "s": table["s"], "run": letter, "value": table[chart.column]})
                for letter, table in tables.items()
            ]
            rows = pd.concat([beside, *values], ignore_index=True).reindex(columns=list(COLUMNS))
            st.vega_lite_chart(
                rows,
                spec(chart, list(pictures), width_s, names_bands=place < ACROSS),
                key=f"experiments_{chart.column}",
                width="stretch",
            )


def since_begin(table: pd.DataFrame, seen: Picture) -> pd.DataFrame:
    """A series with `s`, the seconds since its run began: the same zero as its bands have."""
    return table.assign(s=table["t"] - seen.begin)


def show_windows(pictures: Mapping[str, Picture]) -> None:
    """List the fault windows and the switches of each run."""
    rows = _windows(pictures)
    if not rows:
        st.caption("No fault was injected and no stage was switched in any of them.")
        return
    with st.expander(f"Fault windows and stage switches ({len(rows)})", icon=":material/list:"):
        table = pd.DataFrame(rows, columns=["Run", "What", "From, s", "Until, s"])
        st.dataframe(table, hide_index=True, width="stretch", placeholder="–", key="experiments_windows")


def _windows(pictures: Mapping[str, Picture]) -> list[tuple[str, str, float, float | None]]:
    rows: list[tuple[str, str, float, float | None]] = []
    for letter, seen in pictures.items():
        for band in seen.bands:
            begin, end = _inside(band, seen)
            rows.append((letter, band.label, round(begin, 1), round(end, 1)))
        rows += [(letter, f"switched {mark.label}", round(mark.t - seen.begin, 1), None) for mark in seen.marks]
    return rows


def _beside(pictures: Mapping[str, Picture]) -> pd.DataFrame:
    """The rows of bands, outlines and marks, which all charts carry."""
    rows = []
    first = next(iter(pictures))
    for letter, seen in pictures.items():
        for band in seen.bands:
            begin, end = _inside(band, seen)
            kind = "band" if letter == first else "outline"
            rows.append({"kind": kind, "s": begin, "s2": end, "run": letter, "label": f"{letter}: {band.label}"})
        rows += [
            {"kind": "mark", "s": mark.t - seen.begin, "run": letter, "label": f"{letter}: {mark.label}"}
            for mark in seen.marks
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"s": float, "s2": float, "value": float})


def _inside(band: Band, seen: Picture) -> tuple[float, float]:
    """The part of a window that the run saw, in seconds since its begin."""
    end = seen.end if band.end is None else min(band.end, seen.end)
    return max(band.begin, seen.begin) - seen.begin, end - seen.begin


def spec(chart: Chart, letters: list[str], width_s: float, *, names_bands: bool) -> Spec:
    """The Vega-Lite specification; the data is one frame of COLUMNS."""
    scale: Spec = {"type": "log", "nice": False} if chart.is_log else {"zero": True}
    if chart.most is not None:
        scale |= {"domainMin": 0, "domainMax": chart.most}
    y_axis = {
        "title": chart.y, "format": chart.number, "tickCount": 4, "minExtent": AXIS_EXTENT_PX,
        "maxExtent": AXIS_EXTENT_PX,
    }  # fmt: skip
    legend = {"title": None, "orient": "bottom", "symbolType": "stroke", "symbolSize": 400, "symbolStrokeWidth": 3}
    y = {"field": "value", "type": "quantitative", "scale": scale, "axis": y_axis}
    colour: Spec = {"field": "run", "type": "nominal", "legend": legend}
    colour["scale"] = {"domain": letters, "range": list(COLOURS[: len(letters)])}
    dashes: Spec = {"field": "run", "type": "nominal", "legend": legend}
    dashes["scale"] = {"domain": letters, "range": list(DASHES[: len(letters)])}
    measured = [{"filter": "datum.kind == 'value' && isValid(datum.value)"}]
    line = {
        "mark": {"type": "line", "interpolate": "monotone", "strokeWidth": 2, "clip": True},
        "transform": measured,
        "encoding": {"y": y, "color": colour, "strokeDash": dashes},
    }
    at = {"field": "s", "type": "quantitative", "format": ",.0f", "title": "second"}
    value = {"field": "value", "type": "quantitative", "format": chart.number, "title": chart.y}
    point = {
        "mark": {"type": "point", "filled": True, "size": 14, "clip": True},
        "transform": measured,
        "encoding": {"y": y, "color": colour, "tooltip": [{"field": "run", "type": "nominal"}, at, value]},
    }
    axis = {"title": "seconds since the start of each run", "grid": False, "tickCount": 8}
    return {
        "height": HEIGHT_PX,
        "encoding": {
            "x": {"field": "s", "type": "quantitative", "axis": axis, "scale": {"domain": [0, width_s], "nice": False}}
        },
        "layer": [_area("band", {"color": FAULT, "opacity": 0.16}), *_beside_layers(names_bands), line, point],
    }


def _beside_layers(names_bands: bool) -> list[Spec]:
    dashed = {"stroke": FAULT, "strokeDash": [3, 3], "strokeWidth": 1.2, "fillOpacity": 0.001, "fill": FAULT}
    text = {
        "type": "text",
        "align": "left",
        "baseline": "bottom",
        "dx": 4,
        "dy": -4,
        "fontSize": 11,
        "fontWeight": "bold",
    }
    names = {
        "mark": {**text, "color": FAULT},
        "transform": [{"filter": "datum.kind == 'band'"}],
        "encoding": {"y": {"value": "height"}, "text": {"field": "label"}},
    }
    return [
        *([names] if names_bands else []),
        _area("outline", dashed),
        {
            "mark": {"type": "rule", "color": SWITCH, "strokeDash": [5, 3], "strokeWidth": 1.5, "clip": True},
            "transform": [{"filter": "datum.kind == 'mark'"}],
            "encoding": {"tooltip": [{"field": "label", "title": "switched"}]},
        },
    ]


def _area(kind: str, mark: Spec) -> Spec:
    return {
        "mark": {"type": "rect", "clip": True, **mark},
        "transform": [{"filter": f"datum.kind == '{kind}'"}],
        "encoding": {"x2": {"field": "s2"}, "tooltip": [{"field": "label", "title": "fault"}]},
    }
