"""One request, opened: its outcome, its facts, the waterfall, its calls with what links them, its logs; or two of them.

Read `request_told.py` next: what it is told from; `waterfall.py`: how the steps are drawn.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..look.glossary import explained
from ..look.palette import OUTCOMES, PURPOSES, colours, words
from ..look.plain import plain
from ..look.tiles import terms
from ..story import attempts as calls
from ..story import facts
from ..story.attempts import Link
from ..story.steps import Step, usd
from . import request_differences, request_work, waterfall
from .clock import local
from .request_told import Told

Json = Mapping[str, Any]

SIDES = ("A", "B")
WATERFALL_TERMS = (
    "rung",
    "deadline",
    "full jitter",
    "retry budget",
    "Retry-After",
    "half-open",
    "bulkhead",
    "single-flight",
)
"""Words of the decisions, explained beside them."""

SAID_ABOVE = frozenset({"request_id", "tenant", "user"})
"""What every log record of a request repeats of it."""

TERMS = {
    "caller": "pseudonym",
    "answer": "source",
    "first token": "first token",
    "cost": "cost",
    "saved": "saved",
    "degraded": "degraded",
    "trace": "tail sampling",
}
"""Fact -> its term in the glossary."""

STYLE = """<style>
.g-facts {display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .15rem 1.2rem;
  margin-bottom: .4rem}
