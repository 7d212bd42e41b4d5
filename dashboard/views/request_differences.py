"""Two requests in figures, and how they differ. Read `request_told.py` next: where the figures are from."""

from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..look.palette import OUTCOMES, words
from .request_told import Told


def show(first: Told, second: Told) -> None:
    """Draw the table; both have a record."""
    st.markdown("#### Two requests compared")
    before, after = _measured(first), _measured(second)
    rows = [
        _difference(name, before[name], after[name]) for name in before if (before[name], after[name]) != (None,) * 2
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, row_height=28)


def _measured(told: Told) -> dict[str, Any]:
    request = told.request or {}
    cost = request["cost_nano_usd"]
    return {
        "outcome": words(OUTCOMES).get(request["outcome"], request["outcome"]),
        "source": request["source"] or "",
        "took, ms": request["duration_ms"],
        "first token, ms": request["first_token_ms"],
        "calls": len(told.attempts),
        "waited between calls, ms": sum(step.duration_ms or 0.0 for step in told.steps if step.kind == "wait"),
        "tokens in": request["input_tokens"],
        "tokens out": request["output_tokens"],
        "cost, USD": None if cost is None else cost / 1e9,
    }


def _difference(name: str, first: Any, second: Any) -> dict[str, str]:
    if isinstance(first, str) or isinstance(second, str):
        differs = "same" if first == second else "differs"
    elif first is None or second is None:
        differs = ""
    else:
        differs = "same" if second == first else f"{'+' if second > first else '−'}{_shown(abs(second - first))}"
    return {"": name, "A": _shown(first), "B": _shown(second), "B − A": differs}


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float) and 0 < value < 0.1:  # USD of one request
        return f"{value:.6f}"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
