"""The Cost page: what was spent, on what, by whom, and what was not spent. Read `cost_sql.py` next: where it is asked.

It answers "which endpoint is expensive?" while it happens, not with the bill. Chapter, section 2 (cost visibility).
"""

import time

import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..feed.faults import bands_of
from ..feed.picture import Band
from ..look import charts, states
from ..look.glossary import explained
from ..look.palette import OUTCOMES, PURPOSES, words
from ..look.tiles import Tile, legend, tiles
from ..settings import current
from . import cost_charts
from .cost_sql import BREAKDOWNS, GONE_S, MOST_REQUESTS, MOST_ROWS, NANO, RANGES, Bill, Range, bill, budgets, newest
from .cost_words import part, usd

REFRESH_S = 5.0
KEPT_BANDS_S = 4
USUAL_RANGE = RANGES[1]

SHOWS = (
    "This page will show what the calls to providers cost, in USD: by time, endpoint, route, model and tenant, what it "
    "was for, what the cache saved, the budgets of today, and the most expensive requests."
)
HOW_TO_SET = """\
Set one before the service starts, for every tenant by `GAUNTLET_BUDGET__USD_PER_DAY=5`, or for single ones in `gauntlet.toml`:

```toml
[budget]
usd_per_day = 5       # each tenant, per day (UTC)
stop = "none"         # "402" or "429" refuses all but cache hits once it is spent; "none" only warns
[budget.tenants]
acme = 20             # this one may spend more
```
"""  # noqa: E501 - a line of Markdown
BUDGET_STATES = {"ok": "✓ ok", "warning": "△ warning", "exhausted": "✕ exhausted"}


def show() -> None:
    """Draw the page, and draw it anew every few seconds."""
    st.fragment(_show_all, run_every=REFRESH_S, key="cost")()


def _show_all() -> None:
    chosen = _show_range()
    try:
        told = bill(current().collector, chosen)
        if told.is_empty:
            _show_empty(chosen)
        else:
            _show_bill(told, chosen)
        _show_budgets()
    except Away as error:
        states.show_away([error])
        st.caption(SHOWS)
    except Refused as error:
        states.show_refused(error)


def _show_range() -> Range:
    title, choice = st.columns([3, 2], vertical_alignment="center")
    title.subheader("Cost", help=explained("cost"))
    named = {one.words: one for one in RANGES}
    with choice:
        words_of = st.segmented_control(
            "The last",
            list(named),
            default=USUAL_RANGE.words,
            key="cost_range",
            required=True,
            help="By the time at which requests arrived.",
        )
    return named.get(words_of or "", USUAL_RANGE)


def _show_empty(chosen: Range) -> None:
    at = newest()
    if at is None:
        states.show_empty(SHOWS, key="cost")
        return
    ago_min = (time.time() - at.timestamp()) / 60
    st.info(
        f"Nobody asked anything in the last {chosen.words}; the newest request came {ago_min:,.0f} min ago. "
        "Choose a longer time, or start the warm-up in the sidebar.",
        icon=":material/schedule:",
    )


def _show_bill(told: Bill, chosen: Range) -> None:
    st.html(tiles(_tiles(told)))
    st.caption(_not_wanted(told).replace("$", r"\$"), help=explained("purpose"))
    _show_over_time(told, chosen)
    _show_breakdowns(told)
    _show_expensive(told)


def _tiles(told: Bill) -> list[Tile]:
    spent, answered, unpriced = told.total("spent"), told.total("answered"), told.total("unpriced")
    lost, saved = told.spent_on("retry", "abandoned"), told.total("saved")
    return [
        Tile("spent", usd(spent), "", "cost", f"by {told.total('calls'):,} calls"),
        Tile("per hour", usd(spent * 3600 / told.length_s), "", "per hour", f"over {_span(told.length_s)}"),
        Tile(
            "per answer",
            usd(told.total("asked") / answered) if answered else "–",
            "",
            "per answer",
            f"{answered:,} answered",
        ),
        Tile("saved by the cache", usd(saved), "", "saved", f"of {usd(saved + spent)} without it"),
        Tile("failed + abandoned", usd(lost), "", "purpose", f"{part(lost, spent)} of spent"),
        Tile(
            "without a price",
            f"{unpriced:,}",
            "calls" if unpriced != 1 else "call",
            "unpriced",
            "NOT in these sums" if unpriced else "all are in the sums",
        ),
    ]


