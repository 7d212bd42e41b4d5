"""Widgets whose value belongs to the process: one session moves it, the others see it moved. Read `load.py` next.

A value that is set by `st.session_state` is told to the browser once, and lost when two runs of the script come close
together. So a widget gets its value as the default of its making, and is made anew when another session moved it; what
this session moves itself stays the same widget, which keeps the focus.
"""

from typing import Any

import streamlit as st


def widget(name: str, now: Any) -> tuple[str, Any]:
    """Key and default of the widget of this `name`, whose value is `now` for the whole process."""
    number, begun, known = st.session_state.get(_of(name), (-1, now, now))
    if known != now or f"{name}_{number}" not in st.session_state:  # Streamlit forgets what is not drawn
        number, begun = number + 1, now
    st.session_state[_of(name)] = number, begun, now
    return f"{name}_{number}", begun


def moved(name: str) -> Any:
    """For `on_change`: what this session moved it to."""
    number, begun, _ = st.session_state[_of(name)]
    value = st.session_state[f"{name}_{number}"]
    st.session_state[_of(name)] = number, begun, value
    return value


def _of(name: str) -> str:
    return f"{name}_shared"
