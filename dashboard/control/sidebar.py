"""The sidebar of every page: make load, break a provider, switch stages. Read `load.py` next; `who.py`: who may."""

import streamlit as st

from ..settings import LIVE, current
from . import faults, load, stages, who


def show() -> None:
    """Draw it; what may not be turned is not shown."""
    load.show()
    st.divider()
    if who.may() is who.May.YES:
        if current().profile == LIVE:
            st.caption("The live profile talks to the real APIs: nobody here can break them.")
        else:
            faults.show()
        st.divider()
        stages.show()
    else:
        who.show_admin_key()
    here = current()
    st.caption(f"{here.profile} profile · service `{here.service}` · SQL at `{here.collector}`")
