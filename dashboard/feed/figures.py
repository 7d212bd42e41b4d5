"""From a picture to figures: those of its whole span, and series of them over time. Read `../look/charts.py` next.

Definitions stand in `../look/glossary.py`. None means that there is nothing to measure, which is not zero.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd  # type: ignore[import-untyped]

from . import rollup
from .picture import Picture

NANO_USD = 1e9
ANSWERED = ("live", "provider", "smaller_model", "cache", "stale")
UNANSWERED = ("message", "failed")

STEPS_S = (1, 2, 5, 10, 30, 60)
Floats = npt.NDArray[Any]

_CODE = {name: code for code, name in enumerate(rollup.WHAT.categories)}
NO_CODE = -2

MOST_POINTS = 180
"""Of a series, about: a chart on a projector shows no more."""


@dataclass(frozen=True, slots=True)
class Figures:
    """`requests` ended in the span; rates per second, shares from 0 to 1, times in ms, money in USD per minute.

    `amplification` is calls to providers per request.
    """

    requests: int
    request_rate: float | None
    success: float | None
    degraded: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    first_token_p50_ms: float | None
    usd_per_min: float | None
    hit_rate: float | None
    amplification: float | None


def figures(picture: Picture) -> Figures:
    """The figures of the whole span."""
    measured = _measured(picture.rows, np.zeros(len(picture.rows), dtype=np.int64), 1, picture.width_s)
    values = {name: None if np.isnan(column[0]) else float(column[0]) for name, column in measured.items()}
    requests = int(values.pop("requests") or 0)
    return Figures(requests=requests, **values)


def step_s(width_s: float) -> int:
    """The step at which a span of this width is drawn."""
    return next((step for step in STEPS_S if width_s / step <= MOST_POINTS), STEPS_S[-1])


def series(picture: Picture, step: int | None = None) -> pd.DataFrame:
    """A row per step: `t` (Unix s, the step's begin), `rate` (requests per second) and the fields of Figures.

    NaN where there is nothing to measure; a step without any request has the rate 0.
    """
    step = step or step_s(picture.width_s)
    begin, count = _steps(picture, step)
    places = (picture.rows["second"].to_numpy() - begin) // step
    measured = _measured(picture.rows, places, count, step)
    times = begin + np.arange(count, dtype=np.float64) * step
    table = pd.DataFrame({"t": times, **measured})
    table["rate"] = table["request_rate"].fillna(0.0)
    table["first_token_ms"] = table["first_token_p50_ms"]
    return table


def answers(picture: Picture, step: int | None = None) -> pd.DataFrame:
    """`t`, `key` (where answers came from), `value` per second: a row for each step and key that occurs, zeros too."""
    return _per_second(picture, "answer", step)


def calls(picture: Picture, step: int | None = None) -> pd.DataFrame:
    """`t`, `target`, `key` (how they ended), `value` per second, zeros too."""
    table = _per_second(picture, "call", step)
    parts = [key.rpartition("|") for key in table["key"]]
    return table.assign(target=[target for target, _, _ in parts], key=[ending for _, _, ending in parts])


def call_counts(picture: Picture) -> dict[str, dict[str, int]]:
    """Target -> how its calls ended -> how many, over the whole span."""
    keys, codes, n = _keyed(picture.rows, "call")[:3]
    counts: dict[str, dict[str, int]] = {}
    for key, count in zip(keys, np.bincount(codes, weights=n, minlength=len(keys)), strict=True):
        target, _, ending = key.rpartition("|")
        if count:
            counts.setdefault(target, {})[ending] = int(count)
    return counts


def _keyed(rows: pd.DataFrame, what: str) -> tuple[list[str], Floats, Floats, Floats]:
    """Of the rows of this kind: all keys, and of each row its key's place, its count and its second."""
    chosen = (rows["what"].cat.codes == _CODE[what]).to_numpy()
    key = rows["key"].cat
    seconds = rows["second"].to_numpy()[chosen]
    return list(key.categories), key.codes.to_numpy()[chosen], rows["n"].to_numpy()[chosen], seconds


def _steps(picture: Picture, step: int) -> tuple[int, int]:
    """Begin of the first step and how many there are: whole ones, and the same ones whenever one looks."""
    begin = -(-int(picture.begin) // step) * step
    until = int(min(picture.end, picture.told_until))
    return begin, max((until - begin) // step, 0)


def _per_second(picture: Picture, what: str, step: int | None) -> pd.DataFrame:
    step = step or step_s(picture.width_s)
    begin, count = _steps(picture, step)
    keys, codes, n, seconds = _keyed(picture.rows, what)
    places = (seconds - begin) // step
    inside = (places >= 0) & (places < count)
    cells = codes[inside].astype(np.int64) * count + places[inside]
    table = np.bincount(cells, weights=n[inside], minlength=len(keys) * count).reshape(len(keys), count)
    used = np.flatnonzero(table.any(axis=1))
    return pd.DataFrame(
        {
            "t": np.tile(begin + np.arange(count, dtype=np.float64) * step, len(used)),
            "key": np.repeat(np.array(keys, dtype=object)[used], count),
            "value": table[used].ravel() / step,
        }
    )


def _measured(rows: pd.DataFrame, places: Floats, count: int, step_s: float) -> dict[str, Floats]:
    """Name of a figure -> its value in each of `count` places, NaN where there is nothing to measure."""
    what, key = rows["what"].cat.codes.to_numpy(), rows["key"].cat.codes.to_numpy()
    codes = {name: code for code, name in enumerate(rows["key"].cat.categories)}
    n, amount = rows["n"].to_numpy(dtype=np.float64), rows["amount"].to_numpy(dtype=np.float64)
    bins = rows["bin"].to_numpy(dtype=np.int64)
    inside = (places >= 0) & (places < count)

    def total(of: str, keys: tuple[str, ...] = (), values: Floats = n) -> Floats:
        chosen = inside & (what == _CODE[of])
        if keys:
            chosen &= np.isin(key, [codes.get(name, NO_CODE) for name in keys])
        return np.bincount(places[chosen], weights=values[chosen], minlength=count)

    def percentiles(of: str, *shares: float) -> list[Floats]:
        chosen = inside & (what == _CODE[of])
        return _percentiles(places[chosen], bins[chosen], n[chosen], count, shares)

    requests = total("answer")
    answered = total("answer", ANSWERED)
    spent = total("answer", values=amount)
    p50, p95, p99 = percentiles("duration", 0.50, 0.95, 0.99)
    (first_token,) = percentiles("first_token", 0.50)
    return {
        "requests": requests,
        "request_rate": requests / step_s,
        "success": _share(answered, answered + total("answer", UNANSWERED)),
        "degraded": _share(total("degraded"), answered),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "first_token_p50_ms": first_token,
        "usd_per_min": np.where(requests > 0, spent / NANO_USD * 60 / step_s, np.nan),
        "hit_rate": _share(total("answer", ("cache",)), answered),
        "amplification": _share(total("asked_call"), requests),
    }


def _share(part: Floats, whole: Floats) -> Floats:
    shares: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return shares


def _percentiles(places: Floats, bins: Floats, n: Floats, count: int, shares: tuple[float, ...]) -> list[Floats]:
    """For each share, in each place, the ms that so many do not exceed: the middle of the bin that reaches them."""
    if not len(bins):
        return [np.full(count, np.nan) for _ in shares]
    lowest, wide = int(bins.min()), int(bins.max() - bins.min()) + 1
    counted = np.bincount(places * wide + bins - lowest, weights=n, minlength=count * wide).reshape(count, wide)
    reached = counted.cumsum(axis=1)
    totals = reached[:, -1:]
    found = []
    for share in shares:
        place = (reached < share * totals).sum(axis=1)
        ms = np.exp((lowest + place + 0.5) / rollup.BINS_PER_E)
        found.append(np.where(totals[:, 0] > 0, ms, np.nan))
    return found
