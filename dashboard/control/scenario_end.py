"""What a scenario came to: its verdict with what failed, or why there is none. Read `child.py` next."""

import streamlit as st

from ..look.plain import plain
from ..recordings import Expectation
from .child import Child
from .protocol import Verdict

MOST_SHOWN = 4
"""Expectations that failed; the Experiments page has all of them."""

VERDICTS = {
    "pass": ":green[:material/check_circle:] **Passed**",
    "fail": ":red[:material/cancel:] **Failed**",
    "unknown": ":orange[:material/help:] **Not judged**",
}


def show(child: Child, planned: str) -> None:
    """Draw it; `planned` is its title, should it not have said one."""
    title = plain(child.started.title if child.started else planned)
    if child.refused is not None:
        st.warning(f"**{title}** was refused: {plain(child.refused.reason)}", icon=":material/block:")
    elif child.verdict is None:
        left = " What it injected may go on: Stop all faults ends it." if child.was_killed else ""
        st.error(f"**{title}**: {plain(child.failure or 'it ended')}.{left}", icon=":material/error:")
    else:
        st.markdown(told(title, child.verdict))
        if rows := missed(child.verdict):
            st.caption(rows)
        _show_link(child.verdict.run)
    if child.unheard:
        st.caption(f"{child.unheard} line{'s' * (child.unheard != 1)} of what it said could not be understood.")


def told(title: str, verdict: Verdict) -> str:
    """A verdict in short, as Markdown."""
    lines = [f"{VERDICTS[verdict.verdict]} · {title}"]
    if verdict.reason:
        lines.append(plain(verdict.reason))
    if verdict.expectations:
        held = sum(one.passed is True for one in verdict.expectations)
        books = f", books {plain(verdict.books)}" if verdict.books else ""
        lines.append(f"{held} of {len(verdict.expectations)} expectations hold{books}.")
    return "  \n".join(lines)


def missed(verdict: Verdict) -> str:
    """The expectations that failed, as Markdown; empty when none did."""
    rows = [_missed(one) for one in verdict.failed[:MOST_SHOWN]]
    if (more := len(verdict.failed) - MOST_SHOWN) > 0:
        rows.append(f"- and {more} more")
    return "\n".join(rows)


def _missed(one: Expectation) -> str:
    during = f" during {' and '.join(one.during)}" if one.during else ""
    why = f" *{plain(one.why)}*" if one.why else ""
    return f"- {plain(one.name)}{plain(during)}: **{plain(one.found)}**, expected {plain(one.bound)}.{why}"


def _show_link(run: str) -> None:
    """The way to the run's charts.

    A link, for `st.switch_page` leaves an empty page now and then while fragments are drawn anew.
    """
    from ..views import experiments  # the pages import the controls

    page = st.Page(experiments.show, title="Experiments", url_path="experiments")
    st.page_link(
        page,
        label="Look at the run",
        icon=":material/science:",
        width="stretch",
        query_params={experiments.PARAMETER: run},
    )
