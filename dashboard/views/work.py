"""The Work page: what is done after the answer. Jobs, the agent's runs and approvals, webhooks, second by second.

Read `work_begin.py` next: how something is begun; `../feed/work.py`: where the data comes from.
"""

from dataclasses import replace

import streamlit as st

from ..backends.http import Away
from ..control import who
from ..feed import work_figures
from ..feed.feed import KEPT_S, Feed, feed
from ..feed.picture import Picture
from ..feed.work import Work, work_feed
from ..look import states
from ..look.glossary import explained
from ..look.panels import Panel
from ..look.tiles import Tile, legend, number, terms, tiles
from ..look.work_panels import panels
from ..story.work import age
from . import approvals, dead_letters, work_begin, work_rows

REFRESH_S = 1.0
WIDTHS_S = {"1 min": 60, "3 min": 180, "5 min": 300, "15 min": KEPT_S}
USUAL_WIDTH = "3 min"
RECENT_S = 60
SHOWS = (
    "This page will show what is done after the answer: how much waits in the queue and for how long, jobs and "
    "runs of the agent with their progress and their story, refunds that wait for an approval, and what became of "
    "every webhook."
)
NO_QUEUE = (
    "This service has no queue: it answers at once or not at all (`queue.enabled` is off), so there are no jobs, "
    "no runs of the agent and no webhooks."
)
_TERMS = ("job", "queue", "lane", "own work", "checkpoint", "webhook", "dead letter", "fault window", "worker mark")


def show() -> None:
    """Draw the page, and draw it anew each second."""
    st.subheader("Work")
    left, right = st.columns([1, 2.6], vertical_alignment="bottom")
    with left:
        width = st.segmented_control(
            "How much of it",
            list(WIDTHS_S),
            default=USUAL_WIDTH,
            label_visibility="collapsed",
            required=True,
            key="work_width",
        )
    with right:
        work_begin.show()
    st.fragment(_show_live, run_every=REFRESH_S, key="work")(float(WIDTHS_S[str(width)]))


def _show_live(width_s: float) -> None:
    watched = feed()
    now = watched.refresh()
    work = work_feed(who.admin_key()).refresh(width_s)
    _show_amiss(work, [one for one in now.away if one.name == "simulator"])
    work_begin.show_begun(work.at)
    lists = work.lists
    if lists is not None and lists.jobs is None and lists.runs is None and lists.waiting is None:
        st.info(NO_QUEUE, icon=":material/block:")
        return
    if _is_empty(work):
        st.markdown(f"**Nothing has happened yet.** {SHOWS} Begin something above.")
    seen = _seen(watched, work, width_s)
    if work.frames is not None:
        _show_tiles(work_figures.figures(work.frames, seen, RECENT_S))
    chart, decide = st.columns([2, 1], gap="medium")
    drawn = panels(work.frames, seen) if work.frames is not None else []
    with decide:
        approvals.show(None if lists is None else lists.waiting, work.at)
    with chart:
        for panel in drawn[:1]:
            _show_panel(panel)
        _show_rows(work)
    for begin in range(1, len(drawn), 3):
        for column, panel in zip(st.columns(3), drawn[begin : begin + 3], strict=False):
            with column:
                _show_panel(panel)
    st.markdown(terms(_TERMS), unsafe_allow_html=True)
    dead_letters.show(None if lists is None else lists.dead, work.at)


def _show_amiss(work: Work, others: list[Away]) -> None:
    states.show_away([*work.away, *others])
    for refused in work.refused:
        states.show_refused(refused)


def _is_empty(work: Work) -> bool:
    """Whether who answered knows of nothing."""
    told = work.frames is not None and not any(len(work.frames[name]) for name in ("ended", "steps", "tries"))
    lists = work.lists
    return told and (lists is None or not (lists.jobs or lists.runs))


def _seen(watched: Feed, work: Work, width_s: float) -> Picture:
    """The same span as on the Live page, with the worker processes' starts and ends as marks beside the switches."""
    seen = watched.picture(width_s)
    if work.frames is None:
        return seen
    marks = [*seen.marks, *work_figures.worker_marks(work.frames["workers"], seen)]
    return replace(seen, marks=sorted(marks, key=lambda mark: mark.t))


def _show_tiles(shown: work_figures.Figures) -> None:
    def since(seconds: float | None) -> str:
        return "" if not seconds else f"oldest {age(seconds)}"

    given = [
        Tile("Workers", f"{shown.workers}", "", "worker mark", "processes alive"),
        Tile("Waiting", number(shown.waiting, ",d"), "", "queue", since(shown.oldest_s)),
        Tile("Running", number(shown.running, ",d"), "", "work running", "tasks"),
        Tile("Ended", f"{shown.ended:,}", "", "work ended", "in a minute"),
        Tile("Failed", f"{shown.failed:,}", "", "failed", "in a minute"),
        Tile("Approvals", number(shown.approvals, ",d"), "", "approval", since(shown.approval_oldest_s)),
        Tile("Webhooks", number(shown.undelivered, ",d"), "", "webhook", "to be delivered"),
        Tile("Dead letters", number(shown.dead, ",d"), "", "dead letter", "in a week"),
    ]
    st.markdown(tiles(given), unsafe_allow_html=True)


def _show_panel(panel: Panel) -> None:
    note = f" :gray[· {panel.note}]" if panel.note else ""
    st.markdown(f"**{panel.title}**{note}", help=explained(panel.term))
    if panel.meanings:
        st.markdown(legend(panel.meanings), unsafe_allow_html=True)
    with st.container(key=f"work_{panel.key}"):
        st.vega_lite_chart(panel.rows, panel.spec, key=f"work_chart_{panel.key}", width="stretch")


def _show_rows(work: Work) -> None:
    st.markdown("**Newest jobs and runs**", help=explained("job"))
    if work.lists is not None:
        rows, whence = work_rows.listed_rows(work.lists, work.at), ""
    elif work.frames is not None:
        rows = work_rows.ended_rows(work.frames["ended"], work.at)
        whence = "From the collector, for the service's list is not at hand: only what ended in this span."
    else:
        rows, whence = [], "Neither the service nor the collector tells of any."
    if whence:
        st.caption(whence)
    if rows:
        st.html(work_rows.table_html(rows))
    elif not whence:
        st.caption("None yet.")
