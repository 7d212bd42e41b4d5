"""The Checklist page: the ten items with what can be seen of each right now, and the newest audit.

Read `../checklist/items.py` next.
"""

from dataclasses import dataclass

import streamlit as st

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..checklist.facts import Facts
from ..checklist.finding import Finding, State
from ..checklist.items import ITEMS, Item, look
from ..control.who import admin_key
from ..look import states
from ..look.glossary import explained
from ..settings import Settings, current
from . import audit
from .pill import pill

REFRESH_S = 10.0
KEPT_S = 8
RANGES = {
    "15 min": (900, "in the last 15 minutes"),
    "1 h": (3600, "in the last hour"),
    "24 h": (86_400, "in the last day"),
}
USUAL_RANGE = "1 h"

SHOWS = (
    "This page will show ten promises of a service that is ready for production, each with what was seen of it: "
    "figures from telemetry, and the service's own answers."
)


@dataclass(frozen=True, slots=True)
class Looked:
    """A finding per item, whether anything was asked at all, and who is away: name, URL, why."""

    findings: list[Finding]
    anything: bool
    away: list[tuple[str, str, str]]


def show() -> None:
    """Draw the page, and draw it anew every few seconds."""
    st.fragment(_show_all, run_every=REFRESH_S, key="checklist")()


def _show_all() -> None:
    live, audited = st.tabs(["Live evidence", "Audit"])
    with live:
        _show_live()
    with audited:
        audit.show()


def _show_live() -> None:
    range_s, span = RANGES[_show_range()]
    looked = _look(current(), admin_key(), range_s, span)
    states.show_away([Away(*one) for one in looked.away])
    if not looked.anything:
        states.show_empty(SHOWS, key="checklist")
    seen = sum(finding.state is State.SEEN for finding in looked.findings)
    st.markdown(
        f"**{seen} of {len(ITEMS)}** seen {span}. This is live evidence, not an audit: it shows what "
        "happened while somebody looked, not that it holds whatever happens.",
        help=explained("live evidence"),
    )
    for number, (item, finding) in enumerate(zip(ITEMS, looked.findings, strict=True), 1):
        _show_item(number, item, finding)


def _show_range() -> str:
    title, choice = st.columns([3, 2], vertical_alignment="center")
    title.subheader("Checklist", help=explained("live evidence"))
    with choice:
        chosen = st.segmented_control(
            "The last",
            list(RANGES),
            default=USUAL_RANGE,
            key="checklist_range",
            required=True,
            help="How far back is looked; what is older than a day is forgotten.",
        )
    return chosen or USUAL_RANGE


@st.cache_data(ttl=KEPT_S, show_spinner=False, max_entries=8)
def _look(settings: Settings, key: str | None, range_s: int, span: str) -> Looked:
    """What is found; kept a few seconds for all open pages. `settings` says whom it is kept for."""
    facts = Facts(backends(), range_s, key)
    findings = [look(item, facts, span) for item in ITEMS]
    try:
        anything = bool(facts.requests["asked"])
    except (Away, Refused):
        anything = True
    return Looked(findings, anything, [(one.name, one.url, one.why) for one in facts.away.values()])


def _show_item(number: int, item: Item, finding: Finding) -> None:
    with st.container(border=True, key=f"item_{number}"):
        state, told = st.columns([1.3, 6], vertical_alignment="top")
        shown = finding.state
        state.html(pill(shown.colour, shown.icon, shown.words))
        with told.container(gap="xxsmall"):
            st.markdown(f"**{number}. {item.promise}**", help=explained(item.term))
            link = f" [Look at it](/request?request={finding.request_id})" if finding.request_id else ""
            st.markdown(finding.evidence + link)
            st.caption(f"{'Again' if shown is State.SEEN else 'To see it'}: {finding.how}")
