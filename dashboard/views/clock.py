"""Times as the clock of whoever looks has them. Read `request_finding.py` next, whose lists show them."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def local(at: str) -> datetime:
    """A time of the collector, which is ISO 8601 in UTC, in the browser's zone; else in this machine's."""
    moment = datetime.fromisoformat(at)
    try:
        return moment.astimezone(ZoneInfo(st.context.timezone)) if st.context.timezone else moment.astimezone()
    except (ZoneInfoNotFoundError, ValueError):
        return moment.astimezone()
