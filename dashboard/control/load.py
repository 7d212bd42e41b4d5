"""The sidebar's load: the warm-up client or a scenario, one at a time. Read `warm_up.py` next, or `scenarios.py`.

While one of them runs only that one is shown, in every session: two loads at once would measure each other.
"""

import streamlit as st

from ..settings import LIVE, current
from . import scenarios, warm_up
from .client import LONGEST_S
from .command import NOT_LIVE
from .conductor import conductor

REFRESH_S = 1.0
WARM_UP, SCENARIO = "Warm-up", "Scenario"
_KIND = "load_kind"
_LAST = "load_last"
"""In the session: what it last saw running; Streamlit forgets the choice while it is not drawn."""

_HELP = (
    "**Warm-up**: chats at a steady rate by a few demo users, half of them questions that were asked before; it ends "
    f"by itself after {LONGEST_S / 60:.0f} minutes.\n\n**Scenario**: load, faults and expectations that were planned "
    "beforehand, with a verdict; its run is kept for the Experiments page. Either sends the next chat whether or not "
    "the last one was answered. One load for everybody who watches here."
)


def show() -> None:
    """Draw it."""
    st.markdown("**Load**", help=_HELP)
    if current().profile == LIVE:
        st.caption(NOT_LIVE)
    else:
        _section()


@st.fragment(run_every=REFRESH_S)
def _section() -> None:
    if conductor().runs:
        st.session_state[_LAST] = SCENARIO
        scenarios.show_running()
        return
    if warm_up.warm_up().runs:
        st.session_state[_LAST] = WARM_UP
        warm_up.show_controls()
        return
    kind = st.segmented_control(
        "Kind of load",
        (WARM_UP, SCENARIO),
        default=st.session_state.get(_LAST, WARM_UP),
        key=_KIND,
        label_visibility="collapsed",
        width="stretch",
        required=True,
    )
    if kind == SCENARIO:
        scenarios.show_choice()
    else:
        warm_up.show_controls()
