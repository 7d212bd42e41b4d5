"""How a load judged its run: each expectation with its bound and what was measured, what was predicted, the report.

Read `../recordings/judged.py` next: where that stands.
"""

from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..look.plain import plain
from ..recordings import Expectation, NoPrediction, NoVerdict, Recording, judged, predictions, report
from .experiments_words import verdict

SIGNS = {True: "✓ held", False: "✗ failed", None: "? not judged"}
COLOURS = {"pass": "green", "fail": "red", "unknown": "orange"}


def show(run: Recording) -> None:
    """Draw it; nothing for a run that nobody judged."""
    try:
        found = judged(run)
    except NoVerdict as error:
        st.warning(f"{plain(str(error))}", icon=":material/rule:")
        found = None
    if found is not None:
        words = [f":{COLOURS.get(found.verdict, 'gray')}[**{plain(verdict(found.verdict))}**]"]
        if found.expectations:
            held = sum(one.passed is True for one in found.expectations)
            words.append(f"{held} of {len(found.expectations)} expectations hold")
        words += [f"books: {plain(found.books)}"] if found.books else []
        words += [plain(found.reason)] if found.reason else []
        st.markdown(" · ".join(words))
        if found.expectations:
            st.table(table(found.expectations), hide_index=True, border="horizontal")
    _show_predictions(run)
    _show_report(run)


def _show_predictions(run: Recording) -> None:
    try:
        guesses = predictions(run)
    except NoPrediction as error:
        st.warning(f"{plain(str(error))}", icon=":material/psychology_alt:")
        return
    if not guesses:
        return
    st.markdown("**Predicted, then run**")
    rows = [
        {
            "Question": plain(one.words),
            "Predicted": plain(one.predicted_said),
            "Came": plain(one.measured_said),
            "": plain(one.nearness),
        }
        for one in guesses
    ]
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal")


def table(expectations: tuple[Expectation, ...]) -> pd.DataFrame:
    """A row per expectation, those that failed first; the text is Markdown that says only itself."""
    order = sorted(expectations, key=lambda one: (one.passed is not False, one.passed is True))
    return pd.DataFrame(
        [
            {
                "": SIGNS[one.passed],
                "Expectation": plain(one.name),
                "During": plain(one.phases),
                "Expected": plain(one.bound),
                "Measured": plain(one.found),
                "Why": plain(one.why or ""),
            }
            for one in order
        ]
    )


def _show_report(run: Recording) -> None:
    path = report(run)
    if path is None:
        return
    words, button = st.columns([4, 1.3], vertical_alignment="center")
    words.caption(f"Its report, one page with charts that needs nobody: `{_shown(path)}`")
    try:
        button.download_button(
            "Report, HTML",
            path.read_bytes(),
            file_name=f"{run.id}.html",
            mime="text/html",
            icon=":material/download:",
            width="stretch",
            key="experiments_report",
            on_click="ignore",
        )
    except OSError as error:
        st.caption(f"It cannot be read ({error.strerror}).")


def _shown(path: Path) -> Path:
    """As a person in the checkout would write it."""
    here, whole = Path.cwd(), path.absolute()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole
