"""What a page says when there is nothing to show, or when whom it asks is away: words and a way on, never a trace.

Read `../views/live.py` next.
"""

from collections.abc import Callable, Iterable

import streamlit as st

from ..backends.http import Away, Refused
from ..control import warm_up
from .plain import plain

WHERE_TO_LOOK = {
    "collector": "what was told is not shown; the service does not feel it",
    "service": "nothing can be asked or switched, and its breakers' present state is not known",
    "simulator": "faults cannot be injected, and fault windows end here",
}


def show_away(away: Iterable[Away]) -> None:
    """Say who is away, where it was looked for, and what that costs; the rest of the page goes on."""
    for one in away:
        st.warning(
            f"**The {one.name} is away.** Nothing answers at `{one.url}` ({one.why}): {WHERE_TO_LOOK[one.name]}. "
            "The rest goes on; `gauntlet doctor` says more.",
            icon=":material/cloud_off:",
        )


def show_refused(error: Refused) -> None:
    """Say in its own words that a backend will not."""
    st.error(f"The {error.name} refuses ({error.status}): {plain(str(error))}", icon=":material/block:")


def show_empty(
    shows: str, key: str, also: Callable[[], None] | None = None, fact: str = "Nothing has happened yet."
) -> None:
    """Say what this page will show, with a button that makes traffic. `key` is the page's name."""
    with st.container(border=True, key=f"empty_{key}"):
        st.markdown(f"**{fact}** {shows}")
        warm_up.show_button(key=f"warm_up_{key}")
        if also is not None:
            also()
