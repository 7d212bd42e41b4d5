"""The Live page: figures, where answers came from, circuits, calls, latency, cost, on one time axis with the faults.

Read `live_charts.py` next: which charts there are; `../feed/feed.py`: where the data comes from.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..feed.feed import KEPT_S, Feed, Now, feed
from ..feed.figures import Figures, call_counts, figures
from ..feed.picture import Picture
from ..look import states
from ..look.glossary import explained
from ..look.palette import GREEN
from ..look.panels import HIT_RATE_TARGET
from ..look.tiles import Tile, circuit, level, number, tiles
from ..recordings import NoPicture, Recording, picture, recordings
from ..settings import current
from . import live_charts
from .experiments_words import when

REFRESH_S = 1.0
SHOWS = (
    "This page will show, second by second, how many requests were answered, from where, how quickly and for how much, "
    "each provider's circuit breaker, and as a shaded band every fault that is injected."
)
WIDTHS_S = {"1 min": 60, "3 min": 180, "5 min": 300, "15 min": KEPT_S}
USUAL_WIDTH = "3 min"
RECENT_S = 60
"""The figures and the providers' calls are those of the last minute of what is shown."""

LIVE = "live"
BUSIEST = 2
BUCKETS = {
    "tenant_requests": "requests left",
    "tenant_tokens": "tokens left",
    "user_requests": "user: requests",
    "user_tokens": "user: tokens",
}
"""Of a tenant, and of its user that was seen last."""

_PAUSED = "live_paused"
_PLACE = "live_place"


def show() -> None:
    """Draw the page, and draw it anew each second while it is live."""
    watched, width_s = _show_choices()
    if watched is not None:
        _show_recorded(watched, width_s)
    elif isinstance(held := st.session_state.get(_PAUSED), Picture):
        _show_still(held, width_s, "paused")
    else:
        st.fragment(_show_live, run_every=REFRESH_S, key="live")(width_s)


def _show_choices() -> tuple[Recording | None, float]:
    """What is watched, and how much of it at once."""
    runs, _ = recordings(current().runs, current().shipped_runs)
    source, width, button = st.columns([2, 3, 1.2], vertical_alignment="bottom")
    with source:
        names = {run.id: f"{run.label}, {when(run.began)}" for run in runs}
        chosen = st.selectbox(
            "What to watch",
            [LIVE, *names],
            format_func=lambda name: "Live" if name == LIVE else names[name],
            help="Live, or a recorded run (the Experiments page records them).",
            label_visibility="collapsed",
        )
    with width:
        shown = st.segmented_control(
            "How much of it", list(WIDTHS_S), default=USUAL_WIDTH, label_visibility="collapsed", required=True
        )
    watched = next((run for run in runs if run.id == chosen), None)
    with button:
        if watched is None and _PAUSED in st.session_state:
            if st.button("Resume", icon=":material/play_arrow:", width="stretch", type="primary"):
                del st.session_state[_PAUSED]
                st.rerun()
        elif watched is None and st.button("Pause", icon=":material/pause:", width="stretch"):
            st.session_state[_PAUSED] = feed().picture(KEPT_S)
            st.rerun()
    return watched, WIDTHS_S[str(shown)]


def _show_live(width_s: float) -> None:
    live = feed()
    now = live.refresh()
    states.show_away(now.away)
    for refused in now.refused:
        states.show_refused(refused)
    seen = live.picture(width_s)
    whole = live.picture(KEPT_S)
    if whole.is_empty() and not (whole.bands or whole.marks):
        if not live.has_heard:
            if "collector" not in {one.name for one in now.away}:
                st.caption("The collector is asked for the last fifteen minutes …")
        elif "collector" not in {one.name for one in now.away}:
            states.show_empty(SHOWS, key="live", fact="Nothing has happened yet, or not in the last fifteen minutes.")
        _show_providers(seen, now)
        return
    _draw(seen, now, live)


def _show_still(whole: Picture, width_s: float, word: str) -> None:
    """A span that has ended, with a slider to move along it."""
    width_s = min(width_s, whole.width_s)
    end = whole.end
    if whole.width_s > width_s:
        end = st.slider(
            f"Time, {word}",
            min_value=float(whole.begin + width_s),
            max_value=float(whole.end),
            value=float(whole.end),
            step=1.0,
            key=f"{_PLACE}_{word}_{int(whole.begin)}_{int(width_s)}",
            format=" ",
            help="Move along what was recorded; the figures are those of the minute before the end.",
        )
    seen = whole.cut(end - width_s, end)
    began, ended = when(seen.begin), when(seen.end)
    st.caption(f"{word.capitalize()}: {began} to {ended}.")
    if seen.is_empty():
        st.info("No request ended in this span; move the slider, or choose a wider one.")
    _draw(seen, None, None)


