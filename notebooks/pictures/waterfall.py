"""A request as a waterfall: stages inside stages, decisions as points, calls and waits as bars. Read `bands.py` next.

The rows are spans as the collector has them (`lab.trace(answer)`): each stage's passage is a span, each call to a
provider one of kind `client`, each decision an event of its stage's span (docs/telemetry.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import altair as alt
import pandas as pd  # type: ignore[import-untyped]

from notebooks.pictures.look import BLUE, DARK_GREY, GREEN, INK, PURPLE, VERMILLION, YELLOW, room_for, scale, titled

KINDS = {
    "request": DARK_GREY,
    "stage": BLUE,
    "call": GREEN,
    "failed call": VERMILLION,
    "wait": YELLOW,
    "decision": PURPLE,
}
ROW_PX = 24
THIN_PX, THICK_PX = 4, 13
"""A stage that waits for what is inside it, and what takes the time."""
INDENT = "\u00a0\u00a0\u00a0"
NOT_TRIMMED = "\u200b"
"""Vega takes spaces off the beginning of a label; this is none, and has no width."""
TOLD_BY_THE_CALL = ("first_token", "ok")
SHORT_MS = 0.4
"""What is shorter would be no bar at all."""


def steps(spans: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row per span, wait and decision: row, name, kind, began_ms, ended_ms, words; parents before their children."""
    if not spans:
        return pd.DataFrame(columns=["row", "name", "kind", "began_ms", "ended_ms", "words"])
    ids = {span["span_id"] for span in spans}
    inside: dict[str | None, list[Mapping[str, Any]]] = {}
    for span in sorted(spans, key=lambda span: str(span["start_time"])):
        parent = span["parent_span_id"]
        inside.setdefault(parent if parent in ids else None, []).append(span)
    zero = min(_moment(span) for span in spans)
    rows: list[dict[str, Any]] = []
    count = 0

    def walk(span: Mapping[str, Any], depth: int) -> None:
        nonlocal count
        began_ms = (_moment(span) - zero).total_seconds() * 1000
        ended_ms = began_ms + (span["duration_ms"] or 0.0)
        about = span["attributes"] or {}
        here = {"row": count, "name": NOT_TRIMMED + INDENT * depth + _name(span)}
        count += 1
        rows.append({**here, "kind": _kind(span), "began_ms": began_ms, "ended_ms": ended_ms, "words": _words(span)})
        if "gauntlet.stage" in about:
            rows.extend({**here, **point} for point in _points(span, began_ms))
        for child in inside.get(span["span_id"], ()):
            walk(child, depth + 1)

    for root in inside.get(None, ()):
        walk(root, 0)
    return pd.DataFrame(rows)


