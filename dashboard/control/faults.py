"""The faults that a click injects: names, what each does, its parameters (design section 5). Read `stages.py` next.

A button is one fault for one target with the share, duration and parameters that stand above; the simulator plans it
from now, and its window is a band on every chart.
"""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..feed.faults import label
from ..feed.feed import feed
from ..look import states
from ..look.glossary import explained

TARGETS = ("anthropic", "openai", "payments", "embeddings", "rerank", "webhooks")
DURATIONS_S: dict[str, float | None] = {
    "5 s": 5.0,
    "15 s": 15.0,
    "30 s": 30.0,
    "1 min": 60.0,
    "5 min": 300.0,
    "until stopped": None,
}
USUAL_DURATION = "30 s"
REFRESH_S = 1.0
BAD_BODIES = ("html", "empty", "truncated_json", "missing_fields", "empty_content")
STREAM_ERRORS = ("overloaded", "server_error", "rate_limit")


@dataclass(frozen=True, slots=True)
class Button:
    """A fault at a click: `takes` are the parameters that it takes from the form, `fixed` those it always has."""

    name: str
    words: str
    does: str
    takes: tuple[str, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()
    whole: bool = False
    """Whether it hits every call: share does not apply."""


CHATS = (
    Button("status", "Outage", "Every call is answered with this status, 503 unless changed below.", ("status",)),
    Button("status", "429 limit", "Rate limit: 429 with the Retry-After below.", ("retry_after",), (("status", 429),)),
    Button("refused", "Refuse", "Nobody listens: connections are refused, idle ones reset.", whole=True),
    Button("reset", "Reset", "The connection is reset before the headers."),
    Button("hang", "Hang", "The call is taken, and nothing ever comes."),
    Button("slow_first_token", "Slow start", "The first token comes later than usual.", ("delay_ms",)),
    Button("slow_tokens", "Slow tokens", "Each token takes its time.", ("per_token_ms",)),
    Button("stall", "Stall", "After a part of the answer nothing more comes.", ("fraction",)),
    Button("stall_pings", "Stall + pings", "The same, with pings that fool idle timers.", ("fraction",)),
    Button("stream_error", "Stream error", "An error event in the middle of a 200.", ("fraction", "stream_error")),
    Button("cut", "Cut", "The connection is reset in the middle of the answer.", ("fraction",)),
    Button("truncate", "Truncate", "The stream ends cleanly, without its end mark.", ("fraction",)),
    Button("malformed_chunk", "Bad chunk", "One piece of the stream is no JSON.", ("fraction",)),
    Button("bad_body", "Bad body", "200, and the body is no answer.", ("bad_body",)),
)
PAYMENTS = (
    *(button for button in CHATS if button.words in ("Outage", "429 limit", "Refuse", "Reset", "Hang", "Bad body")),
    Button("charge_then_drop", "Pay + drop", "The money moves, then the connection drops."),
)
SEARCHERS = PAYMENTS[:-1]
BUTTONS = {"payments": PAYMENTS, "embeddings": SEARCHERS, "rerank": SEARCHERS, "webhooks": SEARCHERS}
"""What breaks those that answer no chat."""
_SENT_AS = {"stream_error": "kind", "bad_body": "kind"}


def show() -> None:
    """Targets, share, duration, parameters, a button per fault, and what is active."""
    st.markdown("**Break a provider**", help=explained("break"))
    st.fragment(_show_active, run_every=REFRESH_S, key="active_faults")()
    st.fragment(_show_buttons, key="fault_buttons")()


def _show_buttons() -> None:
    target = st.segmented_control("Provider", TARGETS, default=TARGETS[0], required=True, key="fault_target")
    left, right = st.columns(2)
    share = left.number_input("Share, %", 1, 100, 100, step=10, key="fault_share", help=explained("share"))
    duration = right.selectbox(
        "Duration",
        list(DURATIONS_S),
        index=list(DURATIONS_S).index(USUAL_DURATION),
        key="fault_duration",
        help=explained("duration"),
    )
    given = _show_parameters()
    columns = st.columns(2)
    for place, button in enumerate(BUTTONS.get(target, CHATS)):
        if columns[place % 2].button(
            button.words, key=f"fault_{target}_{button.words}", help=button.does, width="stretch"
        ):
            _start(fault_of(button, str(target), share / 100, DURATIONS_S[str(duration)], given))


def _show_parameters() -> dict[str, Any]:
    with st.expander("Parameters"):
        return {
            "status": st.number_input("Status of an outage", 400, 599, 503, key="param_status"),
            "retry_after": st.number_input("Retry-After of a 429, s", 0, 3600, 5, key="param_retry_after"),
            "delay_ms": float(st.number_input("Slow start, ms", 0, 60_000, 3000, step=500, key="param_delay_ms")),
            "per_token_ms": float(st.number_input("Slow tokens, ms each", 0, 10_000, 250, step=50, key="param_token")),
            "fraction": st.slider("Breaks after this part of the answer", 0.0, 1.0, 0.5, key="param_fraction"),
            "stream_error": st.selectbox("Kind of stream error", STREAM_ERRORS, key="param_stream_error"),
            "bad_body": st.selectbox("Kind of bad body", BAD_BODIES, key="param_bad_body"),
        }


def fault_of(button: Button, target: str, share: float, for_s: float | None, given: dict[str, Any]) -> dict[str, Any]:
    """The FAULT of design section 5 for a click."""
    params = {_SENT_AS.get(name, name): given[name] for name in button.takes} | dict(button.fixed)
    fault: dict[str, Any] = {"target": target, "fault": button.name, "params": params}
    if for_s is not None:
        fault["for_s"] = for_s
    if share < 1.0 and not button.whole:
        fault["share"] = share
    return fault


def _start(fault: dict[str, Any]) -> None:
    try:
        backends().simulator.start(fault)
    except Away as error:
        states.show_away([error])
    except Refused as error:
        states.show_refused(error)
    else:
        st.toast(f"Started {label(fault)}", icon=":material/bolt:")


def _show_active() -> None:
    now = feed().refresh()
    away = next((one for one in now.away if one.name == "simulator"), None)
    active = [] if away else [band for band in feed().picture(1.0, now.at + 1).bands if band.end is None]
    for band in active:
        st.markdown(f":red[:material/bolt:] {band.label}, for {max(now.at - band.begin, 0):.0f} s")
    if away is not None:
        st.caption(f"The simulator is away ({away.why}): nothing can be injected.")
    elif not active:
        st.caption("No fault is active.")
    if st.button(
        "Stop all faults", icon=":material/healing:", width="stretch", type="primary", disabled=not active, key="stop"
    ):
        _stop()


def _stop() -> None:
    try:
        ended = backends().simulator.stop()
    except Away as error:
        states.show_away([error])
    except Refused as error:
        states.show_refused(error)
    else:
        st.toast(f"Ended {ended} fault{'s' * (ended != 1)}", icon=":material/healing:")
