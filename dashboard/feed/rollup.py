"""The roll-up: requests and calls as sums per second, small enough to keep and to draw. Read `picture.py` next.

Durations are counted in bins whose bounds grow by 5 % each, so that percentiles of any span of time can be read from
sums, to 2.5 %. The SQL runs at the collector, or over the Parquet files of a recorded run.
"""

from importlib.resources import files

import pandas as pd  # type: ignore[import-untyped]
from pandas.api.types import union_categoricals  # type: ignore[import-untyped]

ENDPOINTS = ("/chat", "/chat/stream", "/v1/chat/completions")
"""What counts as a request of the charts: those that ask a model."""

LONGEST_S = 75
"""A request takes no longer: a stream may last 60 s after its first token, that one 5 s."""

BINS_PER_E = 20
WHAT = pd.CategoricalDtype(["answer", "degraded", "duration", "first_token", "asked_call", "call"])
_TYPES = {"second": "int64", "what": WHAT, "key": "category", "bin": "int64", "n": "int64", "amount": "float64"}
COLUMNS = tuple(_TYPES)

_SQL = files(__package__).joinpath("rollup.sql").read_text()


def sql(since: int, until: int) -> str:
    """The roll-up of `[since, until)`, in Unix seconds: rows of COLUMNS.

    `what` is `answer` (key: where from; amount: nano-USD of its calls), `degraded`,
    `duration` and `first_token` (bin), `asked_call` (calls for chats), `call` (key: `target|ending`).
    """
    return _SQL.format(
        since=since,
        until=until,
        arrived_us=(since - LONGEST_S) * 1_000_000,
        until_us=until * 1_000_000,
        endpoints=", ".join(f"'{endpoint}'" for endpoint in ENDPOINTS),
        bins_per_e=BINS_PER_E,
    )


def empty() -> pd.DataFrame:
    """No rows, with the right columns and types."""
    return typed(pd.DataFrame(columns=list(COLUMNS)))


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with their types; `what` and `key` as categories, which are compared and joined as numbers."""
    return rows.astype(_TYPES)


def joined(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Both, one after the other."""
    if not len(before) or not len(after):
        return after if len(after) else before
    keys = union_categoricals([before["key"], after["key"]])
    rest = [part.drop(columns="key") for part in (before, after)]
    return pd.concat(rest, ignore_index=True).assign(key=keys)
