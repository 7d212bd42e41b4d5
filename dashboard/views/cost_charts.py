"""The Cost page's charts: spent by purpose, saved by the cache, over time. Read `../look/charts.py` for their form."""

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from ..feed import rollup
from ..feed.picture import Band, Picture
from ..look import charts
from ..look.palette import GREEN, PURPOSES, Meaning
from .cost_sql import NANO, Bill

UNIT = "USD per minute"
SAVED = (Meaning("saved", "saved by the cache", GREEN),)
SPENT_PX, SAVED_PX = 220, 140
MONEY = ",.6f"
"""On hover to a millionth: an answer costs fractions of a cent."""


SPENT_SPEC = charts.stacked(PURPOSES, y=UNIT, height=SPENT_PX, number=MONEY)
SAVED_SPEC = charts.lines(SAVED, y=UNIT, height=SAVED_PX, number="~g", exactly=MONEY)


def picture(bill: Bill, bands: list[Band]) -> Picture:
    """The bill's span with what was injected and switched in it."""
    begin, end = bill.since.timestamp(), bill.until.timestamp()
    return Picture(begin, end, rollup.empty(), bands, bill.marks).cut(begin, end)


def spent(bill: Bill, bar_s: int) -> pd.DataFrame:
    """Values of `SPENT_SPEC`."""
    values = _per_minute(bill, bill.over_time.rename(columns={"purpose": "key", "spent": "nano"}), PURPOSES, bar_s)
    return charts.named(values, PURPOSES)


def saved(bill: Bill, bar_s: int) -> pd.DataFrame:
    """Values of `SAVED_SPEC`."""
    rows = bill.over_time.assign(key="saved").rename(columns={"saved": "nano"})
    return charts.named(_per_minute(bill, rows, SAVED, bar_s), SAVED)


def _per_minute(bill: Bill, rows: pd.DataFrame, meanings: tuple[Meaning, ...], bar_s: int) -> pd.DataFrame:
    """`t`, `key`, `value` for every bar, also where nothing was; the last bar reaches to the end."""
    first = bill.since.timestamp() // bar_s * bar_s
    starts = np.arange(first, bill.until.timestamp(), bar_s)
    keys = [meaning.key for meaning in meanings]
    t = rows["bar"].astype("datetime64[us]").astype("int64") // 10**6
    nano = rows.assign(t=t).groupby(["t", "key"])["nano"].sum()
    whole = pd.MultiIndex.from_product([starts.astype("int64"), keys], names=["t", "key"])
    table = nano.reindex(whole, fill_value=0).reset_index(name="nano")
    end = table[table["t"] == table["t"].max()].assign(t=bill.until.timestamp())
    table = pd.concat([table.assign(t=table["t"].clip(lower=bill.since.timestamp())), end], ignore_index=True)
    return table.assign(value=table["nano"] / NANO * 60 / bar_s).drop(columns="nano")
