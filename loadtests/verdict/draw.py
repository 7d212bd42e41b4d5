"""How a chart over time is drawn: layers of Vega-Lite, rendered to an SVG inside of the page. Read `looks.py` next.

Words and lines take the page's colour (`currentColor`), so that one picture serves a light page, a dark one and paper.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import vl_convert

from loadtests.verdict.frame import LEFT_PX, PLOT_PX, RIGHT_PX, Frame, Span

Spec = dict[str, Any]

TOP_PX, BOTTOM_PX = 8, 26
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
LABEL_PX = 15
"""What a line of words inside a chart needs."""

TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
MOST_TICKS = 12
INK = "currentColor"

CONFIG: Spec = {
    "aria": False,  # the whole picture has one description
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "title": None,
        "labelColor": INK,
        "labelFontSize": 12,
        "domainColor": INK,
        "tickColor": INK,
        "gridColor": INK,
        "gridOpacity": 0.14,
        "domainOpacity": 0.5,
        "tickOpacity": 0.5,
    },
    "text": {"color": INK, "fontSize": 12},
}


@dataclass(frozen=True, slots=True)
class Scale:
    """The y axis: its ends and ticks, and `label`, an expression of Vega for `datum.value`."""

    low: float
    high: float
    ticks: Sequence[float]
    label: str = "format(datum.value, ',~r')"
    log: bool = False


def upwards(most: float, label: str = "format(datum.value, ',~r')") -> Scale:
    """A linear axis from 0 to a round figure above `most`."""
    for_four = max(most, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(for_four))
    step = next(power * factor for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if power * factor >= for_four - 1e-12)
    return Scale(0.0, 4 * step, [tick * step for tick in range(5)], label)


def layer(values: Sequence[Mapping[str, Any]], mark: Spec, **encoding: Spec) -> Spec:
    """A layer over the time axis of the frame with rows of its own; `x` in seconds."""
    return {"data": {"values": list(values)}, "mark": mark, "encoding": {"x": _field("x"), **encoding}}


def line(frame: Frame, values: Sequence[float | None], colour: str, dash: Sequence[int] = (), width: float = 2) -> Spec:
    """A line with a value in the middle of each step, broken where there is none."""
    middles = zip(frame.steps.begins_s, frame.steps.widths_s, values, strict=True)
    rows = [{"x": begin + width_s / 2, "y": _short(value)} for begin, width_s, value in middles]
    mark = {
        "type": "line",
        "color": colour,
        "strokeWidth": width,
        "strokeCap": "round",  # so that a value between two gaps is a dot
        "strokeJoin": "round",
        "strokeDash": list(dash),
        "invalid": "break-paths-filter-domains",
    }
    return layer(rows, mark, y=_field("y"))


def area(frame: Frame, below: Sequence[float], above: Sequence[float], colour: str) -> Spec:
    """What lies between two rows of values, as steps."""
    begins_s = [*frame.steps.begins_s, frame.steps.lasts_s]
    ends = zip(begins_s, [*below, below[-1]], [*above, above[-1]], strict=True)
    rows = [{"x": begin, "y": _short(low), "y2": _short(high)} for begin, low, high in ends]
    mark = {"type": "area", "color": colour, "interpolate": "step-after", "line": False}
    return layer(rows, mark, y=_field("y"), y2={"field": "y2"})


def level(spans: Sequence[Span], value: float, colour: str, dash: Sequence[int]) -> Spec:
    """A value that was promised or predicted, as a line over the spans that it is about."""
    rows = [{"x": span.since, "x2": span.until, "y": _short(value)} for span in spans]
    mark = {"type": "rule", "color": colour, "strokeWidth": 3, "opacity": 0.75, "strokeDash": list(dash)}
    return layer(rows, mark, x2={"field": "x2"}, y=_field("y"))


def words(rows: Sequence[Mapping[str, Any]], colour: str = INK, *, y: Spec | None = None, **mark: Any) -> Spec:
    """Words at `x` seconds, at `y` of the axis or where `y` says."""
    style = {"type": "text", "color": colour, "baseline": "middle", **mark}
    return layer(rows, style, text={"field": "words"}, y=y or _field("y"))


def bars(spans: Sequence[Span], top_px: float, height_px: float) -> list[Spec]:
    """Spans as bars at a height in pixels (negative: above the plot), each with its words where they have room."""
    by_colour: dict[str, list[Span]] = {}
    for span in spans:
        by_colour.setdefault(span.colour, []).append(span)
    return [
        layer(
            [{"x": span.since, "x2": span.until} for span in some],
            {"type": "bar", "color": colour},
            x2={"field": "x2"},
            y={"value": top_px},
            y2={"value": top_px + height_px},
        )
        for colour, some in by_colour.items()
    ]


def framed(frame: Frame, colour: str, layers: Sequence[Spec]) -> list[Spec]:
    """The layers with what every chart has: bands behind them where something was broken, whose edges stand before
    them, as do dotted lines where phases end."""
    united = _united(frame.bands)
    rows = [{"x": band.since, "x2": band.until} for band in united]
    edges = [{"x": at_s} for band in united for at_s in (band.since, band.until)]
    ends = [{"x": phase.since} for phase in frame.phases[1:]]
    return [
        layer(rows, {"type": "rect", "color": colour, "opacity": 0.2}, x2={"field": "x2"}),
        *layers,
        layer(edges, {"type": "rule", "color": colour, "opacity": 0.9}),
        layer(ends, {"type": "rule", "color": INK, "opacity": 0.6, "strokeDash": [2, 3]}),
    ]


def svg(frame: Frame, layers: Sequence[Spec], about: str, *, height: int, y: Scale | None, top: int = TOP_PX) -> str:
    """The picture as an element of HTML; `about` is what it says to those who do not see it. `y` None: no axes."""
    bottom = BOTTOM_PX if y else 2
    seconds = {"domain": [0, frame.steps.lasts_s], "nice": False, "zero": False}
    encoding: Spec = {"x": {"type": "quantitative", "scale": seconds, "axis": _time_axis(frame) if y else None}}
    if y:
        scale = {"type": "log" if y.log else "linear", "domain": [y.low, y.high], "nice": False, "zero": False}
        axis = {"values": list(y.ticks), "labelExpr": y.label, "labelLimit": LEFT_PX, "labelOverlap": False}
        encoding["y"] = {"type": "quantitative", "scale": scale, "axis": axis}
        layers = [layer([], {"type": "point"}, y=_field("y")), *layers]  # has the axis where nothing else has
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": PLOT_PX,
        "height": height,
        "autosize": {"type": "none"},  # the margins are the same whatever the labels
        "padding": {"left": LEFT_PX, "top": top, "right": RIGHT_PX, "bottom": bottom},
        "background": None,
        "config": CONFIG,
        "encoding": encoding,
        "layer": list(layers),
    }
    drawn = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])  # nothing is fetched
    inner = drawn[drawn.index(">") + 1 :].removesuffix("</svg>")
    size = f"0 0 {LEFT_PX + PLOT_PX + RIGHT_PX} {top + height + bottom}"
    return f'<svg viewBox="{size}" role="img" aria-label="{escape(about)}">{_plain(inner)}</svg>'


def _plain(inner: str) -> str:
    """Without what one description makes superfluous, and with figures as short as a screen can show."""
    return re.sub("<[^>]*>", lambda tag: _short_tag(tag[0]), inner)


def _short_tag(tag: str) -> str:
    tag = re.sub(r' (?:role|aria-[a-z]+|class|pointer-events)="[^"]*"', "", tag)
    tag = tag.replace(' opacity="1"', "").replace(f' font-family="{FONT}"', "")
    return re.sub(r"(\.\d)\d+", r"\1", tag)


def _time_axis(frame: Frame) -> Spec:
    lasts_s = frame.steps.lasts_s
    step_s = next((step for step in TICKS_S if lasts_s / step <= MOST_TICKS), lasts_s / MOST_TICKS)
    label = "datum.value + ' s'"
    if lasts_s > 3 * 3600:
        label = "format(datum.value / 3600, '.3~r') + ' h'"
    elif lasts_s > 600:
        label = "format(datum.value / 60, '.3~r') + ' min'"
    ticks = [tick * step_s for tick in range(int(lasts_s / step_s + 1e-9) + 1)]
    return {"values": ticks, "labelExpr": label, "grid": False, "labelFlush": False, "labelOverlap": True}


def _united(spans: Sequence[Span]) -> list[Span]:
    """Spans that overlap as one, so that none is twice as dark."""
    found = list[Span]()
    for span in sorted(spans, key=lambda span: span.since):
        if found and span.since <= found[-1].until:
            found[-1] = Span(found[-1].since, max(found[-1].until, span.until))
        else:
            found.append(span)
    return found


def _field(name: str) -> Spec:
    return {"field": name, "type": "quantitative"}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
