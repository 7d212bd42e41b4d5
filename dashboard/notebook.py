"""The dashboard without a browser's websocket: the Live page's panels as one chart in the output of a notebook's cell.

Some places show no Streamlit page, Colab among them: its proxy of a kernel's port carries HTTP and no websockets
(googlecolab/colabtools, issue 2529). A chart that is drawn once needs neither. Read `look/panels.py` next.
"""

import time
from typing import Any

import altair as alt

from .backends.http import Away, Refused
from .feed.feed import KEPT_S, feed_of
from .feed.figures import Figures, call_counts, figures
from .feed.picture import Picture
from .look.panels import Panel, answers_panel, calls_panels, circuits_panel, series_panels
from .settings import Settings

WIDTH_PX = 760
FRESH_S = 5.0
WAITS_S = 10.0
"""A cell waits so long for an answer that knows all but the last seconds."""
POLL_S = 0.1
__all__ = ["Figures", "live"]


def live(settings: Settings, width_s: float = 180.0) -> tuple[alt.VConcatChart, Figures]:
    """The last `width_s` seconds (at most 15 minutes) as one chart, and their figures.

    Raises Away when the collector does not answer, Refused when it will not.
    """
    if not 0 < width_s <= KEPT_S:
        raise ValueError(f"{width_s:g} s: the last 15 minutes can be shown, so up to {KEPT_S} s")
    feed = feed_of(settings)
    began_s = time.monotonic()
    until = time.time() - FRESH_S
    while not feed.told_until >= until and time.monotonic() < began_s + WAITS_S:
        now = feed.refresh()
        amiss: list[Away | Refused] = [*now.away, *now.refused]
        for error in amiss:
            if error.name == "collector":
                raise error
        time.sleep(POLL_S)
    seen = feed.picture(width_s)
    return chart_of(seen), figures(seen)


def chart_of(seen: Picture) -> alt.VConcatChart:
    """The panels of a picture, one above the other on one time axis, with their legends."""
    providers = sorted(name for name in call_counts(seen) if name != "payments")
    panels = [
        answers_panel(seen),
        circuits_panel(seen, providers),
        *calls_panels(seen, providers),
        *series_panels(seen).values(),
    ]
    chart: alt.VConcatChart = alt.VConcatChart.from_dict(
        {
            "vconcat": [_spec(panel) for panel in panels],
            "resolve": {"scale": {"color": "independent"}, "legend": {"color": "independent"}},
        }
    )
    return chart


def _spec(panel: Panel) -> dict[str, Any]:
    layers = [_with_legend(layer) for layer in panel.spec["layer"]]
    return {
        **panel.spec,
        "layer": layers,
        "title": {"text": panel.title, "anchor": "start"},
        "width": WIDTH_PX,
        "data": {"values": panel.rows.to_pylist()},
    }


def _with_legend(layer: dict[str, Any]) -> dict[str, Any]:
    colour = layer.get("encoding", {}).get("color", {})
    if "field" not in colour:
        return layer
    return {**layer, "encoding": {**layer["encoding"], "color": {**colour, "legend": {"title": None}}}}
