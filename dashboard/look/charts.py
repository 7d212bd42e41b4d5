"""Charts over time as Vega-Lite, each with fault windows as bands and stage switches as marks. Read `tiles.py` next.

A chart is one frame of rows and a specification that never changes: rows say by `kind` what draws them, and the axis
takes its ends from two invisible rows. So a refresh changes data only, and the browser redraws without flicker.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from ..feed.picture import Picture
from .palette import BREAKER, FAULT, SWITCH, Meaning, scale, words

Spec = dict[str, Any]
Row = tuple[str, float, float | None, str, str]
"""Kind, begin, end, label, and the side of its name, of what every chart carries."""

AXIS_EXTENT_PX = 46
"""The same for all, so that the same moment stands at the same place in charts one above the other."""

TIME_AXIS = {
    "title": None,
    "format": "%H:%M:%S",
    "labelOverlap": True,
    "labelBound": True,  # a label beyond the end would make the plot narrower than the others
    "tickCount": 6,
    "grid": False,
}
EVERY_LABEL = {"labelOverlap": False, "labelFlush": False, "labelLimit": 62}
"""An axis of names leaves none out, and cuts what is wider, in px, than there is room for."""

NAME_SHARE = 0.25
"""About how much of a chart's width a name takes."""

WHOLE = ",.0f"
"""The format of what is counted: there is no half of it, so an axis has no label for one either."""

DOT_PX2 = 30
"""Area of a dot."""

LABELLED_PX = 200
"""A chart at least this high writes the faults' names into their bands; in others they are on hover."""


def frame(picture: Picture, values: pd.DataFrame, most: float | None = None) -> pa.Table:
    """`values` (`t` in Unix s, `series`, `value`, perhaps `t2`, `order`, `label`) with what every chart carries.

    `most` is a value that the y axis of a stacked or a roomy chart reaches at least: room for the names of bands.
    """
    side = partial(_side, picture)
    carried: list[Row] = [("edge", picture.begin, None, "", ""), ("edge", picture.end, None, "", "")]
    carried += _bands(picture)
    carried += [("mark", mark.t, None, mark.label, side(mark.t)) for mark in picture.marks]
    kinds, begins, ends, labels, sides = zip(*carried, strict=True)
    rows, nothing = len(values), [None] * len(carried)

    def column(name: str, before: Sequence[Any], kind: pa.DataType, missing: Any) -> pa.ChunkedArray:
        given = pa.array(values[name], kind, from_pandas=True) if name in values else pa.array([missing] * rows, kind)
        return pa.chunked_array([pa.array(before, kind), given])

    return pa.table(
        {
            "kind": pa.chunked_array([pa.array(kinds), pa.array(["value"] * rows, pa.string())]),
            "t": pc.multiply(column("t", begins, pa.float64(), None), 1000.0),
            "t2": pc.multiply(column("t2", ends, pa.float64(), None), 1000.0),
            "series": column("series", sides, pa.string(), ""),
            "value": column("value", [most, most, *nothing[2:]], pa.float64(), None),
            "order": column("order", nothing, pa.float64(), None),
            "label": column("label", labels, pa.string(), ""),
        }
    )


def _bands(picture: Picture) -> list[Row]:
    """The fault windows; of those that begin so close together that their names would overlap the first names all."""
    rows = list[Row]()
    named = -1
    for band in sorted(picture.bands, key=lambda band: band.begin):
        begin, end = max(band.begin, picture.begin), min(band.end or picture.end, picture.end)
        until = "goes on" if band.end is None else f"{band.end - band.begin:.0f} s"
        label, side = f"{band.label} ({until})", _side(picture, begin)
        if named >= 0 and begin - rows[named][1] < NAME_SHARE * picture.width_s and rows[named][4] == side:
            first = rows[named]
            rows[named] = (*first[:3], f"{first[3]}; {label}", side)
            rows.append(("band", begin, end, label, ""))
        else:
            named = len(rows)
            rows.append(("band", begin, end, label, side))
    return rows


def _side(picture: Picture, t: float) -> str:
    """On which side of a moment its name has room."""
    return "left" if t < picture.begin + 0.6 * picture.width_s else "right"


