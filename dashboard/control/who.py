"""Who may turn things: in the workbench everybody, elsewhere who shows the admin key. Read `faults.py` next.

The key is asked for once per session, proved at the service, kept in the session's state only, and never shown again.
"""

from enum import Enum

import streamlit as st

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..settings import LIVE, WORKBENCH_ADMIN_KEY, current

_PROVED = "admin_key"
_GIVEN = "admin_key_given"
_ASKER = "asker_key"
_ASKER_GIVEN = "asker_key_given"
DEMO_ASKER = "demo-alice"


class May(Enum):
    """Whether this session may turn things."""

    YES = "yes"
    NEEDS_KEY = "needs key"


def may() -> May:
    """Whether the controls are open to this session."""
    return May.YES if admin_key() is not None else May.NEEDS_KEY


def admin_key() -> str | None:
    """The key with which to switch stages; None while none was proved."""
    if not current().needs_admin_key:
        return WORKBENCH_ADMIN_KEY
    proved: str | None = st.session_state.get(_PROVED)
    return proved


def asker_key() -> str | None:
    """The key with which this session chats: a demo caller's, or in the live profile the one that was given."""
    if current().profile != LIVE:
        return DEMO_ASKER
    given: str | None = st.session_state.get(_ASKER)
    return given or None


def needs_key_words(to_do: str) -> str:
    """What a page says where something is closed to this session."""
    return f"To {to_do}, show the admin key in the sidebar first."


def show_admin_key() -> None:
    """Ask for the admin key, and say why."""
    st.caption(f"This is the **{current().profile}** profile: to inject faults or switch stages, show the admin key.")
    with st.form("admin", border=False):
        given = st.text_input("Admin key", type="password", key=_GIVEN)
        if not st.form_submit_button("Unlock the controls", icon=":material/lock_open:", width="stretch"):
            return
    try:
        backends().service.stages(given)
    except Refused as error:
        st.error(f"The service does not take it: {error}")
    except Away as error:
        st.error(f"It cannot be proved now: {error}")
    else:
        st.session_state[_PROVED] = given
        st.rerun()


def show_asker_key() -> None:
    """Ask for the key with which to chat, in the live profile."""
    # Streamlit forgets a widget's value on another page: it is kept beside it.
    st.session_state[_ASKER] = st.text_input(
        "Your API key",
        st.session_state.get(_ASKER, ""),
        type="password",
        key=_ASKER_GIVEN,
        help="The live profile takes no demo keys; kept in this tab only.",
    )
