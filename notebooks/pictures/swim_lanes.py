"""Who did what when: a lane per client, replica or task, a bar per thing done. Read `stream_lanes.py` next."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt

from notebooks.pictures.look import INK, SERIES, Rows, room_for, scale, since, table, titled

LANE_PX = 26


def swim_lanes(
    rows: Rows,
    *,
    title: str,
    subtitle: str = "",
    colours: Mapping[str, str] | None = None,
    began_s: float | None = None,
    words: bool = True,
) -> alt.LayerChart:
    """Rows of `lane`, `what`, `began_s`, `ended_s` (Unix seconds) and `words`, which may be missing.

    Lanes come in the order of the rows; a bar is coloured by `what`, and `words` stand right of it. Time is shown in
    milliseconds since the first bar, or since `began_s`.
    """
    frame, _ = since(table(rows), ["began_s", "ended_s"], began_s)
    frame = frame.assign(began_ms=frame["began_s"] * 1000, ended_ms=frame["ended_s"] * 1000)
    if "words" not in frame:
        frame = frame.assign(words="")
    lanes = [str(lane) for lane in dict.fromkeys(frame["lane"])]
    frame = frame.assign(lane=frame["lane"].astype(str))
    kinds = list(dict.fromkeys(frame["what"]))
    chosen = dict(colours or {kind: SERIES[n % len(SERIES)] for n, kind in enumerate(kinds)})
    end_ms = float(frame["ended_ms"].max()) or 1.0
    until_ms = max(end_ms, room_for(frame["words"], frame["ended_ms"].clip(lower=0))) if words else end_ms
    axis = alt.Scale(domain=[min(0.0, float(frame["began_ms"].min())), until_ms], nice=False)
    lane = alt.Y("lane:N", sort=lanes, title=None)
    frame = frame.assign(shown_ms=frame["ended_ms"].clip(lower=frame["began_ms"] + end_ms / 400))
    bars = (
        alt.Chart(frame)
        .mark_bar(height=12, cornerRadius=2)
        .encode(
            x=alt.X("began_ms:Q", title="ms", scale=axis),
            x2="shown_ms:Q",
            y=lane,
            color=alt.Color("what:N", scale=scale(chosen, kinds)),
            tooltip=[
                "lane",
                "what",
                "words",
                alt.Tooltip("began_ms:Q", format=".1f"),
                alt.Tooltip("ended_ms:Q", format=".1f"),
            ],
        )
    )
    layers: list[alt.Chart] = [bars]
    if words:
        text = alt.Chart(frame).mark_text(align="left", dx=5, fontSize=11, color=INK)
        layers.append(text.encode(x="shown_ms:Q", y=lane, text="words:N"))
    chart: alt.LayerChart = titled(alt.layer(*layers), title, subtitle, height=max(LANE_PX * len(lanes), 60))
    return chart
