"""The sidebar's scenarios: choose one, watch and scale it. Read `scenario_end.py` next; `child.py`: how it runs.

What runs is the process's, not the session's: who opens the page meanwhile sees it and may stop it.
"""

import streamlit as st

from ..look.plain import plain
from ..look.tiles import Tile, number, tiles
from ..settings import current
from . import command, scenario_end, shared, who
from .child import Child
from .command import NoCatalogue, Scenario, catalogue
from .conductor import CannotStart, conductor
from .protocol import Progress
from .warm_up import NEEDS_KEY, warm_up

SCALES = (0.5, 1.0, 2.0, 4.0)
SHORT, FULL = "short", "full"
_CHOSEN = "scenario_name"
_LENGTH = "scenario_length"
_SCALE = "scenario_scale"
_LAST = "scenario_last"
"""In the session: name and length of the last start; Streamlit forgets a choice while it is not drawn."""


def show_choice() -> None:
    """The scenarios with their lengths, and what the last one came to."""
    if why := command.why_not(current()):
        st.caption(why)
        return
    try:
        with st.spinner("Asking for the scenarios …"):
            known = {one.name: one for one in catalogue().scenarios(current())}
    except NoCatalogue as error:
        st.caption(f":material/error: There are no scenarios to choose from: {plain(str(error))}")
        st.button(
            "Look again",
            key="scenario_again",
            icon=":material/refresh:",
            width="stretch",
            on_click=catalogue().forget,
        )
        return
    _show_start(known)
    if (child := conductor().child) is not None:
        scenario_end.show(child, conductor().title)


def _show_start(known: dict[str, Scenario]) -> None:
    closed = who.may() is not who.May.YES
    last_name, last_length = st.session_state.get(_LAST, (None, SHORT))
    name = st.selectbox(
        "Scenario",
        list(known),
        index=list(known).index(last_name) if last_name in known else 0,
        format_func=lambda one: known[one].title if one in known else one,
        key=_CHOSEN,
        label_visibility="collapsed",
    )
    chosen = known[name]
    if chosen.about:
        st.caption(plain(chosen.about))
    lengths = {SHORT: f"Short, {clock(chosen.short_s)}", FULL: f"Full, {clock(chosen.duration_s)}"}
    length = st.segmented_control(
        "Length",
        list(lengths),
        format_func=lengths.__getitem__,
        default=last_length,
        key=_LENGTH,
        label_visibility="collapsed",
        width="stretch",
        required=True,
    )
    if st.button("Start", key="scenario_start", icon=":material/play_arrow:", width="stretch", disabled=closed):
        try:
            conductor().start(chosen, is_short=length == SHORT, unless=lambda: warm_up().runs)
        except CannotStart as error:
            st.error(str(error))
        else:
            st.session_state[_LAST] = name, length
            st.rerun()
    if closed:
        st.caption(NEEDS_KEY)


def show_running() -> None:
    """How it goes, its scale, and the way to stop it."""
    child = conductor().child
    if child is None:
        return
    closed = who.may() is not who.May.YES
    title = child.started.title if child.started else conductor().title
    seed = f" · seed {child.started.seed}" if child.started and child.started.seed is not None else ""
    st.markdown(f"**{plain(title)}**{seed}")
    share, words = stage_of(child)
    st.progress(share, text=words)
    if child.progress is not None:
        _show_figures(child.progress)
    if not child.stops:
        _show_scale(child, closed)
    word, hint, key = (
        ("End at once", "Without a verdict.", "scenario_end")
        if child.stops
        else ("Stop", "Early: then nothing is judged.", "scenario_stop")
    )
    st.button(word, key=key, icon=":material/stop:", width="stretch", disabled=closed, help=hint, on_click=child.stop)
    if closed:
        st.caption("Only who shows the admin key may scale or stop it here.")


def stage_of(child: Child) -> tuple[float, str]:
    """How far it is, 0 to 1, and in words, Markdown."""
    started, now = child.started, child.progress
    lasts_s = started.lasts_s if started else 0.0
    at_s = now.at_s if now else 0.0
    share = min(max(at_s / lasts_s, 0.0), 1.0) if lasts_s > 0 else 0.0
    if child.stops:
        return share, "Stopping; faults are ended, what was seen is kept."
    if started is None:
        return 0.0, "Starting …"
    if share >= 1.0:
        return 1.0, "The load is over; it is being judged."
    phase = f"**{plain(now.phase)}** · " if now and now.phase else ""
    return share, f"{phase}{clock(lasts_s - at_s)} left"


def _show_figures(now: Progress) -> None:
    faults = "  \n".join(f":red[:material/bolt:] {plain(fault)}" for fault in now.faults)
    st.markdown(faults or ":material/bolt: no fault at present")
    success, degraded = ((None if share is None else share * 100) for share in (now.success_share, now.degraded_share))
    st.html(
        tiles(
            [
                Tile("Rate", number(now.rate_per_s, ",.1f"), "/s", "request rate", f"{now.in_flight:,} in flight"),
                Tile("Success", number(success, ".1f"), "%", "success", f"{now.sent:,} sent"),
                Tile("Degraded", number(degraded, ".1f"), "%", "degraded"),
                Tile("p95", number(now.p95_ms, ",.0f"), "ms", "percentiles"),
            ]
        )
    )


def _show_scale(child: Child, closed: bool) -> None:
    at = child.progress.scale if child.progress else 1.0
    key, value = shared.widget(_SCALE, conductor().scale_for(at))
    st.segmented_control(
        "Times the planned rate",
        SCALES,
        format_func=lambda factor: f"×{factor:g}",
        default=value if value in SCALES else None,
        key=key,
        disabled=closed,
        width="stretch",
        on_change=_scaled,
    )


def _scaled() -> None:
    if (factor := shared.moved(_SCALE)) is not None:
        conductor().scale(float(factor))


def clock(seconds: float) -> str:
    """`1:05 min`, or `40 s`."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes}:{rest:02} min" if minutes else f"{rest} s"
