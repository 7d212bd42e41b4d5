"""The Request page: find requests, open one to see what happened to it and why, open two to compare them.

Read `request_finding.py` next: how they are found; then `request_story.py`: how one is told.
"""

from collections.abc import Mapping

import streamlit as st

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..look import states
from . import request_finding as finding
from . import request_story as story
from .request_told import find

MOST_OPEN = 2


def show() -> None:
    """Draw the page."""
    asked = finding.show_filters()
    try:
        is_known = _show_found(asked)
        if finding.opened():
            _show_opened(finding.opened())
        elif not is_known:
            states.show_empty(
                "This page will list every request, and show for each what every stage decided and from what, as a "
                "waterfall in words, with its calls, logs and cost; two can be compared.",
                key="request",
            )
    except Away as away:
        states.show_away([away])
    except Refused as refused:
        states.show_refused(refused)


def _show_found(asked: Mapping[str, str]) -> bool:
    """The list; False when no request is known at all."""
    collector = backends().collector
    rows = collector.requests(asked)
    if rows or collector.requests({"polls": "0", "limit": "1"}):
        finding.show_found(rows, asked)
        return True
    return False


def _show_opened(given: list[str]) -> None:
    if len(given) > MOST_OPEN:
        st.info(f"{len(given)} are selected; the first {MOST_OPEN} are compared.", icon=":material/compare_arrows:")
    told = [one for one in map(find, given[:MOST_OPEN]) if one is not None]
    if len(told) == MOST_OPEN:
        story.show_two(*told)
    elif told:
        story.show_one(told[0])
