"""A request's steps as a Vega-Lite chart: the words of each step, and below them its bar on the axis of time.

Where everything stands is computed here, so that words of any length have room and two requests can have one scale.
Read `../story/steps.py` next: where the steps come from.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..look.palette import GREY, STEPS
from ..story.attempts import Link
from ..story.steps import Step

LINE_PX = 15
BAR_PX = 11
GAP_PX = 6
FONT_PX = 12
CHARACTER_PX = 6
"""What one needs, on average and a little more."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much is there: `characters` in a line of words, and px to the right for each level of depth."""

    characters: int
    indent_px: int


WIDE, NARROW = Room(142, 14), Room(68, 7)
"""One chart on a page of 1280 px, or two side by side."""

INK = "currentColor"
"""The page's own colour of text, dark or light; the theme gives text marks none."""

DEEPEST = 8
LEAST_SHARE = 0.003
"""A bar is drawn at least this long, of the whole axis, or it could not be seen."""

LABEL_LEFT_OF = 0.86
"""A bar that ends beyond this share of the axis has its duration on its left."""

DASHES = {"retry": [6, 3], "fail-over": [2, 3]}

COLUMNS = (
    "row",
    "kind",
    "what",
    "indent",
    "top",
    "bar",
    "foot",
    "from_ms",
    "to_ms",
    "label",
    "label_ms",
    "side",
    "to_bar",
)


