"""What runs differ in: figures side by side, and how far each is from the first. Read `../feed/figures.py` next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..feed.figures import Figures, figures
from ..feed.picture import Picture
from ..look.glossary import explained

MINUTE_S = 60
NONE = "–"


@dataclass(frozen=True, slots=True)
class Line:
    """A figure with its unit: `of` takes it, in that unit, from the figures and the width in seconds.

    `better` says which way: 1 the more the better, -1 the less, 0 neither. `unit_apart` is that of differences.
    """

    name: str
    unit: str
    form: str
    better: int
    of: Callable[[Figures, float], float | None]
    unit_apart: str = ""


def usd(shown: Figures, width_s: float) -> float | None:
    """What all attempts cost, in USD."""
    return None if shown.usd_per_min is None else shown.usd_per_min * width_s / MINUTE_S


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


LINES = (
    Line("Requests", "", ",.0f", 0, lambda shown, _: shown.requests),
    Line("Request rate", "/s", ",.2f", 0, lambda shown, _: shown.request_rate),
    Line("Success", "%", ".1f", 1, lambda shown, _: _percent(shown.success), "points"),
    Line("Degraded", "%", ".1f", -1, lambda shown, _: _percent(shown.degraded), "points"),
    Line("p50", "ms", ",.0f", -1, lambda shown, _: shown.p50_ms),
    Line("p95", "ms", ",.0f", -1, lambda shown, _: shown.p95_ms),
    Line("p99", "ms", ",.0f", -1, lambda shown, _: shown.p99_ms),
    Line("First token, p50", "ms", ",.0f", -1, lambda shown, _: shown.first_token_p50_ms),
    Line("Cache hit rate", "%", ".1f", 1, lambda shown, _: _percent(shown.hit_rate), "points"),
    Line("Calls per request", "", ".2f", -1, lambda shown, _: shown.amplification),
    Line("Cost per minute", "USD/min", ",.4f", -1, lambda shown, _: shown.usd_per_min),
    Line("Cost in all", "USD", ",.4f", -1, usd),
)


def show(pictures: Mapping[str, Picture]) -> None:
    """The table of the runs, by their letters; of one run only its figures."""
    first = next(iter(pictures))
    if len(pictures) > 1:
        st.markdown(f"**Figures, and their differences to {first}**", help=explained("percentiles"))
    else:
        st.markdown("**Figures of the whole run**", help=explained("percentiles"))
    st.table(table(pictures), hide_index=True, border="horizontal")


def table(pictures: Mapping[str, Picture]) -> pd.DataFrame:
    """A row per figure: `Figure`, a column per run, and after each but the first its difference to the first."""
    shown = {letter: (figures(seen), seen.width_s) for letter, seen in pictures.items()}
    first, *others = shown
    rows = []
    for line in LINES:
        base = line.of(*shown[first])
        row = {"Figure": f"{line.name}, {line.unit}" if line.unit else line.name}
        row[first if others else "Value"] = _number(line, base)
        for letter in others:
            value = line.of(*shown[letter])
            row[letter] = _number(line, value)
            row[f"{letter} − {first}"] = apart(line, base, value)
        rows.append(row)
    return pd.DataFrame(rows)


def apart(line: Line, base: float | None, value: float | None) -> str:
    """The difference in its unit and in percent of the first, with a sign and a word for better or worse."""
    if base is None or value is None:
        return NONE
    difference = value - base
    if _number(line, abs(difference)) == _number(line, 0.0):
        return "= same"
    unit = line.unit_apart or line.unit
    absolute = f"{_signed(difference, line.form)}{f' {unit}' if unit else ''}"
    relative = f" ({_signed(difference / base * 100, ',.0f')} %)" if base else ""
    return f"{absolute}{relative} {_word(line.better * difference, difference)}"


def _word(gain: float, difference: float) -> str:
    if gain == 0:
        return "more" if difference > 0 else "less"
    return "✓ better" if gain > 0 else "✗ worse"


def _number(line: Line, value: float | None) -> str:
    return NONE if value is None else format(value, line.form)


def _signed(value: float, form: str) -> str:
    return f"{'+' if value > 0 else '−'}{format(abs(value), form)}"
