"""Figures and series from rows whose sums are known."""

import math

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from dashboard.feed import rollup
from dashboard.feed.figures import answers, call_counts, calls, figures, series, step_s
from dashboard.feed.picture import Change, Mark, Picture

BEGIN = 1_000_000_000


def picture(*rows: tuple[int, str, str, int, int, float], width_s: int = 10, told_until: float = math.inf) -> Picture:
    table = pd.DataFrame(rows, columns=list(rollup.COLUMNS)).assign(second=lambda t: t["second"] + BEGIN)
    return Picture(BEGIN, BEGIN + width_s, rollup.typed(table), told_until=told_until)


def bin_of(ms: float) -> int:
    return math.floor(math.log(ms) * rollup.BINS_PER_E)


BUSY = (
    (0, "answer", "live", 0, 6, 3_000_000_000.0),
    (0, "answer", "cache", 0, 2, 0.0),
    (1, "answer", "provider", 0, 1, 1_000_000_000.0),
    (1, "answer", "message", 0, 1, 0.0),
    (1, "answer", "rejected", 0, 5, 0.0),
    (1, "degraded", "", 0, 1, 0.0),
    (0, "duration", "", bin_of(100), 8, 0.0),
    (1, "duration", "", bin_of(1000), 2, 0.0),
    (0, "first_token", "", bin_of(40), 3, 0.0),
    (0, "asked_call", "", 0, 6, 0.0),
    (1, "asked_call", "", 0, 6, 0.0),
    (0, "call", "anthropic|ok", 0, 6, 0.0),
    (1, "call", "anthropic|failed", 0, 5, 0.0),
    (1, "call", "openai|ok", 0, 1, 0.0),
)


def test_the_figures_of_a_span() -> None:
    shown = figures(picture(*BUSY))
    assert shown.requests == 15
    assert shown.request_rate == 1.5
    assert shown.success == 9 / 10  # the rejected are not judged
    assert shown.degraded == 1 / 9
    assert shown.hit_rate == 2 / 9
    assert shown.amplification == 12 / 15
    assert shown.usd_per_min == pytest.approx(4 * 6)  # 4 USD in 10 s
    assert shown.p50_ms == pytest.approx(100, rel=0.026)
    assert shown.p99_ms == pytest.approx(1000, rel=0.026)
    assert shown.first_token_p50_ms == pytest.approx(40, rel=0.026)


def test_nothing_to_measure_is_not_zero() -> None:
    shown = figures(picture())
    assert shown.requests == 0
    assert shown.request_rate == 0
    assert (shown.success, shown.p50_ms, shown.usd_per_min, shown.hit_rate, shown.amplification) == (None,) * 5


def test_refusals_alone_are_no_failure_of_the_service() -> None:
    assert figures(picture((0, "answer", "rejected", 0, 3, 0.0))).success is None


def test_a_series_has_every_step_and_knows_where_nothing_was() -> None:
    table = series(picture(*BUSY), step=1)
    assert list(table["t"] - BEGIN) == list(range(10))
    assert list(table["rate"][:3]) == [8, 7, 0]
    assert table["success"][0] == 1
    assert table["success"][1] == 0.5
    assert np.isnan(table["success"][2])
    assert table["p95_ms"][1] == pytest.approx(1000, rel=0.026)
    assert table["usd_per_min"][0] == pytest.approx(180)


def test_the_sums_of_a_series_are_those_of_the_span() -> None:
    whole = picture(*BUSY)
    for step in (1, 2, 5):
        assert series(whole, step)["rate"].sum() * step == figures(whole).requests


def test_steps_lie_where_they_lie_whenever_one_looks() -> None:
    moved = Picture(BEGIN + 1, BEGIN + 11, picture(*BUSY).rows)
    assert list(series(moved, step=5)["t"] - BEGIN) == [5]


def test_what_is_not_told_yet_is_no_dip() -> None:
    table = series(picture(*BUSY, told_until=BEGIN + 2), step=1)
    assert list(table["rate"]) == [8, 7]


def test_answers_and_calls_by_key_with_zeros_between() -> None:
    table = answers(picture(*BUSY), step=1)
    assert set(table["key"]) == {"live", "cache", "provider", "message", "rejected"}
    assert list(table[table["key"] == "provider"]["value"]) == [0, 1, *[0] * 8]
    assert calls(picture(*BUSY), step=2)["value"].sum() * 2 == 12
    assert len(answers(picture())) == 0


def test_calls_are_counted_by_target_and_ending() -> None:
    assert call_counts(picture(*BUSY)) == {"anthropic": {"ok": 6, "failed": 5}, "openai": {"ok": 1}}


def test_joined_rows_keep_their_keys() -> None:
    one, other = picture((0, "answer", "live", 0, 1, 0.0)).rows, picture((1, "answer", "stale", 0, 2, 0.0)).rows
    both = rollup.joined(one, other)
    assert dict(zip(both["key"], both["n"], strict=True)) == {"live": 1, "stale": 2}
    assert both["what"].dtype == rollup.WHAT
    assert len(rollup.joined(rollup.empty(), one)) == len(rollup.joined(one, rollup.empty())) == 1


def test_a_wider_span_has_wider_steps() -> None:
    assert [step_s(width) for width in (60, 180, 300, 900, 10_000)] == [1, 1, 2, 5, 60]


def test_a_cut_keeps_what_holds_in_it() -> None:
    whole = Picture(
        0,
        100,
        picture().rows,
        marks=[Mark(10, "− cache"), Mark(60, "+ cache")],
        changes=[Change(5, "openai", "open", 5)],
    )
    part = whole.cut(50, 100)
    assert [mark.label for mark in part.marks] == ["+ cache"]
    assert [change.state for change in part.changes] == ["open"]
