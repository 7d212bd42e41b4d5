"""The sidebar of every page: make some load, break a provider, switch stages. Read `who.py` next: who may."""

import streamlit as st

from ..settings import LIVE, current
from . import faults, stages, warm_up, who


def show() -> None:
    """Draw it; what may not be turned is not shown."""
    warm_up.show()
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
