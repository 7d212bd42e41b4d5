"""What was done for a request after its answer, and for a step of it the way back. Read `request_told.py` next.

A job or a run of the agent is begun by one request and done in steps, each with a record and a trace of its own that
name the trace of that request. Records are never sampled, so the links hold also where a trace was not kept.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..backends.all import backends
from ..backends.collector import quoted
from ..look.glossary import explained
from ..look.palette import GREY, OUTCOMES, colours, words
from ..look.plain import plain
from ..story.steps import usd
from .chip import STYLE as CHIP_STYLE
from .chip import chip
from .link import request_link

Json = Mapping[str, Any]

WORK = "WORK"
BEGINS_WORK = ("/jobs", "/agent")
LATER = "later"
MOST_SHOWN = 60
REACH_S = 3 * 86_400
"""Work is looked for within this time of the request or step: a day for an approval, hours for a webhook's tries."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")

_STYLE = f"""<style>
.g-steps table{{border-collapse:collapse;margin:0 0 .4rem}}
.g-steps td{{padding:1px 14px 1px 0;font-size:.82rem;border:0}}
.g-steps .g-n{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
{CHIP_STYLE}</style>"""

_STEPS = """
SELECT request_id, trace_id, t, step, outcome, duration_ms, cost_nano_usd FROM requests
WHERE "time" BETWEEN make_timestamp({since_us}) AND make_timestamp({until_us}) AND cause = {cause}
ORDER BY t LIMIT {most}"""
_TRIES = """
SELECT trace_id, epoch(start_time) AS t, attributes ->> 'gauntlet.webhook.event' AS step,
  coalesce(attributes ->> 'error.type', 'delivered') AS outcome, duration_ms
FROM spans
WHERE start_time BETWEEN make_timestamp({since_us}) AND make_timestamp({until_us})
  AND name = 'webhook' AND contains(links::VARCHAR, {cause})
ORDER BY t LIMIT {most}"""


def cause_of(request: Json) -> str | None:
    """The trace of the request that this one belongs to: its own, or for a step that which it was done for."""
    if request["method"] == WORK:
        return str(request["cause"]) if request.get("cause") else None
    begins = request["method"] == "POST" and request["endpoint"] in BEGINS_WORK
    return str(request["trace_id"]) if begins or request["source"] == LATER else None


def show(request: Json) -> None:
    """Steps and webhook tries that belong to the same request, each a link. Raises Away and Refused."""
    cause = cause_of(request)
    if cause is None:
        return
    is_step = request["method"] == WORK
    if not _TRACE_ID.fullmatch(cause):
        st.caption(
            "What else was done for the same request cannot be looked up: the `cause` in its record is no trace id "
            "(32 hexadecimal digits)."
        )
        return
    if is_step:
        st.markdown(
            f":material/link: A step of own work, {plain(named(request.get('step')))}: done for the request of the "
            f"trace [`{cause}`](?request={cause})",
            help=explained("own work"),
        )
    # A step's own time is no bound for its siblings: the request may have come a day before.
    at_us, reach_us = int(_begin(request) * 1_000_000), REACH_S * 1_000_000
    since_us = at_us - reach_us if is_step else at_us
    given = {"since_us": since_us, "until_us": at_us + reach_us, "cause": quoted(cause), "most": MOST_SHOWN}
    collector = backends().collector
    steps = collector.sql(_STEPS.format(**given))
    tries = collector.sql(_TRIES.format(**given))
    if not len(steps) and not len(tries):
        return
    title = "Steps done for the same request" if is_step else "Done for it after the answer"
    count = f"{len(steps)}{'+' if len(steps) == MOST_SHOWN else ''} steps, {len(tries)} tries at webhooks"
    with st.expander(f"**{title}**: {count}", expanded=not is_step, icon=":material/account_tree:"):
        st.html(table_html(request, steps, tries))


def _begin(request: Json) -> float:
    """When it began, in Unix s."""
    return datetime.fromisoformat(request["time"]).timestamp()


def table_html(request: Json, steps: pd.DataFrame, tries: pd.DataFrame) -> str:
    """A row for each, in order of time; times since the request, or since the first of them."""
    rows = sorted([*steps.to_dict("records"), *tries.to_dict("records")], key=lambda row: float(row["t"]))
    began = rows[0]["t"] if request["method"] == WORK else _begin(request)
    return f'{_STYLE}<div class="g-steps"><table>{"".join(_row(row, began, request) for row in rows)}</table></div>'


def _row(row: Json, began: float, request: Json) -> str:
    here = row["trace_id"] == request["trace_id"]
    name = named(row["step"]) if row.get("request_id") else f"webhook {row['step']}"
    link = f"<b>{escape(name)}</b>" if here else request_link(str(row["trace_id"]), name, here=True)
    outcome = str(row["outcome"])
    colour = colours(OUTCOMES).get(outcome, GREY)
    cost = row.get("cost_nano_usd")
    return (
        f'<tr><td class="g-n">+{(row["t"] - began) * 1000:,.0f} ms</td><td>{link}</td>'
        f"<td>{chip('', words(OUTCOMES).get(outcome, outcome.replace('_', ' ')), colour)}</td>"
        f'<td class="g-n">{row["duration_ms"] or 0:,.1f} ms</td>'
        f'<td class="g-n">{"" if cost is None or pd.isna(cost) else usd(int(cost))}</td></tr>'
    )


def named(step: object) -> str:
    """A step's name without the id of its job or run: `job_…/map/3` is map 3, `run_…:understand:0:1` understand."""
    _, _, rest = str(step or "").replace(":", "/").partition("/")
    parts = rest.split("/")
    return " ".join(parts[:1] if str(step).startswith("run_") else parts) or "step"