def waterfall(trace: Mapping[str, Any], title: str = "One request, stage by stage") -> alt.LayerChart:
    """`lab.trace(answer)` as a picture; x is milliseconds since the request arrived.

    Raises ValueError for a request whose trace was not kept.
    """
    frame = steps(trace["spans"])
    if frame.empty:
        raise ValueError("the trace of this request was not kept: its spans are sampled, its record is not")
    bars = frame[frame["kind"] != "decision"].assign(
        shown_ms=lambda rows: rows["ended_ms"].clip(lower=rows["began_ms"] + SHORT_MS)
    )
    points = frame[frame["kind"] == "decision"]
    end_ms = float(frame["ended_ms"].max())
    order = alt.Y(
        "row:O",
        title=None,
        axis=alt.Axis(
            labelExpr=_labels(frame), labelAlign="left", labelPadding=200, domain=False, ticks=False, grid=True
        ),
    )
    said = _said(frame)
    until_ms = max(end_ms, room_for(said["words"], said["ended_ms"]))
    colour = alt.Color("kind:N", scale=scale(KINDS, frame["kind"]))
    time = alt.X("began_ms:Q", title="ms since the request arrived", scale=alt.Scale(domain=[0, until_ms], nice=False))
    tip = ["name:N", "words:N", alt.Tooltip("began_ms:Q", format=".1f"), alt.Tooltip("ended_ms:Q", format=".1f")]
    around = bars["kind"] == "stage"
    layers = [
        alt.Chart(rows)
        .mark_bar(height=height, cornerRadius=2)
        .encode(x=time, x2="shown_ms:Q", y=order, color=colour, tooltip=tip)
        for rows, height in ((bars[around], THIN_PX), (bars[~around], THICK_PX))
    ]
    layers.append(
        alt.Chart(points)
        .mark_point(shape="diamond", filled=True, size=60, opacity=1)
        .encode(x=time, y=order, color=colour, tooltip=tip)
    )
    text = alt.Chart(said).mark_text(align="left", dx=8, fontSize=11, color=INK)
    layers.append(text.encode(x="ended_ms:Q", y=order, text="words:N"))
    request = trace["request"] or {}
    subtitle = (
        f"{request.get('method', '')} {request.get('endpoint', '')}: {request.get('status', '')} "
        f"{request.get('source') or request.get('outcome') or ''} in {end_ms:.0f} ms"
    )
    chart: alt.LayerChart = titled(alt.layer(*layers), title, subtitle, height=ROW_PX * (frame["row"].max() + 1))
    return chart


def _said(frame: pd.DataFrame) -> pd.DataFrame:
    """One line of words per row, right of its last mark: what was decided, in order."""
    ends = frame.groupby("row", as_index=False)["ended_ms"].max()
    spoken = frame[frame["words"] != ""].drop_duplicates(["row", "words"])
    return spoken.groupby("row", as_index=False).agg(words=("words", " · ".join)).merge(ends, on="row")


def _labels(frame: pd.DataFrame) -> str:
    """An expression of Vega that gives each row its name; rows are numbered, since two may have the same name."""
    named = frame.drop_duplicates("row").sort_values("row")["name"]
    listed = ", ".join("'" + name.replace("'", "") + "'" for name in named)
    return f"[{listed}][datum.value]"


def _points(span: Mapping[str, Any], began_ms: float) -> list[dict[str, Any]]:
    """The decisions of a stage; a back-off is a bar of its own."""
    found = []
    for event in span["events"] or ():
        about = event["attributes"] or {}
        if event["name"] in TOLD_BY_THE_CALL:
            continue
        at_ms = began_ms + event["t_ms"]
        wait_s = about.get("wait_s") if event["name"] == "wait" else None
        word = event["name"].replace("_", " ")
        if word == "rung":  # of the ladder: whose turn it is
            word = f"rung {about.get('rung', '')}: {about.get('provider', '')}"
        if wait_s is not None:
            word, kind, until_ms = f"wait {float(wait_s) * 1000:.0f} ms", "wait", at_ms + float(wait_s) * 1000
        else:
            kind, until_ms = "decision", at_ms
        found.append({"kind": kind, "began_ms": at_ms, "ended_ms": until_ms, "words": word})
    return found


def _moment(span: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(span["start_time"]))


def _kind(span: Mapping[str, Any]) -> str:
    if span["kind"] == "client":
        return "failed call" if span["status"] == "error" else "call"
    return "stage" if "gauntlet.stage" in (span["attributes"] or {}) else "request"


def _name(span: Mapping[str, Any]) -> str:
    return str((span["attributes"] or {}).get("gauntlet.stage") or span["name"]).replace("_", " ")


def _words(span: Mapping[str, Any]) -> str:
    """What a call came to; a stage speaks by its decisions."""
    if span["kind"] != "client":
        return ""
    about = span["attributes"] or {}
    status = about.get("gauntlet.attempt.status", "")
    code = about.get("http.response.status_code")
    return f"{status} {code or ''} in {span['duration_ms']:.0f} ms".replace("_", " ")
