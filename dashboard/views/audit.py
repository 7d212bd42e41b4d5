"""The audit on the Checklist page: a verdict per item, with what was tried and seen.

Read `../checklist/audit.py` next: where it is from.
"""

import time

import streamlit as st

from ..checklist.audit import COLOURS, SIGNS, Audit, Audited, Unreadable, Verdict, newest
from ..look.glossary import explained
from ..look.plain import plain
from ..settings import current
from ..story.work import age
from .pill import pill

WHAT = (
    "`gauntlet audit` tries on purpose to break each of the ten promises, from outside, and says of each whether it is "
    "**proved**, **refuted**, or **unobservable** with the access it was given."
)


def show() -> None:
    """Draw the newest audit, or say how one is made."""
    try:
        audit = newest(current().audits)
    except Unreadable as error:
        st.warning(plain(str(error)), icon=":material/rule:")
        return
    if audit is None:
        st.markdown(f"**No audit was kept yet.** {WHAT} It takes half a minute, and what it finds is shown here.")
        return
    _show_head(audit)
    for item in audit.items:
        _show_item(item)
    for note in audit.notes:
        st.caption(f"Note: {plain(note)}")


def _show_head(audit: Audit) -> None:
    counts = ", ".join(f"**{count} {verdict}**" for verdict, count in audit.counts.items())
    st.markdown(
        f"{counts} at `{audit.service}`, {age(time.time() - audit.ended)} ago; it took "
        f"{audit.ended - audit.began:.0f} s.",
        help=explained("audit"),
    )
    if audit.command:
        st.caption(f"Again: `{audit.command}`")


def _show_item(item: Audited) -> None:
    with st.container(border=True, key=f"audited_{item.number}"):
        verdict, told = st.columns([1.3, 6], vertical_alignment="top")
        verdict.html(pill(COLOURS[item.verdict], SIGNS[item.verdict], item.verdict))
        with told.container(gap="xxsmall"):
            st.markdown(f"**{item.number}. {plain(item.promise)}**")
            st.markdown("  \n".join(f"{_sign(claim.verdict)} {plain(claim.words)}" for claim in item.claims))
            if item.needs:
                st.caption(f"To see the rest: {plain('; '.join(item.needs))}")


def _sign(verdict: Verdict) -> str:
    colour = {Verdict.PROVED: "green", Verdict.REFUTED: "red", Verdict.UNOBSERVABLE: "gray"}[verdict]
    return f":{colour}[**{SIGNS[verdict]}**]"
