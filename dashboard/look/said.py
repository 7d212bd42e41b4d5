"""What came of a click, in words that stand for a moment: kept in a callback, shown at the next drawings.

Streamlit calls a click's callback before anything is drawn, so it cannot draw itself. Read `states.py` for the words.
"""

import time

import streamlit as st

from ..backends.http import Away, Refused
from .states import show_away, show_refused

SHOWN_S = 10.0
"""How long it is said: longer than any page's refresh."""

_KEY = "said_{}"


def say(where: str, said: str | Refused | Away) -> None:
    """In a callback: keep what came of it for the next `show` of the same `where`."""
    st.session_state[_KEY.format(where)] = said, time.monotonic()


def forget(where: str) -> None:
    """In a callback: what was said there holds no more."""
    st.session_state.pop(_KEY.format(where), None)


def show(where: str, icon: str = ":material/info:") -> None:
    """Say it, while it is new."""
    said, at_s = st.session_state.get(_KEY.format(where), (None, 0.0))
    if time.monotonic() - at_s > SHOWN_S:
        forget(where)
    elif isinstance(said, Away):
        show_away([said])
    elif isinstance(said, Refused):
        show_refused(said)
    elif said:
        st.info(said, icon=icon)