def _show_recorded(run: Recording, width_s: float) -> None:
    try:
        whole = picture(run)
    except NoPicture as error:
        st.error(f"This run cannot be shown: {error}")
        return
    _show_still(whole, width_s, "recorded")


def _draw(seen: Picture, now: Now | None, live: Feed | None) -> None:
    recent = _recent(seen)
    st.markdown(tiles(_tiles(figures(recent))), unsafe_allow_html=True)
    providers = providers_of(seen, now)
    left, right = st.columns([3, 1.15])
    with left:
        live_charts.show_answers(seen, providers)
    with right:
        _show_providers(recent, now)
    if now is not None and live is not None:
        _show_levels(now.levels, live.fullest)
    live_charts.show_rest(seen, providers)


def _recent(seen: Picture) -> Picture:
    """The last minute of which all is known: what is not told yet is no zero."""
    end = min(seen.end, max(seen.told_until, seen.begin + 1))
    return seen.cut(max(end - RECENT_S, seen.begin), end)


def providers_of(seen: Picture, now: Now | None) -> list[str]:
    """Who is asked for answers: those that the service has, or that calls went to."""
    ready = now.ready["providers"] if now is not None and now.ready else []
    told = [row["provider"] for row in ready] or sorted(call_counts(seen)) or sorted({c.provider for c in seen.changes})
    return [name for name in told if name != "payments"]


def _show_providers(recent: Picture, now: Now | None) -> None:
    counts = call_counts(recent)
    ready = {row["provider"]: row for row in now.ready["providers"]} if now is not None and now.ready else {}
    for name in providers_of(recent, now):
        state, more = _present(ready[name]) if name in ready else _past(recent, name)
        st.markdown(circuit(name, state, more, counts.get(name, {})), unsafe_allow_html=True)


def _present(row: Mapping[str, Any]) -> tuple[str, str]:
    """State and a line about a circuit as the service tells it now."""
    failures = f"{row['failures']} failure{'s' * (row['failures'] != 1)} in a row"
    if row["state"] == "open":
        wait = f"probe in {row['probe_in_s']:.0f} s" if row["probe_in_s"] else "the next request probes"
        return "open", f"{wait}; {failures}"
    if row["paused_for_s"]:
        return "paused", f"for {row['paused_for_s']:.0f} s by a 429's Retry-After"
    if row["state"] == "half_open":
        return "half_open", "one request probes"
    return row["state"], failures


def _past(seen: Picture, provider: str) -> tuple[str, str]:
    """The same at the end of a span that is over."""
    last = next((change for change in reversed(seen.changes) if change.provider == provider), None)
    if last is None:
        return "closed", "no change of state known"
    return last.state, f"for {seen.end - last.t:,.0f} s; {last.failures} failures in a row then"


def _tiles(shown: Figures) -> list[Tile]:
    ms = [shown.p50_ms, shown.p95_ms, shown.p99_ms]
    p50, p95, p99 = (number(value, ",.0f") for value in ms)
    least, most = HIT_RATE_TARGET
    return [
        Tile("Requests", number(shown.request_rate, ",.1f"), "/s", "request rate", f"{shown.requests:,} in a minute"),
        Tile("Success", _percent(shown.success), "%", "success", "of the requests"),
        Tile("Degraded", _percent(shown.degraded), "%", "degraded", "of the answers"),
        Tile("p50", p50, "ms", "percentiles", f"p95 {p95} · p99 {p99}"),
        Tile("First token", number(shown.first_token_p50_ms, ",.0f"), "ms", "first token", "p50 of streams"),
        Tile("Cost", number(shown.usd_per_min, ",.3f"), "", "cost rate", "USD per minute"),
        Tile("Hit rate", _percent(shown.hit_rate), "%", "hit rate", f"target {least * 100:.0f}-{most * 100:.0f} %"),
        Tile("Amplification", number(shown.amplification, ".2f"), "", "amplification", "calls per request"),
    ]


def _percent(share: float | None) -> str:
    return number(None if share is None else share * 100, ".1f")


def _show_levels(levels: pd.DataFrame | None, fullest: Mapping[str, float]) -> None:
    if levels is None or not len(levels):
        return
    st.markdown("**Token buckets of the busiest**", help=explained("bucket"))
    left = levels.assign(share=levels["level"] / levels["bucket"].map(fullest).clip(lower=1))
    busiest = left.groupby("tenant")["share"].min().nsmallest(BUSIEST).index
    for column, tenant in zip(st.columns(BUSIEST, gap="large"), busiest, strict=False):
        rows = left[left["tenant"] == tenant].sort_values("bucket")
        bars = [
            level(BUCKETS.get(row.bucket, row.bucket), row.share, f"{row.level:,.0f}", GREEN)
            for row in rows.itertuples(index=False)
        ]
        column.markdown(f"{escape(tenant)}{''.join(bars)}", unsafe_allow_html=True)
