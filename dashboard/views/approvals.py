"""Runs of the agent that wait for a person: approve or reject, once. Read `work_rows.py` next.

A decision has one Idempotency-Key, however often its button is clicked, so a double click is one decision. Who comes
second, after somebody else, is told what was decided: that is no error.
"""

import uuid
from collections.abc import Sequence
from html import escape

import streamlit as st

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..backends.service import Row
from ..control import who
from ..feed.work import MOST_WAITING, work_feed
from ..look import said
from ..look.glossary import explained
from ..story.work import age, amount
from . import work_begin
from .link import request_link

DECIDED = 409

_WHERE = "approvals"
_KEYS = "approval_keys"


def show(waiting: Sequence[Row] | None, now: float) -> None:
    """Those that wait, those that have waited longest first, each with its buttons; None: nobody knows."""
    count = "" if waiting is None else f" ({len(waiting)}{'+' if len(waiting) == MOST_WAITING else ''})"
    st.markdown(f"**Approvals{count}**", help=explained("approval"))
    said.show(_WHERE, ":material/how_to_reg:")
    if who.may() is not who.May.YES:
        st.info(who.needs_key_words("see and decide what waits"), icon=":material/lock:")
        return
    if waiting is None:
        st.caption("What waits is not known while the service is away or has no agent.")
        return
    if not waiting:
        st.caption("Nothing waits for a person. A refund above the limit will stand here.")
    with st.container(height=430 if len(waiting) > 2 else "content", border=False):
        for run in waiting:
            _show_one(run, now)


def _show_one(run: Row, now: float) -> None:
    run_id = str(run["run_id"])
    with st.container(border=True, key=f"approval_{run_id}"):
        st.html(run_html(run, now))
        approve, reject = st.columns(2)
        approve.button(
            "Approve",
            key=f"approve_{run_id}",
            type="primary",
            icon=":material/check:",
            width="stretch",
            on_click=_decide,
            args=(run_id, "approve"),
        )
        reject.button(
            "Reject",
            key=f"reject_{run_id}",
            icon=":material/close:",
            width="stretch",
            on_click=_decide,
            args=(run_id, "reject"),
        )


def run_html(run: Row, now: float) -> str:
    """What is to be decided; the customer's words are text in it."""
    proposal, owner = run.get("proposal") or {}, run.get("owner") or {}
    asked = amount(int(proposal["amount"]), str(proposal["currency"])) if "amount" in proposal else "a refund"
    limit = f", limit {amount(int(proposal['limit']), str(proposal['currency']))}" if "limit" in proposal else ""
    if proposal.get("others"):
        limit = f", besides {amount(int(proposal['others']), str(proposal['currency']))} of other runs{limit}"
    order = f"{proposal.get('order', '')} ({proposal.get('item', '')})"
    reason = str(proposal.get("reason") or "no reason given")
    since = run.get("waiting_since") or run.get("updated_at") or run["created_at"]
    whose = f"{owner.get('tenant', '')}/{owner.get('user', '')}"
    link = f" · {request_link(str(run['trace_id']), 'trace')}" if run.get("trace_id") else ""
    return (
        f'<div style="font-size:.9rem"><b>{escape(asked)}</b> for {escape(order)}<br>“{escape(reason)}”<br>'
        f"<small>{escape(whose)}, waits {escape(age(now - float(since)))}{escape(limit)}{link}</small></div>"
    )


def _decide(run_id: str, decision: str) -> None:
    """In a callback, before anything is drawn: what came of it is kept for the next drawing."""
    key = who.admin_key()
    if key is None:
        return
    keys = st.session_state.setdefault(_KEYS, {})
    once = keys.setdefault((run_id, decision), uuid.uuid4().hex)
    try:
        backends().service.decide(key, run_id, decision, once=once)
    except Refused as error:
        said.say(_WHERE, _already(key, run_id, error) if error.status == DECIDED else error)
    except Away as error:
        said.say(_WHERE, error)
    else:
        approved = decision == "approve"
        said.say(_WHERE, "Approved: the refund is under way." if approved else "Rejected: nothing is paid.")
    work_feed(key).look_again()
    work_begin.look_again(run_id)


def _already(key: str, run_id: str, refused: Refused) -> str | Refused | Away:
    """Who was quicker, and what was decided; the service's own words where that cannot be told."""
    try:
        run = backends().service.seen(key, f"/agent/{run_id}")
    except (Refused, Away):
        return refused
    by = run.get("approver") or {}
    whom = f" by {by['tenant']}/{by['user']}" if by.get("user") else ""
    decided = {"approve": "approved", "reject": "rejected", "withdraw": "withdrawn", "expired": "left too long"}
    word = decided.get(str(run.get("decision")))
    if word is None:
        return refused
    return f"Somebody was quicker: it was {word}{whom}, and is {run['status']} now. Your click changed nothing."
