"""Messages that no try could deliver, each with a button that sends it off again. Read `work_rows.py` next."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..backends.service import Row
from ..control import who
from ..feed.work import work_feed
from ..look import said
from ..look.glossary import explained
from ..story.work import of_message
from .link import request_link

_WHERE = "dead_letters"


def show(dead: Sequence[Row] | None, now: float) -> None:
    """The newest ones; None: nobody knows."""
    st.markdown("**Dead letters**", help=explained("dead letter"))
    said.show(_WHERE)
    if dead is None:
        st.caption("Which messages are dead is not known without the service and the admin key.")
        return
    if not dead:
        st.caption("None: every message was delivered, or is still being tried.")
    for message in dead:
        told, button = st.columns([6, 1], vertical_alignment="center")
        told.html(message_html(message, now))
        button.button(
            "Send again",
            key=f"redrive_{message['id']}",
            icon=":material/replay:",
            width="stretch",
            on_click=_redrive,
            args=(str(message["id"]),),
        )


def message_html(message: Row, now: float) -> str:
    """One of them; whatever its address holds is text."""
    link = f" · {request_link(str(message['trace_id']), 'trace')}" if message.get("trace_id") else ""
    return (
        f'<div style="font-size:.85rem"><b>{escape(str(message["event"]))}</b> of {escape(str(message["subject_id"]))} '
        f"to <code>{escape(str(message['url']))}</code>: {escape(of_message(message, now))}{link}</div>"
    )


def _redrive(message_id: str) -> None:
    """In a callback, before anything is drawn: a failure is kept for the next drawing."""
    key = who.admin_key()
    if key is None:
        return
    try:
        backends().service.redrive(key, message_id)
    except (Refused, Away) as error:
        said.say(_WHERE, error)
    else:
        said.forget(_WHERE)
        st.toast(f"{message_id} is sent off again, under the same id", icon=":material/replay:")
    work_feed(key).look_again()