def _not_wanted(told: Bill) -> str:
    """What the money was for that bought nothing, and what is not known of it."""
    failed, abandoned, more = told.spent_on("retry"), told.spent_on("abandoned"), told.total("more")
    text = f"{usd(failed)} went to attempts that failed, {usd(abandoned)} to abandoned ones."
    if not more:
        return text
    return f"{text} What was ended early is counted by what had come; its providers may bill up to {usd(more)} more."


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def _show_over_time(told: Bill, chosen: Range) -> None:
    bands: list[Band] = []
    try:
        bands = _bands(current().simulator)
    except Away as error:
        states.show_away([error])
    except Refused as error:
        states.show_refused(error)
    picture = cost_charts.picture(told, bands)
    st.markdown("**Spent, by purpose**", help=explained("purpose"))
    st.html(legend(PURPOSES))
    spent = cost_charts.spent(told, chosen.bar_s)
    _chart(charts.frame(picture, spent, charts.room(spent)), cost_charts.SPENT_SPEC, "cost_spent")
    st.markdown("**Not spent: saved by the cache**", help=explained("saved"))
    _chart(charts.frame(picture, cost_charts.saved(told, chosen.bar_s)), cost_charts.SAVED_SPEC, "cost_saved")
    st.caption(f"A step is {chosen.bar_s} s wide; the newest one is still filling.")


@st.cache_data(ttl=KEPT_BANDS_S, show_spinner=False, max_entries=4)
def _bands(simulator_url: str) -> list[Band]:
    """The simulator's fault windows; `simulator_url` is what they are kept by."""
    return bands_of(backends().simulator.events(0)["events"], time.time())


def _chart(frame: pa.Table, spec: charts.Spec, key: str) -> None:
    st.vega_lite_chart(frame, spec, key=key, width="stretch")


def _show_breakdowns(told: Bill) -> None:
    st.markdown("**Who and what costs**", help=explained("cost"))
    for tab, name in zip(st.tabs([f"by {name}" for name in BREAKDOWNS], key="cost_by"), BREAKDOWNS, strict=True):
        with tab:
            rows = told.breakdowns[name]
            _table(_with_shares(rows, told.total("spent")), _columns(name), key=f"cost_by_{name}")
            if len(rows) == MOST_ROWS:
                st.caption(f"Only the {MOST_ROWS} that cost most.")


def _with_shares(rows: pd.DataFrame, total: int) -> pd.DataFrame:
    """A breakdown as it is shown: nano-USD as USD, with each row's share of all that was spent, in percent."""
    answered = rows["answered"].where(rows["answered"] > 0)
    return pd.DataFrame(
        {
            "name": rows["name"],
            "spent": rows["spent"] / NANO,
            "share": rows["spent"] / max(total, 1) * 100,
            "per_answer": rows["asked"] / NANO / answered,
            "lost": (rows["failed"] + rows["abandoned"]) / NANO,
            "saved": rows["saved"] / NANO,
            "answered": rows["answered"],
            "calls": rows["calls"],
            "input_tokens": rows["input_tokens"],
            "output_tokens": rows["output_tokens"],
            "unpriced": rows["unpriced"],
        }
    )