def room(values: pd.DataFrame) -> float:
    """The `most` of `frame`: a fifth above the highest stack."""
    return 1.2 * float(values.groupby("t")["value"].sum().max()) if len(values) else 0.0


def stacked(meanings: Sequence[Meaning], *, y: str, height: int, number: str = ",.1f", roomy: bool = False) -> Spec:
    """Areas on top of each other, one per meaning, in their order; `y` is the axis' title with its unit.

    `roomy`: the axis reaches the `most` of `frame`, which a chart that is high enough for names always does.
    """
    area = {
        "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.9, "line": False},
        "transform": [{"filter": "datum.kind == 'value'"}],
        "encoding": {
            "y": {
                "field": "value",
                "type": "quantitative",
                "stack": "zero",
                "axis": _y_axis(y, ",~f", whole=number == WHOLE),
            },
            "color": _colour(meanings),
            "order": {"field": "order", "type": "quantitative"},
            "tooltip": [_moment(), {"field": "series", "title": "what"}, _number("value", y, number)],
        },
    }
    return _over_time([area], height, has_room=roomy or height >= LABELLED_PX)


def lines(
    meanings: Sequence[Meaning],
    *,
    y: str,
    height: int,
    number: str = ",.1f",
    exactly: str | None = None,
    log: bool = False,
    most: float | None = None,
    target: tuple[float, float] | None = None,
    roomy: bool = False,
    dots: bool = False,
) -> Spec:
    """A line per meaning; `most` is the axis' upper end, `target` a span that is shaded as wished.

    `number` is the axis' format, `exactly` that of the figure on hover, where it is another one; `dots` mark each
    value, where most have no neighbour to draw a line to.
    """
    domain: dict[str, Any] = {"type": "log", "nice": False} if log else {"zero": True}
    axis = _y_axis(y, number, whole=exactly == WHOLE)
    if most is not None:
        domain["domainMin"], domain["domainMax"] = 0, most
        axis["values"] = [0, most / 4, most / 2, most * 3 / 4, most]
    if log:
        axis["gridOpacity"] = 0.3
    line = {
        "mark": {
            "type": "line",
            "strokeWidth": 2,
            "strokeCap": "round",  # so that a value between two gaps is a dot
            "invalid": "break-paths-filter-domains",
            "point": {"size": DOT_PX2, "filled": True} if dots else False,
        },
        "transform": [{"filter": "datum.kind == 'value'"}],
        "encoding": {
            "y": {"field": "value", "type": "quantitative", "scale": domain, "axis": axis},
            "color": _colour(meanings) if len(meanings) > 1 else {"value": meanings[0].colour},
            "tooltip": [_moment(), {"field": "series", "title": "what"}, _number("value", y, exactly or number)],
        },
    }
    wished = [] if target is None else [_target(target)]
    return _over_time([*wished, line], height, has_room=roomy)


def states(height: int) -> Spec:
    """A row per provider with its circuit's state as a bar over time."""
    bar = {
        "mark": {"type": "bar", "height": {"band": 0.55}},
        "transform": [{"filter": "datum.kind == 'value'"}],
        "encoding": {
            "x2": {"field": "t2"},
            "y": {"field": "label", "type": "nominal", "axis": {**_y_axis(" "), **EVERY_LABEL}},
            "color": _colour(BREAKER[:3]),
            "tooltip": [_moment(), {"field": "label", "title": "provider"}, {"field": "series", "title": "circuit"}],
        },
    }
    return _over_time([bar], height)


def state_rows(picture: Picture, providers: Sequence[str]) -> pd.DataFrame:
    """The values of `states`: from each change to the next, closed before the first."""
    named = words(BREAKER)
    rows = []
    for provider in providers:
        t, state = picture.begin, "closed"
        for change in picture.changes:
            if change.provider != provider:
                continue
            if change.t > t:
                rows.append({"t": t, "t2": change.t, "series": named.get(state, state), "label": provider})
            t, state = max(change.t, picture.begin), change.state
        rows.append({"t": t, "t2": picture.end, "series": named.get(state, state), "label": provider})
    return pd.DataFrame(rows, columns=["t", "t2", "series", "label"])


