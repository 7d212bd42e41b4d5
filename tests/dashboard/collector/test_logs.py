"""Log records become rows; their events are found in the field and in the attribute."""

from __future__ import annotations

import time

from tests.dashboard.collector.conftest import Written
from tests.dashboard.collector.making import INSTANCE, T, logs


def test_every_field_of_a_record_has_its_column(written: Written) -> None:
    written.take(
        logs(
            {
                "time_unix_nano": int(T * 1e9),
                "severity_number": 13,
                "event_name": "gauntlet.worker.started",
                "body": "hello",
                "trace_id": bytes(15) + b"\x01",
                "span_id": bytes(7) + b"\x02",
                "attributes": {"pid": 7},
            }
        )
    )
    (row,) = written.sql("SELECT * FROM log_records")
    assert row.pop("time").timestamp  # a time
    assert row == {
        "severity": "WARN",
        "event": "gauntlet.worker.started",
        "body": "hello",
        "trace_id": "00000000000000000000000000000001",
        "span_id": "0000000000000002",
        "service": "gauntlet",
        "instance": INSTANCE,
        "attributes": {"pid": 7},
    }


def test_a_record_without_time_is_of_when_it_was_observed_or_of_now(written: Written) -> None:
    written.take(logs({"time_unix_nano": 0, "observed_time_unix_nano": 5_000_000_000}, {"time_unix_nano": 0}))
    rows = written.sql("SELECT epoch(time) AS t FROM log_records ORDER BY t")
    assert rows[0] == {"t": 5.0}
    assert abs(rows[1]["t"] - time.time()) < 60


def test_the_event_may_be_an_attribute_and_the_body_anything(written: Written) -> None:
    written.take(logs({"attributes": {"event.name": "old"}, "body": {"a": [1]}, "severity_text": "Notice"}))
    (row,) = written.sql("SELECT event, body, severity FROM log_records")
    assert row == {"event": "old", "body": '{"a":[1]}', "severity": "Notice"}


def test_the_breakers_changes_have_a_view(written: Written) -> None:
    change = {"provider": "openai", "state": "open", "before": "closed", "failures": 5}
    written.take(
        logs(
            {"event_name": "gauntlet.breaker", "attributes": change}, {"event_name": "gauntlet.breaker"}, {"body": "x"}
        )
    )
    rows = written.sql("SELECT * EXCLUDE (time) FROM breaker_events ORDER BY provider")
    nothing = dict.fromkeys(change)
    assert rows == [{"instance": INSTANCE, **change}, {"instance": INSTANCE, **nothing}]
