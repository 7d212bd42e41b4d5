"""The Request page's search: filters, the list of what they find, and which rows of it are opened.

Which requests are open is said by the page's address (`?request=ID`), so that other pages can link here; a row that is
selected changes the address. Read `request_story.py` next: one request, opened.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..backends.all import backends
from ..backends.collector import quoted
from ..look.glossary import explained
from ..look.palette import ANSWERS, OUTCOMES, colours, words
from ..settings import current
from ..story import pseudonym
from .clock import local

Json = Mapping[str, Any]

PARAMETER = "request"
SHOWN = 100
LAST_S = {"last 5 min": 300, "last 15 min": 900, "last hour": 3600, "last 24 h": 86_400}
UNTIL_S = {"now": 0, "5 min ago": 300, "15 min ago": 900, "1 h ago": 3600}
ORDERS = {"recent": "newest first", "slowest": "slowest first"}
SOURCES = (*(key for key in words(ANSWERS) if key not in ("rejected", "failed", "left")), "shared")
SHORTEST_BEGINNING = 6
NARROWING = {
    "user": "user",
    "tenant": "tenant",
    "route": "route",
    "source": "source",
    "outcome": "outcome",
    "degraded": "degraded",
    "until_s": "the time until when",
}
"""Parameters that leave requests out, some of them set where they are not seen at once."""

_OPEN_FOUND = "request_open_found"
_LIST = "request_list"
_TRACE_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f-]+", re.IGNORECASE)


def show_filters() -> dict[str, str]:
    """Draw the filters; what they ask of `GET /requests`."""
    columns = st.columns([2.6, 1.5, 1.9, 1.75, 1.85, 1.55, 0.75], gap="xsmall", vertical_alignment="bottom")
    given = (
        columns[0]
        .text_input(
            "Request or trace id",
            key="request_id",
            placeholder=f"or its first {SHORTEST_BEGINNING} digits or more",
            on_change=_will_open,
            help="Every response names its request in `X-Request-ID`. With an id the other filters count for nothing; "
            "where one request has it, it is opened.",
        )
        .strip()
    )
    user = columns[1].text_input("User", key="request_user", placeholder="any", help=explained("pseudonym")).strip()
    outcome = columns[2].selectbox(
        "Outcome", list(words(OUTCOMES)), None, words(OUTCOMES).__getitem__, "request_outcome", explained("outcome"),
        placeholder="any",
    )  # fmt: skip
    last = columns[3].selectbox("Time", list(LAST_S), len(LAST_S) - 1, key="request_last")
    order = columns[4].selectbox("Order", list(ORDERS), format_func=ORDERS.__getitem__, key="request_order")
    with columns[5].popover("More", width="stretch"):
        more = _more_filters(last)
    columns[6].button("", icon=":material/refresh:", help="Refresh", key="request_refresh")
    if given:
        return _by_id(given)
    if user:
        more["user"] = pseudonym.of_user(user, current().pseudonym_key)
    if outcome:
        more["outcome"] = outcome
    return {**more, "order": order, "limit": str(SHOWN)}


def _more_filters(last: str) -> dict[str, str]:
    tenant = st.text_input("Tenant", key="request_tenant", placeholder="any").strip()
    route = st.text_input("Route", key="request_route", placeholder="any", help="Its alias, `default` say.").strip()
    source = st.selectbox(
        "Source", SOURCES, None, lambda key: words(ANSWERS).get(key, key), "request_source", explained("source"),
        placeholder="any",
    )  # fmt: skip
    until = st.selectbox("Until", list(UNTIL_S), key="request_until", help="The time filter counts back from here.")
    degraded = st.toggle("Only degraded ones", key="request_degraded", help=explained("degraded"))
    polls = st.toggle(
        "Also what watchers ask",
        key="request_polls",
        help="`/ready`, `/health`, `/admin/…`, and how jobs and runs stand: this dashboard asks for them all the time.",
    )
    until_s = UNTIL_S[until]
    asked = {
        "tenant": tenant,
        "route": route,
        "source": source or "",
        "since_s": str(until_s + LAST_S[last]),
        "until_s": str(until_s) if until_s else "",
        "degraded": "1" if degraded else "",
        "polls": "" if polls else "0",
    }
    return {name: value for name, value in asked.items() if value}


def _by_id(given: str) -> dict[str, str]:
    return {"trace_id" if _TRACE_ID.fullmatch(given) else "request_id": given.lower(), "limit": str(SHOWN)}


def _will_open() -> None:
    st.session_state[_OPEN_FOUND] = True


def opened() -> list[str]:
    """The requests that the page's address names: request ids, their beginnings, or trace ids."""
    return [given for given in st.query_params.get_all(PARAMETER) if given]


def open_these(ids: Sequence[str]) -> None:
    """Have the page's address name these."""
    if ids:
        st.query_params[PARAMETER] = list(ids)
    else:
        st.query_params.pop(PARAMETER, None)