def melted(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Columns of a series as values of `lines`: column -> the words of its line."""
    parts = [
        pd.DataFrame({"t": table["t"], "series": name, "value": table[column]}) for column, name in columns.items()
    ]
    return pd.concat(parts, ignore_index=True)


def named(table: pd.DataFrame, meanings: Sequence[Meaning]) -> pd.DataFrame:
    """Rows with a `key` as values of `stacked`: its words, and its place in the order."""
    names = {meaning.key: meaning.words for meaning in meanings}
    order = {meaning.key: place for place, meaning in enumerate(meanings)}
    return table.assign(series=table["key"].map(names), order=table["key"].map(order)).drop(columns="key")


def _over_time(main: Sequence[Spec], height: int, *, has_room: bool = False) -> Spec:
    """The layers of every chart over time, from back to front."""
    band = {
        "mark": {"type": "rect", "color": FAULT, "opacity": 0.22, "clip": True},
        "transform": [{"filter": "datum.kind == 'band'"}],
        "encoding": {"x2": {"field": "t2"}, "tooltip": [{"field": "label", "title": "fault"}, _moment()]},
    }
    mark = {
        "mark": {"type": "rule", "color": SWITCH, "strokeDash": [5, 3], "strokeWidth": 1.5},
        "transform": [{"filter": "datum.kind == 'mark'"}],
        "encoding": {"tooltip": [{"field": "label", "title": "switched"}, _moment()]},
    }
    edges = [
        {
            "mark": {"type": "rule", "color": FAULT, "opacity": 0.8, "strokeWidth": 1.5, "clip": True},
            "transform": [{"filter": "datum.kind == 'band'"}],
            "encoding": {"x": {"field": field, "type": "temporal"}},
        }
        for field in ("t", "t2")
    ]
    ends: Spec = {"mark": {"type": "point", "opacity": 0}, "transform": [{"filter": "datum.kind == 'edge'"}]}
    if has_room:
        ends["encoding"] = {"y": {"field": "value", "type": "quantitative", "stack": None}}
    written = _names() if height >= LABELLED_PX else []
    return {
        "height": height,
        "encoding": {
            "x": {"field": "t", "type": "temporal", "scale": {"nice": False}, "axis": TIME_AXIS},
        },
        "layer": [ends, band, *main, *edges, mark, *written],
    }


def _names() -> list[Spec]:
    """What bands and marks are called, inside the plot: beside their begin, or before their end near the right edge."""

    def text(kind: str, side: str, colour: str, dy: int) -> Spec:
        return {
            "mark": {
                "type": "text",
                "align": side,
                "baseline": "top",
                "dx": 4 if side == "left" else -4,
                "dy": dy,
                "fontSize": 11,
                "fontWeight": "bold",
                "color": colour,
                "clip": True,
            },
            "transform": [{"filter": f"datum.kind == '{kind}' && datum.series == '{side}'"}],
            "encoding": {
                "x": {"field": "t2" if side == "right" and kind == "band" else "t", "type": "temporal"},
                "y": {"value": 0},
                "text": {"field": "label"},
            },
        }

    sides = ("left", "right")
    return [*(text("band", side, FAULT, 3) for side in sides), *(text("mark", side, SWITCH, 17) for side in sides)]


def _target(target: tuple[float, float]) -> Spec:
    return {
        "data": {"values": [{"least": target[0], "most": target[1]}]},
        "mark": {"type": "rect", "color": "#009E73", "opacity": 0.12},
        "encoding": {
            "x": {"value": 0},
            "x2": {"value": "width"},
            "y": {"field": "least", "type": "quantitative"},
            "y2": {"field": "most"},
        },
    }


def _colour(meanings: Sequence[Meaning]) -> dict[str, Any]:
    """Without a legend: `tiles.legend` stands above the chart, so that the height is the plot's."""
    return {"field": "series", "type": "nominal", "scale": scale(tuple(meanings)), "legend": None}


def _y_axis(title: str, number: str | None = None, *, whole: bool = False) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": title, "minExtent": AXIS_EXTENT_PX, "maxExtent": AXIS_EXTENT_PX, "tickCount": 4}
    if whole:
        axis["tickMinStep"] = 1
    return axis if number is None else {**axis, "format": number}


def _moment() -> dict[str, Any]:
    return {"field": "t", "type": "temporal", "format": "%H:%M:%S", "title": "time"}


def _number(field: str, title: str, number: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "format": number, "title": title}
