"""Token buckets over time: they fill by the clock and are emptied by requests. Read `sources_over_time.py` next."""

from __future__ import annotations

import altair as alt

from notebooks.pictures.look import BLUE, PALE, SERIES, VERMILLION, Rows, since, table, titled

HEIGHT_PX = 220


def bucket_levels(
    rows: Rows,
    *,
    title: str,
    subtitle: str = "",
    refused: Rows | None = None,
    capacity: float | None = None,
    unit: str = "requests left",
) -> alt.LayerChart:
    """Rows of `t` (Unix seconds), `bucket` (its name) and `level`; `refused` has a row of `t` per request turned away.

    A level holds until the next is known (steps); `capacity` is a line across.
    """
    frame, zero = since(table(rows), ["t"])
    names = list(dict.fromkeys(frame["bucket"]))
    colours = alt.Scale(domain=names, range=list(SERIES[: len(names)]) or [BLUE])
    layers: list[alt.Chart] = []
    if capacity is not None:
        rule = alt.Chart(table([{"level": capacity, "what": f"full: {capacity:g}"}]))
        layers.append(rule.mark_rule(strokeDash=[4, 4], color=PALE).encode(y="level:Q"))
        layers.append(
            rule.mark_text(align="left", baseline="bottom", dx=4, color=PALE, fontSize=11).encode(
                x=alt.value(0), y="level:Q", text="what:N"
            )
        )
    layers.append(
        alt.Chart(frame)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X("t:Q", title="seconds"),
            y=alt.Y("level:Q", title=unit, scale=alt.Scale(domainMin=0)),
            color=alt.Color("bucket:N", scale=colours, legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=3)),
            tooltip=["bucket", alt.Tooltip("t:Q", format=".2f"), "level"],
        )
    )
    if refused is not None:
        turned = table(refused).reindex(columns=["t"])
        turned = turned.assign(t=turned["t"].astype(float) - zero, level=0, what="refused (429)")
        layers.append(
            alt.Chart(turned)
            .mark_point(shape="cross", angle=45, size=40, filled=True, color=VERMILLION, opacity=0.9)
            .encode(x="t:Q", y="level:Q", tooltip=["what"])
        )
        subtitle = subtitle or "red cross: a request that was refused"
    chart: alt.LayerChart = titled(alt.layer(*layers), title, subtitle, height=HEIGHT_PX)
    return chart