def _columns(name: str) -> dict[str, ColumnConfig]:
    column = st.column_config
    return {
        "name": column.TextColumn("model · provider" if name == "model" else name, pinned=True),
        "spent": _usd_column("spent, USD", "cost"),
        "share": column.ProgressColumn("share", format="%.1f %%", min_value=0, max_value=100),
        "per_answer": _usd_column("USD per answer", "per answer"),
        "lost": _usd_column("failed + abandoned, USD", "purpose"),
        "saved": _usd_column("saved, USD", "saved"),
        "calls": _count_column("calls", "attempt"),
        "answered": _count_column("answers", "per answer"),
        "unpriced": _count_column("without a price", "unpriced"),
        "input_tokens": _count_column("tokens in", "tokens"),
        "output_tokens": _count_column("tokens out", "tokens"),
    }


def _usd_column(label: str, term: str) -> ColumnConfig:
    return st.column_config.NumberColumn(label, format="%.6f", help=explained(term))


def _count_column(label: str, term: str) -> ColumnConfig:
    return st.column_config.NumberColumn(label, format="localized", help=explained(term))


def _table(rows: pd.DataFrame, columns: dict[str, ColumnConfig], key: str) -> None:
    """A table without the column of calls that have no price where there are none."""
    if "unpriced" in rows and not rows["unpriced"].any():
        rows = rows.drop(columns="unpriced")
    st.dataframe(rows, column_config=columns, hide_index=True, width="stretch", placeholder="–", key=key)


def _show_expensive(told: Bill) -> None:
    st.markdown(f"**The {MOST_REQUESTS} most expensive requests**", help=explained("attempt"))
    if told.expensive.empty:
        st.caption("None has cost anything.")
        return
    rows, outcomes = told.expensive, words(OUTCOMES)
    shown = pd.DataFrame(
        {
            "request": "/request?request=" + rows["request_id"],
            "spent": rows["spent"] / NANO,
            "time": rows["time"],
            "tenant": rows["tenant"],
            "endpoint": rows["endpoint"],
            "model": rows["model"].fillna("none"),
            "outcome": rows["outcome"].map(lambda key: outcomes.get(key, key)),
            "input_tokens": rows["input_tokens"],
            "output_tokens": rows["output_tokens"],
            "unpriced": rows["unpriced"],
        }
    )
    column = st.column_config
    columns = {
        "request": column.LinkColumn(
            "request", display_text=r"request=(.{8})", help="Opens its waterfall on the Request page."
        ),
        "spent": _usd_column("cost, USD", "cost"),
        "time": column.DatetimeColumn("arrived (UTC)", format="DD MMM HH:mm:ss"),
        "outcome": column.TextColumn("outcome", help=explained("outcome")),
        "input_tokens": _count_column("tokens in", "tokens"),
        "output_tokens": _count_column("tokens out", "tokens"),
        "unpriced": _count_column("without a price", "unpriced"),
    }
    _table(shown, columns, key="cost_expensive")


def _show_budgets() -> None:
    st.markdown("**Budgets of today**", help=explained("budget of today"))
    known = budgets(current().collector)
    if known.empty:
        st.caption("No tenant with a budget has asked today (UTC).")
        with st.expander("How a budget is set", icon=":material/savings:"):
            st.markdown(HOW_TO_SET)
        return
    rows = pd.DataFrame(
        {
            "tenant": known["tenant"],
            "spent": known["spent"] / NANO,
            "limit": known["limit"] / NANO,
            "share": (known["spent"] / known["limit"].clip(lower=1) * 100).clip(upper=999),
            "state": known["state"].map(lambda state: BUDGET_STATES.get(state, state)),
            "seen": known["seen"],
        }
    )
    column = st.column_config
    columns = {
        "tenant": column.TextColumn("tenant", pinned=True),
        "spent": _usd_column("spent today, USD", "budget of today"),
        "limit": _usd_column("budget, USD", "budget of today"),
        "share": column.ProgressColumn("spent of it", format="%.1f %%", min_value=0, max_value=100),
        "state": column.TextColumn("state", help=explained("budget of today")),
        "seen": column.DatetimeColumn(
            "as of (UTC)",
            format="HH:mm:ss",
            help=f"By the service's gauges; workers silent for {GONE_S} s are left out.",
        ),
    }
    _table(rows, columns, key="cost_budgets")