def show_found(rows: Sequence[Json], asked: Mapping[str, str]) -> None:
    """Draw the list, and open what was selected in it, or the only one that was asked for by its id."""
    by_id = asked.get("request_id") or asked.get("trace_id")
    if st.session_state.pop(_OPEN_FOUND, False) and by_id:
        if len(rows) == 1:
            open_these([rows[0]["request_id"]])
        elif not rows and "trace_id" in asked:
            open_these([by_id])  # a trace without a request's record can be told as well
    if not rows:
        st.info(_nothing(by_id), icon=":material/search_off:")
        return
    _choose(rows)
    whose = "newest" if asked.get("order", "recent") == "recent" else "slowest"
    count = f"The {SHOWN} {whose}" if len(rows) == SHOWN else f"{len(rows)} found"
    by = ", ".join(words for name, words in NARROWING.items() if name in asked)
    st.caption(f"{count}{f', narrowed down by {by}' if by else ''}. Select one to open it, two to compare them.")


def _nothing(by_id: str | None) -> str:
    if by_id is None:
        return "No request matches these filters. Take one away, or look further back."
    if not _ID.fullmatch(by_id):
        return f"`{by_id.replace('`', '')}` is no request id and no trace id: those are of hex digits and hyphens."
    if len(by_id) < SHORTEST_BEGINNING:
        return f"`{by_id}` is too short: the beginning of an id needs at least {SHORTEST_BEGINNING} digits."
    return f"No request that is known (any more) has the id `{by_id}`, or one that begins like it."


def _choose(rows: Sequence[Json]) -> None:
    """The list. Its key holds what it shows, so that a selected place always means the same request."""
    ids = [row["request_id"] for row in rows]
    known = st.session_state.setdefault(_LIST, {"opened": None, "selected": [], "key": "", "turn": 0})
    if known["opened"] != opened():  # by a link, or by its id: the list has to select anew
        known["turn"] += 1
    key = f"found_{known['turn']}_{zlib.crc32(''.join(ids).encode()):08x}"
    at_first = [place for place, request_id in enumerate(ids) if request_id in opened()]
    if known["key"] != key:
        known["selected"], known["key"] = [ids[place] for place in at_first], key
    state = st.dataframe(
        _table(rows),
        hide_index=True,
        key=key,
        height=_height(len(rows)),
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": at_first}},
        column_config=_columns(),
    )
    selected = [ids[place] for place in state["selection"]["rows"] if place < len(ids)]
    if selected != known["selected"]:
        known["selected"] = selected
        open_these(selected)
        known["opened"] = opened()
        st.rerun()  # the list becomes low, or high again
    known["opened"] = opened()


def _height(count: int) -> int:
    """Low while something is open, which is what the page is about then."""
    return min(35 * (count + 1) + 3, 178 if opened() else 460)


def _table(rows: Sequence[Json]) -> Any:
    calls, named = _calls(rows), words(OUTCOMES)
    table = pd.DataFrame(
        {
            "●": "●",
            "outcome": named.get(row["outcome"], row["outcome"]),
            "arrived": f"{local(row['time']):%H:%M:%S.%f}"[:-3],
            "request": f"{row['method']} {row['endpoint']}",
            "status": row["status"],
            "took ms": row["duration_ms"],
            "calls": calls.get(row["request_id"], 0),
            "source": words(ANSWERS).get(row["source"], row["source"]) or "",
            "cost USD": None if row["cost_nano_usd"] is None else row["cost_nano_usd"] / 1e9,
            "degraded": ", ".join(row["degraded"] or ()),
            "tenant": row["tenant"],
            "user": row["user"],
            "route": row["route"],
            "id": row["request_id"],
        }
        for row in rows
    )
    by_words = {named[key]: colour for key, colour in colours(OUTCOMES).items()}
    marks = [f"color: {by_words.get(outcome, 'inherit')}" for outcome in table["outcome"]]
    return table.style.apply(lambda _: marks, subset=["●"])


def _columns() -> dict[str, Any]:
    return {
        "●": st.column_config.TextColumn("", width=28),
        "outcome": st.column_config.TextColumn(help=explained("outcome"), width=108),
        "arrived": st.column_config.TextColumn(width=95),
        "request": st.column_config.TextColumn(width=150),
        "status": st.column_config.NumberColumn(format="%d", width=52),
        "took ms": st.column_config.NumberColumn(format="%.1f", width=72),
        "calls": st.column_config.NumberColumn(help=explained("attempt"), width=52),
        "source": st.column_config.TextColumn(help=explained("source"), width=105),
        "cost USD": st.column_config.NumberColumn(help=explained("cost"), format="%.6f", width=80),
        "degraded": st.column_config.TextColumn(help=explained("degraded")),
        "user": st.column_config.TextColumn(help=explained("pseudonym")),
    }


def _calls(rows: Sequence[Json]) -> dict[str, int]:
    """Request id -> how many calls it made."""
    listed = ", ".join(quoted(str(row["request_id"])) for row in rows)
    first, last = min(row["time"] for row in rows), max(row["time"] for row in rows)
    query = (
        "SELECT request_id, count(*) AS calls FROM attempts "  # noqa: S608 - quoted
        f"WHERE time BETWEEN {quoted(first)} AND {quoted(last)} AND request_id IN ({listed}) GROUP BY ALL"
    )
    table = backends().collector.sql(query)
    return dict(zip(table["request_id"], table["calls"], strict=True))
