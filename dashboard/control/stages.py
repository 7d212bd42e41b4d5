"""The stage switches: turn one off for the whole fleet and see what it was worth. Read `warm_up.py` next."""

import streamlit as st

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..feed.feed import feed
from ..look import said, states
from ..look.glossary import explained
from . import shared, who

REFRESH_S = 2.0
_KEY = "stage_{}"
_WHERE = "stages"


def show() -> None:
    """A switch per stage, as the fleet has it now, and a button that closes all circuits."""
    st.markdown("**Stages**", help=explained("stages"))
    st.fragment(_show_switches, run_every=REFRESH_S, key="switches")()


def _show_switches() -> None:
    key = who.admin_key() or ""
    said.show(_WHERE)
    try:
        on = backends().service.stages(key)
    except Away as error:
        st.caption(f"The service is away ({error.why}): nothing can be switched.")
        return
    except Refused as error:
        st.caption(f"The service refuses: {error}")
        return
    columns = st.columns(2, gap="xxsmall")
    for place, (name, is_on) in enumerate(on.items()):
        key_of_now, value = shared.widget(_KEY.format(name), is_on)
        columns[place % 2].toggle(
            name.replace("_", " "), value, key=key_of_now, on_change=_switch, args=(name,), help=explained(name)
        )
    if st.button("Close all circuits", icon=":material/restart_alt:", width="stretch", help=explained("breaker")):
        _reset(key)


def _switch(name: str) -> None:
    """In a callback, before anything is drawn: a failure is kept for the next drawing."""
    is_on = bool(shared.moved(_KEY.format(name)))
    try:
        missing = backends().service.switch(who.admin_key() or "", {name: is_on})
    except (Away, Refused) as error:
        said.say(_WHERE, error)
        return
    said.forget(_WHERE)
    feed().switched(f"{'+' if is_on else '−'} {name}")
    late = f"; not yet heard by {', '.join(missing)}" if missing else ""
    st.toast(f"{name} is {'on' if is_on else 'off'} for the whole fleet{late}", icon=":material/toggle_on:")


def _reset(key: str) -> None:
    try:
        backends().service.reset_breakers(key)
    except Away as error:
        states.show_away([error])
    except Refused as error:
        states.show_refused(error)
    else:
        st.toast("All circuits are closed", icon=":material/restart_alt:")
