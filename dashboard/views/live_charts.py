"""Where the panels stand on the Live page and over a recorded run. Read `../look/panels.py` next: what they are."""

import math
from collections.abc import Iterator, Sequence

import streamlit as st

from ..feed.picture import Picture
from ..look.glossary import explained
from ..look.panels import Panel, answers_panel, calls_panels, circuits_panel, series_panels
from ..look.tiles import legend

MOST_BESIDE = 3
"""With more charts in a row there is no room for the labels of their axes."""


def show_answers(seen: Picture, providers: list[str]) -> None:
    """Where answers came from, and right beneath it the circuits, on the same axis."""
    _show(answers_panel(seen))
    _show(circuits_panel(seen, providers))


def show_rest(seen: Picture, providers: list[str]) -> None:
    """Latency, success, calls per provider, hit rate, amplification, cost."""
    series = series_panels(seen)
    for row in (
        [series["latency"], series["success"]],
        *_lines(calls_panels(seen, providers)),
        [series["hit_rate"], series["amplification"], series["cost"]],
    ):
        for column, panel in zip(st.columns(len(row)), row, strict=True):
            with column:
                _show(panel)


def _lines(panels: Sequence[Panel]) -> Iterator[Sequence[Panel]]:
    """As few lines as may be, about equally long."""
    count = math.ceil(len(panels) / MOST_BESIDE)
    for place in range(count):
        yield panels[len(panels) * place // count : len(panels) * (place + 1) // count]


def _show(panel: Panel) -> None:
    st.markdown(f"**{panel.title}**", help=explained(panel.term))
    if panel.meanings:
        st.markdown(legend(panel.meanings), unsafe_allow_html=True)
    with st.container(key=f"live_{panel.key}"):
        st.vega_lite_chart(panel.rows, panel.spec, key=f"chart_{panel.key}", width="stretch")
