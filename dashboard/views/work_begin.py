"""Begin a job or a run of the agent at a click, and see what comes of it. Read `approvals.py` next."""

import random
from collections.abc import Callable
from html import escape
from typing import Any

import streamlit as st

from ..backends.http import Away, Refused
from ..control import who
from ..look.glossary import explained
from ..look.palette import GREY, WORK, colours, words
from ..look.states import show_away, show_refused
from ..settings import LIVE, current
from ..story import work as story
from .begun import Begun, begin
from .chip import STYLE as CHIP_STYLE
from .chip import chip
from .citations import citations_html
from .link import request_link
from .sample import document

_BEGUN = "work_begun"
_TURN = "work_turn"
"""How many clicks have begun something. A button's key and its click name the turn: when a run of the script is broken
off by a refresh, Streamlit calls the click's callback again in the next one, and that must begin nothing."""

KEPT = 3
"""Of what was begun here, so many stay in sight."""

CUSTOMERS = ("carol", "dave", "erin", "frank", "grace", "heidi")
BELOW, ABOVE = "1002", "1003"
"""The workbench's orders: 49.99 USD, below the limit as it ships, and 129.00 USD, above it."""


def show() -> None:
    """A row of buttons; what is sent can be changed first."""
    key = who.asker_key()
    live = current().profile == LIVE
    turn = st.session_state.setdefault(_TURN, 0)
    columns = st.columns([1.15, 1.2, 1.2, 0.9], vertical_alignment="bottom")
    columns[0].button(
        "Start an analysis",
        icon=":material/description:",
        type="primary",
        width="stretch",
        disabled=key is None or live,
        help="A sample document of some 28,000 words: summarised part by part, then as a whole. " + explained("job"),
        key=f"work_sample_{turn}",
        on_click=_once,
        args=(turn, _begin_sample, key),
    )
    for column, label, order, icon in (
        (columns[1], "Refund below the limit", BELOW, ":material/payments:"),
        (columns[2], "Refund above the limit", ABOVE, ":material/front_hand:"),
    ):
        column.button(
            label,
            icon=icon,
            width="stretch",
            disabled=key is None or live,
            help=f"A new customer of the workbench asks for a refund of order {order}. " + explained("approval"),
            key=f"work_refund_{order}_{turn}",
            on_click=_once,
            args=(turn, _ask_refund, order),
        )
    with columns[3].popover("Your own", width="stretch", disabled=key is None):
        if key is not None:
            _show_own(key, turn, live=live)
    if live:
        who.show_asker_key()
        st.caption("In the live profile every step costs real money: nothing starts here but what you type yourself.")


def _show_own(key: str, turn: int, *, live: bool) -> None:
    """A text of one's own, as a document or as a customer's words."""
    text = st.text_area("Text", key="work_text", height=160, placeholder="A document, or what a customer says.")
    hook = st.text_input(
        "Webhook",
        "" if live else current().receiver,
        key="work_hook",
        help="Where to tell the end; empty: nobody is told. " + explained("webhook"),
    ).strip()
    left, right = st.columns(2)
    for column, label, path in ((left, "Analyse it", "/jobs"), (right, "Ask the agent", "/agent")):
        column.button(
            label,
            key=f"work_own_{path}_{turn}",
            width="stretch",
            disabled=not text.strip(),
            on_click=_once,
            args=(turn, _begin_own, path, text, hook, key),
        )


def _once(turn: int, begin_it: Callable[..., None], *given: str) -> None:
    """In a callback: begin it, unless this click was heard already."""
    if st.session_state[_TURN] == turn:
        st.session_state[_TURN] = turn + 1
        begin_it(*given)


def _begin_own(path: str, text: str, hook: str, key: str) -> None:
    more = {"webhook_url": hook} if hook else {}
    _keep(begin(path, _short(text), {"text": text, **more}, key))


def _begin_sample(key: str) -> None:
    body = {"text": document(), "webhook_url": current().receiver}
    _keep(begin("/jobs", "the analysis of a sample document", body, key))


def _ask_refund(order: str) -> None:
    """By a customer of its own each time: an order is refunded once."""
    customer = f"{random.choice(CUSTOMERS)}{random.randrange(100, 1000)}"  # noqa: S311 - a name, not a secret
    text = f"Please refund order {customer}-{order} because it arrived with a scratch."
    body = {"text": text, "webhook_url": current().receiver}
    _keep(begin("/agent", text, body, f"demo-acme-{customer}"))


def _keep(begun: Begun) -> None:
    st.session_state[_BEGUN] = [begun, *begun_here()][:KEPT]


def begun_here() -> list[Begun]:
    """What this session began, newest first."""
    known: list[Begun] = st.session_state.get(_BEGUN, [])
    return known


def look_again(id_: str) -> None:
    """A job or run was decided about on this page: where it was begun here, too, it is looked at now."""
    for begun in begun_here():
        if begun.id == id_:
            begun.wake()


def show_begun(now: float) -> None:
    """What was begun in this session: how far it is, and its result as plain text."""
    for begun in begun_here():
        st.html(f"<style>{CHIP_STYLE}</style>{begun_html(begun, now)}")
        if isinstance(begun.failure, Refused):
            show_refused(begun.failure)
        elif isinstance(begun.failure, Away):
            show_away([begun.failure])


def begun_html(begun: Begun, now: float) -> str:
    """One of them in HTML: words of users and models are text in it."""
    row = begun.row
    title = f"<b>You began</b> {escape(begun.title)} "
    if row is None:
        return f"<div>{title}{chip('…', 'sent' if begun.failure is None else 'not taken', GREY)}</div>"
    status = str(row["status"])
    told = story.of_job(row, now) if begun.path == "/jobs" else story.of_run(row, now)
    state = chip("", words(WORK).get(status, status), colours(WORK).get(status, GREY))
    result = _result(row)
    shown = f'<div style="white-space:pre-wrap;margin:.2rem 0 .1rem">{escape(result)}</div>' if result else ""
    link = f" {request_link(str(row['trace_id']), 'its trace')}" if row.get("trace_id") else ""
    return (
        f'<div style="font-size:.9rem">{title}{state} <small>{escape(told)}{link}</small>'
        f"{shown}{citations_html(row['result'] if isinstance(row.get('result'), dict) else row)}</div>"
    )


def _result(row: Any) -> str:
    """What came of it, in its own words."""
    result = row.get("result")
    if isinstance(result, dict):
        return str(result.get("summary") or result.get("answer") or "")
    return str(row.get("answer") or result or "")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
