"""From rows to what is drawn: shapes are tested here, and that each picture is one that Vega-Lite takes and draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pytest

from dashboard.look import palette
from notebooks.pictures import (
    breaker_strip,
    bucket_levels,
    histogram,
    look,
    rendering,
    sources_over_time,
    stream_lanes,
    swim_lanes,
    waterfall,
)
from notebooks.pictures.bands import windows
from notebooks.pictures.breaker_strip import STATES, spells
from notebooks.pictures.histogram import bins
from notebooks.pictures.sources_over_time import SOURCES, counted
from notebooks.pictures.stream_lanes import TAKEN_BACK, marks
from notebooks.pictures.waterfall import INDENT, KINDS, NOT_TRIMMED, steps

FAULTS = [{"target": "anthropic", "what": "status 503", "began_s": 102.0, "ended_s": None}]
EVENTS = [
    {"provider": "anthropic", "state": "open", "t": 103.0},
    {"provider": "anthropic", "state": "open", "t": 103.1},  # the other worker tells of it, too
    {"provider": "anthropic", "state": "half_open", "t": 105.0},
    {"provider": "anthropic", "state": "closed", "t": 106.0},
]


def span(name: str, t_ms: float, length_ms: float, parent: str | None = None, **more: Any) -> dict[str, Any]:
    attributes = more.pop("attributes", {})
    if more.pop("stage", parent is not None):
        attributes = {"gauntlet.stage": name, **attributes}
    return {
        "span_id": name,
        "parent_span_id": parent,
        "name": name,
        "kind": "internal",
        "status": "unset",
        "start_time": f"2026-01-01T00:00:00.{round(t_ms * 1000):06d}Z",
        "duration_ms": length_ms,
        "attributes": attributes,
        "events": [],
        **more,
    }


WAIT = {"name": "wait", "t_ms": 12.0, "attributes": {"wait_s": 0.1}}
CALL = {"gauntlet.attempt.status": "unavailable", "http.response.status_code": 503}
SPANS = [
    span("call", 2, 8, "retry", stage=False, kind="client", status="error", attributes=CALL),
    span("POST /chat", 0, 200),
    span("retry", 1, 150, "POST /chat", events=[{"name": "attempt", "t_ms": 0.1, "attributes": {}}, WAIT]),
]


def test_a_waterfall_has_parents_before_children_and_waits_as_bars() -> None:
    found = steps(SPANS)
    rows = found.drop_duplicates("row")
    assert [name.removeprefix(NOT_TRIMMED) for name in rows["name"]] == [
        "POST /chat",
        INDENT + "retry",
        INDENT * 2 + "call",
    ]
    assert list(found["kind"]) == ["request", "stage", "decision", "wait", "failed call"]
    wait = found[found["kind"] == "wait"].iloc[0]
    assert (wait["row"], wait["began_ms"], wait["ended_ms"], wait["words"]) == (1, 13.0, 113.0, "wait 100 ms")
    assert found.iloc[-1]["words"] == "unavailable 503 in 8 ms"


def test_a_span_whose_parent_is_missing_stands_by_itself() -> None:
    assert list(steps([SPANS[0]])["row"]) == [0]


def test_a_trace_that_was_not_kept_is_said_to_be_missing() -> None:
    with pytest.raises(ValueError, match="was not kept"):
        waterfall({"spans": [], "request": None})


def test_changes_that_two_workers_tell_of_are_one_spell() -> None:
    found = spells(EVENTS, 100.0, 110.0, ["anthropic", "openai"])
    assert found.to_dict("split")["data"] == [
        ["anthropic", "closed", 0.0, 3.0],
        ["anthropic", "open", 3.0, 5.0],
        ["anthropic", "half-open", 5.0, 6.0],
        ["anthropic", "closed", 6.0, 10.0],
        ["openai", "closed", 0.0, 10.0],
    ]


def test_a_change_before_the_picture_is_the_state_at_its_beginning() -> None:
    found = spells(EVENTS, 104.0, 104.5, ["anthropic"])
    assert found.to_dict("split")["data"] == [["anthropic", "open", 0.0, 0.5]]


def test_without_a_change_a_circuit_was_closed() -> None:
    assert spells([], 100.0, 110.0, ["openai"]).to_dict("split")["data"] == [["openai", "closed", 0.0, 10.0]]


def test_a_strip_explains_what_is_drawn_and_nothing_else() -> None:
    bare = breaker_strip(EVENTS, began_s=100.0, until_s=110.0).to_dict()["title"]["subtitle"]
    full = breaker_strip(EVENTS, began_s=100.0, until_s=110.0, faults=FAULTS, calls=[]).to_dict()["title"]["subtitle"]
    assert bare == "bar: state of the circuit"
    assert full == "bar: state of the circuit; red band: the fault; tick: a call that arrived"


def test_a_fault_that_is_still_at_work_ends_with_the_picture() -> None:
    found = windows(FAULTS, 100.0, 8.0)
    assert found[["began_s", "ended_s", "words"]].values.tolist() == [[2.0, 8.0, "anthropic: status 503"]]
    assert windows(FAULTS, 100.0, 1.0).empty
    assert windows(None, 100.0, 8.0).empty


def test_bins_are_the_same_for_all_labels_and_lose_nothing() -> None:
    rows = [{"w": value, "how": how} for how in ("a", "b") for value in (0.0, 0.5, 1.0)]
    found = bins(rows, "w", "how", 4)
    assert found[found["label"] == "a"][["low", "high", "n"]].values.tolist() == [
        [0.0, 0.25, 1],
        [0.5, 0.75, 1],
        [0.75, 1.0, 1],
    ]
    assert found["n"].sum() == 6
    assert bins([{"w": 3.0, "how": "a"}] * 5, "w", "how")["n"].tolist() == [5]


def test_bins_by_size_have_one_ratio() -> None:
    found = bins([{"w": value, "how": "a"} for value in (1.0, 10.0, 100.0)], "w", "how", 2, log=True)
    assert [round(edge, 6) for edge in found["low"]] == [1.0, 10.0]
    assert found["n"].tolist() == [1, 2]


def test_answers_are_counted_per_bin_and_who_got_none_too() -> None:
    rows = [
        {"began_s": 10.0, "source": "live", "status": 200},
        {"began_s": 10.9, "source": "live", "status": 200},
        {"began_s": 11.2, "source": "", "status": 429},
        {"began_s": 11.3, "source": "", "status": 0},
    ]
    found, zero = counted(rows, 1.0)
    assert zero == 10.0
    assert found.values.tolist() == [[0.0, "live", 2], [1.0, "failed", 1], [1.0, "refused", 1]]


def test_what_came_before_the_last_restart_of_a_stream_was_taken_back() -> None:
    events = ["stage", "delta", "restart", "delta", "restart", "delta", "done"]
    found = marks(
        {"a": [{"t_ms": n, "event": name} for n, name in enumerate(events)], "b": [{"t_ms": 1, "event": "error"}]}
    )
    kinds = [TAKEN_BACK, "restart", TAKEN_BACK, "restart", "delta", "done", "error"]
    assert found["kind"].tolist() == kinds
    assert found["t_ms"].tolist() == [1, 2, 3, 4, 5, 6, 1]


def test_words_get_the_room_that_they_need() -> None:
    words, ends = pd.Series(["short", "much longer than that"]), pd.Series([10.0, 100.0])
    until = look.room_for(words, ends)
    assert until > 100.0
    assert (until - 100.0) / until * look.WIDTH >= len(words[1]) * look.LETTER_PX


def test_colours_mean_the_same_as_on_the_dashboard() -> None:
    answers, circuits = palette.colours(palette.ANSWERS), palette.colours(palette.BREAKER)
    assert {name: SOURCES[name] for name in SOURCES.keys() & answers.keys()} == {
        name: answers[name] for name in SOURCES.keys() & answers.keys()
    }
    assert {state.replace("-", "_"): colour for state, colour in STATES.items()}.items() <= circuits.items()
    assert {kind: palette.STEPS[kind] for kind in KINDS if kind != "request"}.items() <= KINDS.items()


PICTURES: dict[str, Callable[[], Any]] = {
    "waterfall": lambda: waterfall({"spans": SPANS, "request": None}, "t"),
    "breaker_strip": lambda: breaker_strip(
        EVENTS,
        began_s=100.0,
        until_s=110.0,
        faults=FAULTS,
        calls=[{"t": 101.0, "target": "anthropic", "status": 503}],
        title="t",
    ),
    "histogram": lambda: histogram([{"w": 1.0, "how": "a"}], value="w", label="how", unit="s", title="t", log=True),
    "swim_lanes": lambda: swim_lanes([{"lane": "a", "what": "b", "began_s": 1.0, "ended_s": 2.0}], title="t"),
    "stream_lanes": lambda: stream_lanes({"a": [{"t_ms": 1.0, "event": "delta"}]}, title="t", words={"a": "b"}),
    "bucket_levels": lambda: bucket_levels(
        [{"t": 1.0, "bucket": "a", "level": 3}], refused=[{"t": 2.0}], capacity=20, title="t"
    ),
    "sources_over_time": lambda: sources_over_time(
        [{"began_s": 100.0, "source": "live", "status": 200}], faults=FAULTS, title="t"
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_is_shown_as_vega_lite_and_as_png(name: str) -> None:
    chart = PICTURES[name]()
    bundle, _ = chart._repr_mimebundle_()  # as a cell asks it; altair holds it against Vega-Lite's schema
    assert bundle[rendering.VEGALITE]["title"]["text"] == "t"
    assert rendering.png(bundle[rendering.VEGALITE]).startswith(b"\x89PNG")
    assert set(bundle) == {rendering.VEGALITE, rendering.PNG, "text/plain"}
