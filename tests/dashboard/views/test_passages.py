"""A path as rows of tiles."""

from typing import Any

from dashboard.views.passages import STAGES, Row, State, calls_in, limited_rows, rows_of
from dashboard.views.stage_row import rows_html

Decision = tuple[str, str, dict[str, Any]]


def path(*decisions: Decision) -> list[dict[str, Any]]:
    """Each decision 10 ms after the one before."""
    return [
        {"stage": stage, "decision": decision, "inputs": inputs, "t_ms": 10.0 * at, "duration_ms": 10.0}
        for at, (stage, decision, inputs) in enumerate(decisions, 1)
    ]


def shape(rows: list[Row]) -> list[list[tuple[str, State]]]:
    return [[(stage, tile.state) for stage, tile in row.tiles.items()] for row in rows]


IN: list[Decision] = [("cache", "miss", {}), ("rate_limit", "allowed", {}), ("fallback", "rung", {"rung": 0})]
GOES: list[Decision] = [("breaker", "closed", {}), ("bulkhead", "held", {})]
OUTAGE = path(
    *IN,
    ("retry", "attempt", {"attempt": 1, "of": 2}),
    *GOES,
    ("call", "unavailable", {"duration_ms": 4.0}),
    ("retry", "wait", {"wait_s": 0.01, "jitter_of_s": 0.2}),
    ("retry", "attempt", {"attempt": 2, "of": 2}),
    *GOES,
    ("call", "unavailable", {"duration_ms": 5.0}),
    ("retry", "attempts_used", {}),
    ("fallback", "failed", {}),
    ("fallback", "rung", {"rung": 1}),
    ("retry", "attempt", {"attempt": 1, "of": 2}),
    *GOES,
    ("call", "ok", {"duration_ms": 6.0}),
    ("cache", "not_stored", {}),
)


def test_nothing_told_is_one_empty_row() -> None:
    assert shape(rows_of([])) == [[]]


def test_a_call_at_once_is_one_row_through_all_stages() -> None:
    rows = rows_of(path(*IN, ("retry", "attempt", {}), *GOES, ("call", "ok", {}), ("cache", "store", {})))
    assert [list(row.tiles) for row in rows] == [list(STAGES)]
    states = [tile.state for tile in rows[0].tiles.values()]
    assert states == [State.PASSED] * 6 + [State.ANSWERED]


def test_an_attempt_and_a_rung_each_begin_a_row_where_the_request_came_back_to() -> None:
    inner = [("breaker", State.PASSED), ("bulkhead", State.PASSED)]
    assert shape(rows_of(OUTAGE)) == [
        [
            ("cache", State.PASSED),
            ("rate_limit", State.PASSED),
            ("fallback", State.FAILED),
            ("retry", State.WAITED),
            *inner,
            ("call", State.FAILED),
        ],
        [("retry", State.STOPPED), *inner, ("call", State.FAILED)],
        [("fallback", State.PASSED), ("retry", State.PASSED), *inner, ("call", State.ANSWERED)],
    ]
    assert [row.title for row in rows_of(OUTAGE)] == ["", "The same rung, attempt 2", "The next rung"]
    assert calls_in(OUTAGE) == 3


def test_the_time_of_a_wait_is_in_the_tile_that_decided_to_wait() -> None:
    first, second, _ = rows_of(OUTAGE)
    assert first.tiles["retry"].took_ms == 10 + 10 + 10
    assert second.tiles["retry"].took_ms == 0 + 10


def test_a_call_has_the_time_of_its_own_clock() -> None:
    assert [row.tiles["call"].took_ms for row in rows_of(OUTAGE)] == [4, 5, 6]


def test_a_hit_answers_at_the_cache_and_the_rest_is_not_reached() -> None:
    rows = rows_of(path(("cache", "hit", {"age_s": 3})))
    assert shape(rows) == [[("cache", State.ANSWERED)]]
    assert rows_html(rows, ended=True).count("not reached") == len(STAGES) - 1


def test_a_skipped_rung_is_in_the_tile_of_the_one_that_is_tried() -> None:
    rows = rows_of(path(("fallback", "skip", {"rung": 0}), ("fallback", "rung", {"rung": 1})))
    assert [line.decision for line in rows[0].tiles["fallback"].lines] == ["skip", "rung"]


def test_the_end_of_the_ladder_is_a_row_of_its_own() -> None:
    refused = [("breaker", "open", {"probe_in_s": 3}), ("fallback", "failed", {}), ("fallback", "message", {})]
    rows = rows_of(path(*IN, *refused))
    assert shape(rows)[1:] == [[("fallback", State.STOPPED)]]
    assert rows[1].title == "No provider is left"


def test_stages_that_are_switched_off_say_so_on_each_rung() -> None:
    off: list[Decision] = [("retry", "off", {}), ("breaker", "off", {}), ("bulkhead", "off", {})]
    failed = [("call", "unavailable", {}), ("fallback", "failed", {}), ("fallback", "rung", {"rung": 1})]
    rows = rows_of(path(*IN, *off, *failed, *off, ("call", "ok", {})))
    assert [tile.state for tile in rows[1].tiles.values()] == [State.PASSED, *[State.OFF] * 3, State.ANSWERED]


def test_other_orders_of_the_stages_make_rows_too() -> None:
    """Breaker outside retry: an attempt begins at retry."""
    rows = rows_of(
        path(
            ("breaker", "closed", {}),
            ("retry", "attempt", {"attempt": 1}),
            ("call", "timeout", {}),
            ("retry", "wait", {}),
            ("retry", "attempt", {"attempt": 2}),
            ("call", "ok", {}),
        )
    )
    assert [list(row.tiles) for row in rows] == [["breaker", "retry", "call"], ["retry", "call"]]


def test_a_decision_that_nobody_knows_is_shown_all_the_same() -> None:
    assert "hedged" in rows_html(rows_of(path(("retry", "hedged", {}))), ended=True)


def test_a_refusal_by_the_limiter_says_its_words_and_what_it_does_not_tell() -> None:
    html = rows_html(limited_rows("the user bucket is empty"), ended=True)
    assert "the user bucket is empty" in html
    assert html.count("not told") == 1
    assert html.count("stopped here") == 1


def test_the_stage_that_must_be_at_work_is_under_way_until_the_end() -> None:
    told = rows_of(path(*IN, ("retry", "attempt", {}), *GOES))
    assert "under way" in rows_html(told, ended=False)
    assert "under way" not in rows_html(told, ended=True)


def test_words_from_outside_cannot_be_markup() -> None:
    html = rows_html(limited_rows("<img src=x>"), ended=True)
    assert "<img" not in html
    assert "&lt;img" in html
