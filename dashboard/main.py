"""The Streamlit script: pages, and the sidebar that all of them share. The file to read first; then `views/live.py`.

Imports are absolute, for Streamlit runs this file as a script and not as part of its package.
"""

from pathlib import Path

import streamlit as st

from dashboard.control import sidebar
from dashboard.look import style
from dashboard.views import checklist, cost, experiments, gauntlet, live, request, work

ICON = Path(__file__).parent / "look" / "icon.svg"  # our own file: other icons would be fetched from the internet

st.set_page_config(page_title="Gauntlet", page_icon=ICON, layout="wide")
st.html(style.PAGE)
page = st.navigation(
    [
        st.Page(live.show, title="Live", url_path="live", icon=":material/monitoring:", default=True),
        st.Page(request.show, title="Request", url_path="request", icon=":material/search:"),
        st.Page(gauntlet.show, title="Gauntlet", url_path="gauntlet", icon=":material/conversion_path:"),
        st.Page(work.show, title="Work", url_path="work", icon=":material/manufacturing:"),
        st.Page(cost.show, title="Cost", url_path="cost", icon=":material/payments:"),
        st.Page(experiments.show, title="Experiments", url_path="experiments", icon=":material/science:"),
        st.Page(checklist.show, title="Checklist", url_path="checklist", icon=":material/checklist:"),
    ],
    position="top",
)
with st.sidebar:
    sidebar.show()
page.run()
