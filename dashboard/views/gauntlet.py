"""The Gauntlet page: ask something, and watch it pass the stages. Read `asking.py` next, then `play_back.py`."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ..backends.all import backends
from ..backends.http import Away, Refused, shaped
from ..backends.service import bearer
from ..control import who
from ..look.glossary import explained
from ..look.states import show_away, show_refused
from ..settings import LIVE, current
from .asking import MOST_AT_ONCE, NOT_LIVE, Asked, AtOnce, ask, ask_at_once, made_new
from .at_once import show_at_once
from .passages import Row
from .play_back import show_one
from .stage_row import rows_html

EXAMPLES = (
    "why do retries need jitter?",
    "what does a circuit breaker do?",
    "when does a stale answer help?",
    "what is single-flight?",
)

_RESULT, _TEXT, _ROUTES = "gauntlet_result", "gauntlet_text", "gauntlet_routes"


def show() -> None:
    """Draw the page."""
    st.subheader("Gauntlet")
    st.caption(
        "Ask something and watch it run the gauntlet: six stages around the call to a provider. Inject a fault or "
        "switch a stage off in the sidebar, and ask again. The service tells its decisions when the answer "
        "begins; then they light up one by one, so that the eye can follow, with their real times."
    )
    live = current().profile == LIVE
    if live:
        who.show_asker_key()
    key = who.asker_key()
    routes = _routes(key)
    _show_form(key, routes, live=live)
    result = st.session_state.get(_RESULT)
    if isinstance(result, AtOnce):
        show_at_once(result)
    elif isinstance(result, Asked):
        show_one(result, key, _ask)
    else:
        _show_before(key)


def _routes(key: str | None) -> list[str]:
    """The service's routes, asked for once per session; without them a message goes by the default one."""
    known: list[str] = st.session_state.get(_ROUTES, [])
    if known or key is None:
        return known
    try:
        service = backends().service
        listed = service.ask("GET", "/v1/models", headers=bearer(key))
        told = shaped(service, lambda: [str(model["id"]) for model in listed["data"]])
    except Away as error:
        show_away([error])
    except Refused as error:
        show_refused(error)
    else:
        known = st.session_state[_ROUTES] = told
    return known


def _show_form(key: str | None, routes: list[str], *, live: bool) -> None:
    with st.form("gauntlet"):
        wide, narrow = st.columns([6, 1], vertical_alignment="bottom")
        text = wide.text_input("Message", key=_TEXT, placeholder=EXAMPLES[0], max_chars=4000)
        one = narrow.form_submit_button(
            "Ask", type="primary", icon=":material/send:", width="stretch", disabled=key is None
        )
        columns = st.columns([4, 4, 4, 5, 5], vertical_alignment="bottom")
        route = columns[0].selectbox(
            "Route",
            routes,
            disabled=len(routes) < 2,
            help="A ladder of providers and models; the first is tried first.",
        )
        temperature = columns[1].number_input(
            "Temperature (0-2)",
            0.0,
            2.0,
            value=None,
            step=0.1,
            placeholder="not sent",
            help="Above 0 without a seed no two answers are alike, so the cache is passed by. Chapter, section 6.",
        )
        number = columns[2].number_input("How many at once", 2, MOST_AT_ONCE, 20, disabled=live)
        new = columns[3].checkbox(
            "with a number added",
            value=True,
            disabled=live,
            help="At once only: makes it a question that nobody asked before, so that no stored answer fits and "
            "single-flight shows.",
        )
        many = columns[4].form_submit_button(
            "Ask many at once",
            icon=":material/stacks:",
            width="stretch",
            disabled=live or key is None,
            help=explained("single-flight"),
        )
        if live:
            st.caption(NOT_LIVE)
    if not (one or many) or key is None:
        return
    body: dict[str, Any] = {"route": route} if route else {}
    if temperature is not None:
        body["temperature"] = temperature
    if not text.strip():
        st.info("Type a message first, or take one of the examples.", icon=":material/edit:")
    elif many and who.may() is not who.May.YES:
        st.info(who.needs_key_words("load the service"), icon=":material/lock:")
    elif many:
        st.session_state[_RESULT] = ask_at_once(made_new(text) if new else text, body, key, int(number))
    else:
        st.session_state[_RESULT] = ask(text, body, key)


def _ask(text: str, body: Mapping[str, Any], key: str) -> None:
    """What the one-click buttons do."""
    st.session_state[_TEXT] = text
    st.session_state[_RESULT] = ask(text, body, key)


def _show_before(key: str | None) -> None:
    """Before the first message: the stages, each with its term, and questions to begin with."""
    st.html(rows_html([Row("")], ended=False, asked=False))
    st.caption("Rest the mouse on a stage to read more about it. One of these questions is a good begin:")
    for column, text in zip(st.columns(len(EXAMPLES)), EXAMPLES, strict=True):
        column.button(
            text, key=f"example_{text}", width="stretch", disabled=key is None, on_click=_ask, args=(text, {}, key)
        )
