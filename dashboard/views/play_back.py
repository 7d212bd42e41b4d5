"""One message on the Gauntlet page: the answer as it comes, and the stages that light up. Read `at_once.py` next.

The service tells a request's decisions when its answer begins, all at once; they are played back one after the other.
"""

import time
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ..backends.http import Away, Refused
from ..look.glossary import explained
from ..look.palette import ANSWERS, words
from ..look.states import show_away, show_refused
from .asking import LIMITED, Asked, Seen
from .citations import citations_html
from .passages import Row, limited_rows, rows_of
from .search_strip import search_html
from .stage_row import rows_html

PACE_S = 0.12
"""Between two decisions of the play-back; a long story is told four times as fast from here on:"""
PATIENT_FOR = 14


def show_one(asked: Asked, key: str | None, again: Callable[[str, Mapping[str, Any], str], None]) -> None:
    """One message: what is new of it is played back, what was seen before is there at once.

    `again` asks the same with the same key.
    """
    question, button = st.columns([5, 1], vertical_alignment="center")
    question.html(f'<div style="font-size:1.05rem"><b>You asked:</b> {escape(asked.text)}</div>')
    button.button(
        "Ask again",
        icon=":material/replay:",
        width="stretch",
        disabled=key is None,
        help="The same question: if its answer was stored, the cache has it now.",
        on_click=again,
        args=(asked.text, asked.body, key),
    )
    # Reserved before anything is awaited, so that nothing of the result before stays on the page meanwhile; the answer
    # above the stages, whose rows may be many.
    answer, end, stages = st.empty(), st.empty(), st.empty()
    stages.html(rows_html([Row("")], ended=False))
    seen, taken = Seen(), 0
    for event in asked.follow():
        if event is None:
            _draw_answer(answer, asked, seen)
            continue
        seen.take(*event)
        taken += 1
        if taken <= asked.played:
            continue
        asked.played = taken
        if event[0] == "stage":
            stages.html(search_html(seen.path) + rows_html(rows_of(seen.path), ended=False))
            time.sleep(PACE_S if len(seen.path) <= PATIENT_FOR else PACE_S / 4)
        else:
            _draw_answer(answer, asked, seen)
    drawn = rows_html(_rows(asked, seen), ended=True, asked=not isinstance(asked.failure, Away))
    stages.html(search_html(seen.path) + drawn)
    _draw_answer(answer, asked, seen)
    with end.container():
        _show_end(asked, seen)


def _rows(asked: Asked, seen: Seen) -> list[Row]:
    failure = asked.failure
    if isinstance(failure, Refused) and failure.status == LIMITED and not seen.path:
        return limited_rows(str(failure))
    return rows_of(seen.path)


def _draw_answer(place: DeltaGenerator, asked: Asked, seen: Seen) -> None:
    """What was said, also what was taken back; plain text, for a model's Markdown may load pictures from anywhere."""
    parts = []
    for said, reason in seen.dropped:
        parts.append(f'<del style="opacity:.65">{escape(said)}</del>')
        parts.append(
            f"<div><b>↻ restart:</b> the stream broke ({escape(reason.replace('_', ' '))}). What was said is taken "
            "back, and the next rung starts over.</div>"
        )
    if seen.said or not asked.ended:
        cursor = "" if asked.ended else " ▌"
        parts.append(f"<div>{escape(seen.said)}{cursor}</div>")
    if not seen.path and not seen.said and not asked.ended:
        waited_s = time.monotonic() - asked.begun_s
        parts.append(f"<small>Under way for {waited_s:.1f} s; the stages tell when the answer begins.</small>")
    if parts:
        style = "font-size:1.05rem;line-height:1.55;min-height:3.1em;white-space:pre-wrap"
        place.html(f'<div style="{style}">{"".join(parts)}</div>')


def _show_end(asked: Asked, seen: Seen) -> None:
    """Where the answer came from and what it cost, or why there is none; and the way to the waterfall."""
    if isinstance(asked.failure, Away):
        show_away([asked.failure])
        return
    if asked.failure is not None:
        show_refused(asked.failure)
    elif seen.error is not None:
        st.error(f"The stream ended in an error: {seen.error['detail']}", icon=":material/error:")
    elif seen.done is None:
        st.error("The stream ended without saying how.", icon=":material/error:")
    if seen.done is not None and (cited := citations_html(seen.done)):
        st.html(cited)
    waterfall = f"[its waterfall](request?request={asked.request_id})"
    if seen.done is not None:
        st.markdown(
            f"{_facts(seen.done)} · {asked.took_ms or 0:,.0f} ms seen from here · {waterfall}", help=explained("source")
        )
    else:
        st.markdown(f"What is known of it: {waterfall}")


def _facts(done: Mapping[str, Any]) -> str:
    """The end of an answer as one line of Markdown."""
    usage, cost_usd = done["usage"], done["cost_usd"]
    told = [f"**Answer from: {words(ANSWERS).get(done['source'], done['source'])}**"]
    if done["model"]:
        told.append(f"{done['provider']} {done['model']}")
    told.append(f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out")
    told.append("no price known" if cost_usd is None else f"{cost_usd:.6f} USD")
    if done["degraded"]:
        told.append("degraded: " + ", ".join(reason.replace("_", " ") for reason in done["degraded"]))
    if done["ignored"]:
        told.append("not supported there, so left out: " + ", ".join(done["ignored"]))
    return " · ".join(told)
