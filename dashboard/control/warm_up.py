"""The warm-up client: a steady load that a person starts and stops from every page. Read `client.py` next.

There is one per process, shared by all sessions: it lives in a thread of its own, so it goes on while pages change, and
it ends with the process. It chats with demo keys, at the configured service only, and never in the live profile.
"""

import asyncio
import atexit
import random
import threading
from functools import cache

import streamlit as st

from ..look.plain import plain
from ..settings import LIVE, current
from . import shared, who
from .client import FASTEST_PER_S, LONGEST_S, Load
from .command import NOT_LIVE
from .conductor import STARTING, conductor

USUAL_PER_S = 5
END_WITHIN_S = 0.5

_RATE = "warm_up_rate"
NEEDS_KEY = "Only who shows the admin key may start it here."


class SpendGuard(Exception):
    """What would make load where calls cost money; says what to do instead."""


class WarmUp:
    """At most one load at a time, and what the last one did. For any thread."""

    def __init__(self) -> None:
        self.rate_per_s = USUAL_PER_S
        self.load: Load | None = None
        self._thread: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        """Whether it sends."""
        return self.load is not None and self.load.runs

    def start(self) -> None:
        """Start at the present rate, unless it or a scenario runs. Raises SpendGuard in the live profile."""
        settings = current()
        if settings.profile == LIVE:
            raise SpendGuard(NOT_LIVE)
        with STARTING:
            if self.runs or conductor().runs:
                return
            seed = random.getrandbits(32)  # another run asks other questions
            load = self.load = Load(settings.service, self.rate_per_s, seed=seed)
            # A daemon: a process that ends does not wait for it.
            self._thread = threading.Thread(target=lambda: asyncio.run(load.run()), name="warm-up", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Send no more."""
        if self.load is not None:
            self.load.stop("stopped")

    def set_rate(self, per_s: int) -> None:
        """Send so many chats per second from now on, or from the next start."""
        self.rate_per_s = min(max(per_s, 1), FASTEST_PER_S)
        if self.load is not None:
            self.load.rate_per_s = self.rate_per_s

    def end(self) -> None:
        """Stop, leave what is in flight, and wait briefly for the thread."""
        if self.load is not None and self._thread is not None:
            self.load.stop("the dashboard ended", drain_s=0)
            self._thread.join(END_WITHIN_S)


@cache
def warm_up() -> WarmUp:
    """The one of this process."""
    client = WarmUp()
    atexit.register(client.end)
    return client


def show_button(key: str) -> None:
    """A button that starts the warm-up load at its default rate; `key` is unique on the page."""
    client = warm_up()
    if current().profile == LIVE:
        st.caption(NOT_LIVE)
        return
    if conductor().runs:
        st.caption(
            f":material/play_circle: A load scenario runs, {plain(conductor().title)}. Its first traces are here in a "
            "moment."
        )
        return
    if client.runs:
        st.caption(
            f":material/play_circle: The warm-up load runs: {client.rate_per_s} chats per second. Its first traces are "
            "here in a moment; stop it in the sidebar."
        )
        return
    closed = who.may() is not who.May.YES
    pressed = st.button(
        "Start a warm-up load",
        key=key,
        type="primary",
        icon=":material/play_arrow:",
        disabled=closed,
        help=f"{USUAL_PER_S} chats per second by a few demo users, at most {LONGEST_S / 60:.0f} minutes.",
    )
    if closed:
        st.caption(NEEDS_KEY)
    if pressed:
        client.set_rate(USUAL_PER_S)
        client.start()
        st.rerun()


def show_controls() -> None:
    """The sidebar's part: rate, start, stop, and what it did so far. Called each second."""
    client = warm_up()
    closed = who.may() is not who.May.YES
    key, value = shared.widget(_RATE, client.rate_per_s)
    st.slider(
        "Chats per second",
        1,
        FASTEST_PER_S,
        value,
        key=key,
        disabled=closed,
        on_change=lambda: client.set_rate(shared.moved(_RATE)),
    )
    if client.runs:
        if st.button("Stop", key="warm_up_stop", icon=":material/stop:", width="stretch", disabled=closed):
            client.stop()
            st.rerun()
    elif st.button("Start", key="warm_up_start", icon=":material/play_arrow:", width="stretch", disabled=closed):
        client.start()
        st.rerun()
    if closed:
        st.caption(NEEDS_KEY)
    if client.load is not None:
        st.caption(told(client.load))


def told(load: Load) -> str:
    """What a load did so far, as Markdown."""
    counts, lines = load.counts, []
    if load.runs:
        minutes, seconds = divmod(max(round(load.longest_s - load.ran_s), 0), 60)
        lines.append(f"Runs, ends by itself in {minutes}:{seconds:02} min.")
    else:
        lines.append(f"Ended: {load.ended}." if load.ended else "Sends no more; waits for what is in flight.")
    if load.away is not None and load.runs:
        lines.append(
            f":material/cloud_off: **The service is away** ({load.away}). It is tried now and then until it is back."
        )
    lines.append(f"{counts.sent:,} sent · {counts.answered:,} answered · {counts.in_flight:,} in flight")
    if any((counts.refused, counts.failed, counts.not_sent, counts.left)):
        left = f" · {counts.left:,} given up" if counts.left else ""
        lines.append(f"{counts.refused:,} refused · {counts.failed:,} failed · {counts.not_sent:,} not sent{left}")
    often = sorted(dict(load.reasons).items(), key=lambda row: -row[1])[:4]
    lines.extend(f"{count:,} × {why}" for why, count in often)
    return "  \n".join(lines)
