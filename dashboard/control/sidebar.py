"""The sidebar of every page: break a provider, switch stages, make some load. Read `who.py` next: who may."""

import streamlit as st

from ..settings import current
from . import faults, stages, warm_up, who


def show() -> None:
    """Draw it; what may not be turned is not shown."""
    if who.may() is who.May.YES:
        faults.show()
        st.divider()
        stages.show()
    else:
        who.show_admin_key()
    st.divider()
    warm_up.show()
    here = current()
    st.caption(f"{here.profile} profile · service `{here.service}` · SQL at `{here.collector}`")