.g-facts .name {font-size: .78rem; opacity: .7; cursor: default}
.g-facts .name[title] {cursor: help; text-decoration: underline dotted}
.g-facts .fact {font-size: .9rem; overflow-wrap: anywhere}
</style>"""


def show_one(told: Told) -> None:
    """Over the whole width."""
    _show_head(told, "")
    _show_waterfall(told, told.end_ms, "")
    _show_calls(told)
    _show_logs(told)


def show_two(first: Told, second: Told) -> None:
    """Side by side, with their waterfalls on one scale, and first what differs."""
    until_ms = max(first.end_ms, second.end_ms)
    if first.request and second.request:
        request_differences.show(first, second)

    def waterfalls(told: Told, side: str) -> None:
        _show_waterfall(told, until_ms, side)

    # A row for each part, so that the same part of both begins at the same height.
    for part in (_show_head, waterfalls, lambda told, _: _show_calls(told), lambda told, _: _show_logs(told)):
        for column, side, told in zip(st.columns(2, gap="medium"), SIDES, (first, second), strict=True):
            with column:
                part(told, side)


def _show_head(told: Told, side: str) -> None:
    request = told.request
    st.markdown(_headline(told, side), unsafe_allow_html=True)
    if request:
        st.markdown(_facts(facts.of_request(request, local(request["time"]))), unsafe_allow_html=True)
    if not told.spans or request is None:
        why = facts.why_no_trace(request) if not told.spans else "The record of this trace's request is not known."
        st.info(why, icon=":material/filter_list:")
    if request:
        request_work.show(request)
    for trace_id in calls.linked_traces(told.spans):
        if request and trace_id == request.get("cause"):
            continue  # said above, with the step's name
        st.markdown(f":material/link: Linked with the trace [`{trace_id}`](?request={trace_id})")


def _show_waterfall(told: Told, until_ms: float, side: str) -> None:
    if not told.steps:
        return
    st.markdown("**Waterfall**", help=explained("waterfall"))
    st.markdown(terms(WATERFALL_TERMS), unsafe_allow_html=True)
    waterfall.show(told.steps, told.links, until_ms=until_ms, narrow=bool(side), key=f"waterfall_{side}")
    if any(link.of is not None for link in told.links.values()):
        st.caption("Dashed: from a call to its retry. Dotted: from a call to the one on the next rung.")
    with st.expander("The same as a table"):
        st.dataframe(_steps(told.steps), hide_index=True)


def _headline(told: Told, side: str) -> str:
    """What was asked, status, outcome and how long it took, as HTML."""
    before = f"{side}: " if side else ""
    if told.request is None:
        return f"#### {before}trace {escape(told.given)}"
    request = told.request
    outcome, colour = request["outcome"], colours(OUTCOMES).get(request["outcome"], "inherit")
    word = words(OUTCOMES).get(outcome, str(outcome))
    return (
        f"#### {before}{escape(request['method'])} {escape(request['endpoint'])} &nbsp; {request['status']} &nbsp; "
        f'<span style="color: {colour}">●</span> <span title="{escape(explained("outcome"))}">{escape(word)}</span> '
        f"&nbsp; {request['duration_ms'] or 0:,.1f} ms"
    )


def _facts(given: Mapping[str, str]) -> str:
    cells = "".join(
        f'<div><div class="name"{_hint(name)}>{escape(name)}</div><div class="fact">{escape(fact)}</div></div>'
        for name, fact in given.items()
    )
    return f'{STYLE}<div class="g-facts">{cells}</div>'


def _hint(name: str) -> str:
    return f' title="{escape(explained(TERMS[name]))}"' if name in TERMS else ""


def _steps(steps: Sequence[Step]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "at ms": round(step.t_ms, 1),
            "took ms": None if step.duration_ms is None else round(step.duration_ms, 1),
            "kind": step.kind,
            "step": step.name,
            "decided, and from what": step.words,
        }
        for step in steps
    )


def _show_calls(told: Told) -> None:
    st.markdown("**Calls to providers, and what each cost**", help=explained("attempt"))
    if not told.attempts:
        st.caption("None was made.")
        return
    st.dataframe(
        _calls(told),
        hide_index=True,
        column_config={
            "no": st.column_config.NumberColumn(width=40),
            "link": st.column_config.TextColumn(help=explained("fail-over")),
            "first token ms": st.column_config.NumberColumn(help=explained("first token")),
            "cost USD": st.column_config.TextColumn(help=explained("cost")),
            "spent on": st.column_config.TextColumn(help=explained("purpose")),
        },
    )
    st.markdown("\n".join(_link_words(number, link) for number, link in told.links.items()))


def _calls(told: Told) -> pd.DataFrame:
    purposes = words(PURPOSES)
    return pd.DataFrame(
        {
            "no": attempt["n"],
            "link": _link_name(told.links[attempt["n"]]),
            "provider": attempt["target"],
            "model": attempt["model"],
            "ended": "answered" if attempt["status"] == "ok" else str(attempt["status"] or "").replace("_", " "),
            "status": attempt["upstream_status"],
            "at ms": attempt["t_ms"],
            "took ms": attempt["duration_ms"],
            "first token ms": attempt["first_token_ms"],
            "tokens in": attempt["input_tokens"],
            "tokens out": attempt["output_tokens"],
            "cost USD": _cost(attempt),
            "spent on": purposes.get(attempt["purpose"], attempt["purpose"]),
        }
        for attempt in told.attempts
    ).dropna(axis="columns", how="all")


def _cost(attempt: Json) -> str:
    """What it cost; an attempt whose usage is an estimate says the most that it may have cost."""
    if attempt["cost_nano_usd"] is None:
        return "no known price"
    most = attempt.get("most_nano_usd")
    if attempt["exact"] or most is None:
        return usd(attempt["cost_nano_usd"])
    return f"about {usd(attempt['cost_nano_usd'])}, at most {usd(most)}"


def _link_name(link: Link) -> str:
    if link.of is None:
        return link.kind
    return f"retry of {link.of}" if link.kind == "retry" else f"fail-over from {link.of}"


def _link_words(number: int, link: Link) -> str:
    return f"- **{number}**, {_link_name(link)}" + (f": {plain(link.why)}" if link.why else "")


def _show_logs(told: Told) -> None:
    st.markdown("**Log of this request**", help="Log records with its trace id, without its own record.")
    if not told.logs:
        st.caption("Nothing was logged beside its record.")
        return
    began = datetime.fromisoformat(told.request["time"]) if told.request else None
    rows = [
        {
            "time": f"{local(record['time']):%H:%M:%S.%f}"[:-3],
            "at ms": None if began is None else _since_ms(began, record["time"]),
            "severity": record["severity"],
            "event": record["event"],
            "said": _said(record),
        }
        for record in told.logs
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _said(record: Json) -> str:
    """The text, where it is more than the event's name, and the values that were logged with it."""
    text = [] if record["body"] in (None, record["event"]) else [str(record["body"])]
    logged = (record["attributes"] or {}).items()
    return ", ".join([*text, *(f"{name}: {value}" for name, value in logged if name not in SAID_ABOVE)])


def _since_ms(began: datetime, at: str) -> float:
    return round((datetime.fromisoformat(at) - began).total_seconds() * 1000, 1)
