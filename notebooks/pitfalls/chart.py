"""A result as a chart that stands alone: the number as bars above, the strip over time below. Read `terminal.py` next.

The colours are those of Okabe and Ito (Color Universal Design, 2008), with vermillion for the broken form;
each panel carries its form's name, so nothing is told by colour alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from notebooks.pitfalls.result import Mark, Result, Strip, quantity

COLOURS = {"before": "#D55E00", "blocking": "#CC79A7", "after": "#0072B2"}
FAULT, RESTART = "#E69F00", "#5C5C5C"
INKS = {FAULT: "#8A4B00", RESTART: "#5C5C5C"}
WIDTH_PX, BAR_PX, STRIP_PX, WORDS_PX = 560, 34, 76, 20
ROOM = 1.18
"""Space for the words behind the longest bar."""
Panel = alt.LayerChart | alt.FacetChart
FONT = "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"


def drawn(result: Result) -> alt.VConcatChart:
    """The chart; works in a notebook's cell and without one."""
    title = alt.TitleParams(
        f"Pitfall {result.pitfall.number}: {result.pitfall.title}",
        subtitle=[result.findings.load, _forms(result)],
        anchor="start",
        fontSize=16,
        subtitleColor="#555555",
        offset=14,
    )
    chart: alt.VConcatChart = (
        alt.vconcat(_bars(result), *_strips(result), spacing=10)
        .properties(title=title)
        .configure(font=FONT, background="white", padding=16)
        .configure_view(stroke=None)
        .configure_axis(titleFontWeight="normal", grid=False)
    )
    return chart


def save(result: Result, folder: Path) -> Path:
    """Write it as an SVG, which any browser opens; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.pitfall.number:02}_{result.pitfall.name}.svg"
    drawn(result).save(path, format="svg")
    return path


def _forms(result: Result) -> str:
    return ";  ".join(f"{form.name}: {form.words}" for form in result.pitfall.forms)


def _bars(result: Result) -> Panel:
    figure, forms = result.figure, [form.name for form in result.pitfall.forms]
    rows = [{"form": form, "value": figure.values[form] or 0.0, "said": figure.said(form)} for form in forms]
    order = list(forms)
    if result.guess is not None:
        order.insert(order.index(result.pitfall.asked.guessed) + 1, "your guess")
        rows.append({"form": "your guess", "value": result.guess, "said": quantity(result.guess, figure.unit)})
    colours = [COLOURS.get(name, "#BBBBBB") for name in order]
    most = max([row["value"] for row in rows if isinstance(row["value"], float)] or [0.0]) or 1.0
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "form:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, labelFontSize=13, labelPadding=8)
        ),
        x=alt.X("value:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most * ROOM])),
    )
    bars = base.mark_bar(height=BAR_PX * 0.6).encode(
        color=alt.Color("form:N", scale=alt.Scale(domain=order, range=colours), legend=None)
    )
    words = base.mark_text(align="left", dx=5, fontSize=13).encode(text="said:N")
    return alt.layer(bars, words).properties(width=WIDTH_PX, height=BAR_PX * len(order), title=_heading(figure.words))


def _strips(result: Result) -> list[Panel]:
    strip, forms = result.findings.strip, [form.name for form in result.pitfall.forms]
    return [_strip(strip, form, is_first=form == forms[0], is_last=form == forms[-1]) for form in forms]


def _strip(strip: Strip, form: str, *, is_first: bool, is_last: bool) -> Panel:
    values = strip.values[form]
    width_s = strip.lasts_s / len(values)
    rows = [
        {"from": number * width_s, "to": (number + 1) * width_s, "value": value}
        for number, value in enumerate(values)
        if value is not None
    ]
    axis = alt.Axis(
        title="seconds since the load began" if is_last else None, labels=is_last, ticks=is_last, format=",~r"
    )
    time = alt.X("from:Q", axis=axis, scale=alt.Scale(domain=[0, strip.lasts_s], nice=False))
    height = alt.Scale(domain=[0, strip.highest])
    label = "datum.label + ' %'" if strip.unit == "%" else "datum.label"
    up = alt.Y("value:Q", title=form, scale=height, axis=alt.Axis(tickCount=2, titleFontSize=13, labelExpr=label))
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(color=COLOURS[form], stroke=COLOURS[form], strokeWidth=0.5)
        .encode(x=time, x2="to:Q", y=up, y2=alt.datum(0))
    )
    marks = [mark for mark in strip.marks if mark.form in (None, form)]
    panel = alt.layer(
        *(_mark(mark, strip, time) for mark in marks), bars, *_words(marks, time, shared=is_first)
    ).properties(width=WIDTH_PX, height=STRIP_PX)
    return panel.properties(title=_heading(f"{strip.words}, over time", WORDS_PX)) if is_first else panel


def _mark(mark: Mark, strip: Strip, time: Any) -> Any:
    data = alt.InlineData(values=[{"from": mark.from_s, "to": min(mark.to_s, strip.lasts_s)}])
    if mark.from_s == mark.to_s:
        return alt.Chart(data).mark_rule(color=RESTART, strokeDash=[4, 3]).encode(x=time)
    return alt.Chart(data).mark_rect(color=_of(mark), opacity=0.22).encode(x=time, x2="to:Q")


def _words(marks: Sequence[Mark], time: Any, *, shared: bool) -> list[Any]:
    """Those of all forms above the first panel; a form's own ones once, in its panel, where nothing is answered."""
    own = [mark for mark in marks if mark.form is not None][:1]
    common = [mark for mark in marks if mark.form is None] if shared else []
    return [
        alt.Chart(alt.InlineData(values=[{"from": mark.from_s, "words": mark.words}]))
        .mark_text(align="left", baseline="bottom" if mark in common else "top", dx=3, dy=-3, color=INKS[_of(mark)])
        .encode(x=time, y=alt.value(0 if mark in common else STRIP_PX / 2), text="words:N")
        for mark in [*common, *own]
    ]


def _of(mark: Mark) -> str:
    return FAULT if mark.form is None and mark.from_s < mark.to_s else RESTART


def _heading(words: str, offset: int = 8) -> alt.TitleParams:
    return alt.TitleParams(words, anchor="start", frame="group", fontSize=13, fontWeight="normal", offset=offset)