def show(steps: Sequence[Step], links: Mapping[int, Link], *, until_ms: float, narrow: bool, key: str) -> None:
    """Draw the steps on an axis from 0 to `until_ms`; `links` is number of an attempt -> what it follows."""
    rows, height = laid_out(steps, links, until_ms, NARROW if narrow else WIDE)
    kinds = [kind for kind in STEPS if any(step.kind == kind for step in steps)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    st.vega_lite_chart(table, spec(until_ms, height, kinds), key=key, width="stretch", alt="Waterfall of the request")


def end_ms(steps: Sequence[Step]) -> float:
    """When the last step had ended, in ms since the arrival."""
    return max((step.t_ms + (step.duration_ms or 0.0) for step in steps), default=0.0) or 1.0


def laid_out(
    steps: Sequence[Step], links: Mapping[int, Link], until_ms: float, room: Room
) -> tuple[list[dict[str, Any]], int]:
    """The rows of the chart, and its height in px."""
    rows: list[dict[str, Any]] = []
    calls: dict[int, dict[str, Any]] = {}
    top = 4
    for step in steps:
        indent_px = room.indent_px * min(step.depth, DEEPEST)
        lines = _lines(step, room.characters - indent_px // CHARACTER_PX)
        bar = top + len(lines) * LINE_PX + 2
        row = {
            "row": "moment" if step.duration_ms is None else "step",
            "kind": step.kind,
            "what": "\n".join(lines),
            "indent": indent_px,
            "top": top,
            "bar": bar,
            "foot": bar + BAR_PX,
            "from_ms": step.t_ms,
            "to_ms": max(step.t_ms + (step.duration_ms or 0.0), step.t_ms + until_ms * LEAST_SHARE),
            **_label(step, until_ms),
        }
        rows.append(row)
        if step.attempt is not None:
            calls[step.attempt] = row
        top = bar + BAR_PX + GAP_PX
    rows.extend(_connections(calls, links))
    return rows, top


def _connections(calls: Mapping[int, Mapping[str, Any]], links: Mapping[int, Link]) -> Iterator[dict[str, Any]]:
    """From the end of a call down to the beginning of the one that followed it."""
    for number, link in links.items():
        if link.of is not None and link.of in calls and number in calls:
            before, after = calls[link.of], calls[number]
            yield {
                "row": link.kind,
                "what": f"attempt {number}: {link.kind} of attempt {link.of}",
                "bar": before["foot"] - BAR_PX / 2,
                "to_bar": after["bar"] + BAR_PX / 2,
                "from_ms": before["to_ms"],
                "to_ms": after["from_ms"],
            }


def _lines(step: Step, width: int) -> list[str]:
    said = ": ".join(part for part in (step.name, step.words) if part) or step.kind
    return textwrap.wrap(said, width) or [said]


def _label(step: Step, until_ms: float) -> dict[str, Any]:
    """How long it took, beside the bar where there is room: right of it, left of it, or in it."""
    if step.duration_ms is None:
        return {
            "label": f"at {step.t_ms:,.0f} ms",
            "label_ms": step.t_ms,
            "side": _side(step.t_ms, step.t_ms, until_ms),
        }
    end = step.t_ms + step.duration_ms
    side = _side(step.t_ms, end, until_ms)
    return {"label": f"{step.duration_ms:,.1f} ms", "label_ms": step.t_ms if side == "left" else end, "side": side}


def _side(begin_ms: float, finish_ms: float, until_ms: float) -> str:
    if finish_ms < until_ms * LABEL_LEFT_OF:
        return "right"
    return "left" if begin_ms > until_ms * (1 - LABEL_LEFT_OF) else "in"


def spec(until_ms: float, height: int, kinds: Sequence[str]) -> dict[str, Any]:
    """The chart of these rows; time is on the axis, everything else is in px from the top."""
    x_axis = {"title": "ms since the request arrived", "orient": "top", "tickCount": 6, "format": ",.0f"}
    x = {"field": "from_ms", "type": "quantitative", "scale": {"domain": [0, until_ms], "nice": False}, "axis": x_axis}
    legend = {"title": None, "orient": "bottom", "columns": 6, "symbolType": "square"}
    colour = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": list(kinds), "range": [STEPS[kind] for kind in kinds]},
        "legend": legend,
    }
    tooltip = [
        {"field": "what", "title": "step"},
        {"field": "from_ms", "type": "quantitative", "format": ",.1f", "title": "at ms"},
        {"field": "label", "title": "took"},
    ]
    inside = {"axis": None, "scale": {"domain": [height, 0], "nice": False, "zero": False}, "type": "quantitative"}
    bars = {
        "mark": {"type": "bar", "cornerRadius": 1},
        "transform": [{"filter": "datum.row == 'step'"}],
        "encoding": {
            "x": x,
            "x2": {"field": "to_ms"},
            "y": {"field": "bar", **inside},
            "y2": {"field": "foot"},
            "color": colour,
            "tooltip": tooltip,
        },
    }
    moments = {
        "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 70, "opacity": 1, "yOffset": BAR_PX / 2},
        "transform": [{"filter": "datum.row == 'moment'"}],
        "encoding": {"x": x, "y": {"field": "bar", **inside}, "color": colour, "tooltip": tooltip},
    }
    said = {
        "mark": {
            "type": "text",
            "align": "left",
            "baseline": "top",
            "color": INK,
            "dx": {"expr": "datum.indent"},
            "fontSize": FONT_PX,
            "lineBreak": "\n",
            "lineHeight": LINE_PX,
        },
        "transform": [{"filter": "datum.row == 'step' || datum.row == 'moment'"}],
        "encoding": {"x": {"value": 0}, "y": {"field": "top", **inside}, "text": {"field": "what"}},
    }
    layers = [*(_connection(kind, x, inside) for kind in DASHES), bars, moments, *_labels(x, inside), said]
    return {"height": height, "autosize": {"type": "fit-x", "contains": "padding"}, "layer": layers}


def _connection(kind: str, x: Mapping[str, Any], inside: Mapping[str, Any]) -> dict[str, Any]:
    """Thin, for what counts is where it begins and ends."""
    return {
        "mark": {"type": "rule", "color": GREY, "strokeWidth": 1.5, "strokeDash": DASHES[kind]},
        "transform": [{"filter": f"datum.row == '{kind}'"}],
        "encoding": {
            "x": x,
            "x2": {"field": "to_ms"},
            "y": {"field": "bar", **inside},
            "y2": {"field": "to_bar"},
            "tooltip": [{"field": "what", "title": "link"}],
        },
    }  # fmt: skip


def _labels(x: Mapping[str, Any], inside: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for side, align, dx in (("right", "left", 5), ("left", "right", -5), ("in", "right", -5)):
        ink = "white" if side == "in" else INK
        mark = {"type": "text", "align": align, "dx": dx, "dy": BAR_PX / 2, "fontSize": 10, "color": ink}
        yield {
            "mark": mark,
            "transform": [{"filter": f"datum.side == '{side}'"}],
            "encoding": {
                "x": {**x, "field": "label_ms"},
                "y": {"field": "bar", **inside},
                "text": {"field": "label"},
            },
        }
