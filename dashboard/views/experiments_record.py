"""Recording: keep the last minutes, or everything from a start to a stop. Read `../recordings/keeping.py` next.

Telemetry needs some seconds to arrive: what is kept ends that long ago, and after a stop it is waited for.
"""

import math
import time

import streamlit as st

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..control.who import May, may
from ..look import states
from ..recordings import SETTLES_S, NotKept, first_request, record
from ..recordings.recorder import Recorder, recorder
from ..settings import current
from .experiments_words import length

FRESH = "experiments_fresh"
"""In the session: the id of the run that was just kept."""

_SAID = "experiments_said"
_NAME = "experiments_name"
MOST_MINUTES, USUAL_MINUTES = 15, 5
MINUTE_S = 60
REFRESH_S = 1.0


def show() -> None:
    """Draw the part of the page where runs are recorded."""
    if said := st.session_state.pop(_SAID, None):
        st.success(said, icon=":material/check:")
    if may() is not May.YES:
        st.caption("Recording and deleting runs need the admin key; the sidebar asks for it.")
        return
    try:
        backends().collector.ask("GET", "/health")
    except Away as error:
        states.show_away([error])
        st.caption("Nothing can be recorded without it. Recorded runs need nobody.")
    except Refused as error:
        states.show_refused(error)
    else:
        with st.container(border=True):
            _show_controls(recorder())


def _show_controls(tape: Recorder) -> None:
    name, minutes, keep, start = st.columns([3, 2, 1.7, 1.5], vertical_alignment="bottom")
    label = name.text_input("Name of the run", key=_NAME, placeholder="outage, retry off", max_chars=80)
    kept_min = minutes.slider("Minutes", 1, MOST_MINUTES, USUAL_MINUTES, key="experiments_minutes")
    if keep.button(
        f"Keep the last {kept_min} min",
        icon=":material/save:",
        width="stretch",
        key="experiments_keep",
        help=f"Up to {SETTLES_S:g} s ago, for telemetry takes that long to arrive; from the first request on.",
    ):
        _keep_last(kept_min * MINUTE_S, label)
    if tape.began is None and tape.stopped is None:
        if start.button(
            "Start recording", icon=":material/radio_button_checked:", width="stretch", key="experiments_start"
        ):
            tape.start()
            st.rerun()
    elif tape.began is not None and start.button(
        "Stop and keep", icon=":material/stop_circle:", width="stretch", key="experiments_stop", type="primary"
    ):
        tape.stop(label)
        st.rerun()
    if tape.began is not None or tape.stopped is not None:
        st.fragment(_show_recording, run_every=REFRESH_S, key="recording")(tape)


def _keep_last(width_s: float, label: str) -> None:
    ended = time.time() - SETTLES_S
    began = ended - width_s
    try:
        first = first_request(backends().collector, began, ended)
    except (Away, Refused) as error:
        st.error(f"Nothing was kept: {error}", icon=":material/error:")
        return
    if first is None:
        st.info(f"No chat request arrived in the last {length(width_s)}: there is nothing to keep.")
    elif why := _kept(max(began, float(math.floor(first))), ended, label):
        st.error(f"Nothing was kept: {why}", icon=":material/error:")
    else:
        st.rerun()


def _show_recording(tape: Recorder) -> None:
    """What a recording is at; keeps it once its telemetry has settled."""
    if tape.began is not None:
        st.markdown(f":material/radio_button_checked: **Recording** for {length(time.time() - tape.began)}.")
    elif (taken := tape.take(SETTLES_S)) is not None:
        why: str | None = "it was interrupted"
        try:
            why = _kept(taken.began, taken.ended, taken.label)
        finally:  # whatever ends this run of the page: what was recorded is not lost
            if why:
                tape.give_back(taken, why)
        st.rerun()
    elif tape.failure is not None:
        st.error(f"It could not be kept: {tape.failure}", icon=":material/error:")
        if st.button("Try again", key="experiments_again", icon=":material/refresh:"):
            tape.try_again()
            st.rerun()
        if st.button("Drop it", key="experiments_drop", icon=":material/delete:"):
            tape.drop()
            st.rerun()
    else:
        st.markdown(f":material/hourglass_top: Stopped. It is kept in {SETTLES_S:g} s, when its telemetry has arrived.")


def _kept(began: float, ended: float, label: str) -> str | None:
    """Keep it, and note what to say and choose next; why it was not kept, else None."""
    try:
        with st.spinner("Keeping …"):
            run = record(backends(), current().runs, began, ended, label)
    except (Away, Refused, NotKept) as error:
        return str(error)
    st.session_state[FRESH] = run.id
    st.session_state[_SAID] = (
        f"Kept as `{run.id}` ({length(run.width_s)}). Telemetry that came later than {SETTLES_S:g} s after its end "
        "is not in it."
    )
    return None
