"""The OTLP endpoints as senders meet them: both encodings, partial success, refusals in the sender's own encoding."""

from __future__ import annotations

import gzip
import http.client
import json
import time
import uuid
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.collector import Collector
from tests.dashboard.collector.making import logs, metrics, record, told, traces
from tests.dashboard.collector.sending import PROTOBUF, path_of, post, send, status_in
from tests.waiting import wait_for

JSON = "application/json"


def named(name: str) -> Any:
    return traces({"name": name})


def arrived(collector: Collector, name: str, rows: int = 1) -> None:
    query = f"SELECT count(*) AS n FROM spans WHERE name = '{name}'"
    wait_for(lambda: collector.sql(query) == [{"n": rows}], f"{rows} of {name}", within_s=15)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)]
)
def test_protobuf_is_taken_plain_and_packed(
    collector: Collector, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    name = f"packed-{encoding}"
    body = pack(named(name).SerializeToString())
    status, answer, headers = post(collector, "/v1/traces", body, content_encoding=encoding)
    assert (status, answer, headers["content-type"]) == (200, b"", PROTOBUF)
    arrived(collector, name)


def test_json_is_taken_with_hex_ids_and_answered_in_json(collector: Collector) -> None:
    trace_id, name = uuid.uuid4().hex, f"json-{uuid.uuid4().hex}"
    now_ns = time.time_ns()
    span = {
        "traceId": trace_id.upper(),
        "spanId": "00f067aa0ba902b7",
        "parentSpanId": "",
        "name": name,
        "kind": "SPAN_KIND_SERVER",
        "startTimeUnixNano": str(now_ns),
        "endTimeUnixNano": now_ns + 1_000_000,
        "attributes": [
            {"key": "n", "value": {"intValue": "7"}},
            {
                "key": "ids",
                "value": {"kvlistValue": {"values": [{"key": "traceId", "value": {"stringValue": "no hex"}}]}},
            },
            {"key": "raw", "value": {"bytesValue": "AAE="}},
        ],
        "links": [{"traceId": trace_id, "spanId": "00f067aa0ba902b8"}],
        "status": {"code": 2},
        "newerThanThis": {"a": [1]},
    }
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span], "alsoNew": 1}]}]}
    status, answer, headers = post(collector, "/v1/traces", json.dumps(document).encode(), f"{JSON}; charset=utf-8")
    assert (status, json.loads(answer), headers["content-type"]) == (200, {}, JSON)
    arrived(collector, name)
    (row,) = collector.sql(f"SELECT * FROM spans WHERE name = '{name}'")
    assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (trace_id, "00f067aa0ba902b7", None)
    assert (row["kind"], row["status"], row["duration_ms"]) == ("server", "error", 1.0)
    assert row["attributes"] == {"n": 7, "ids": {"traceId": "no hex"}, "raw": "AAE="}
    assert row["links"] == [{"trace_id": trace_id, "span_id": "00f067aa0ba902b8"}]


def test_unknown_fields_of_protobuf_are_passed_over(collector: Collector) -> None:
    newer = b"\xc2\x3e\x03new"  # field 1000, three bytes
    assert post(collector, "/v1/traces", named("with-new-fields").SerializeToString() + newer)[0] == 200
    arrived(collector, "with-new-fields")


def test_an_empty_export_is_fine(collector: Collector) -> None:
    assert post(collector, "/v1/traces", b"")[0] == 200
    assert post(collector, "/v1/metrics", b"{}", JSON)[0] == 200


def test_what_cannot_be_taken_is_counted_and_the_rest_is_taken(collector: Collector) -> None:
    message = traces({"name": "beside-a-bad-one"}, {"trace_id": b"short"})
    status, answer, _ = post(collector, "/v1/traces", message.SerializeToString())
    partial = MessageToDict(ExportTraceServiceResponse.FromString(answer))["partialSuccess"]
    assert status == 200
    assert partial["rejectedSpans"] == "1"
    assert "trace_id is '73686f7274'; expected 16 bytes" in partial["errorMessage"]
    arrived(collector, "beside-a-bad-one")
    data, found = metrics()
    found.add(name="empty")
    status, answer, _ = post(collector, "/v1/metrics", json.dumps(MessageToDict(data)).encode(), JSON)
    assert json.loads(answer)["partialSuccess"]["rejectedDataPoints"] == "1"


WHOLE = named("whole").SerializeToString()
DEEP = b'{"resourceSpans":' + b'[{"a":' * 600 + b"1" + b"}]" * 600 + b"}"


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (WHOLE[:-3], PROTOBUF),
        (b"\xff\xff\xff\xff", PROTOBUF),
        (b"{", JSON),
        (b"[]", JSON),
        (b'{"resourceSpans": 3, "resourceLogs": 3, "resourceMetrics": 3}', JSON),
        (b'{"resourceSpans": "\xff"}', JSON),
        (DEEP + b"]", JSON),
        (b"[" * 100_000, JSON),
    ],
)
def test_what_is_malformed_is_refused_in_its_own_encoding(
    collector: Collector, path: str, body: bytes, content_type: str
) -> None:
    status, answer, headers = post(collector, path, body, content_type)
    assert (status, headers["content-type"]) == (400, content_type)
    told_status = status_in(answer) if content_type == PROTOBUF else json.loads(answer)
    assert told_status["code"] == 3
    assert "the body is no Export" in told_status["message"]


@pytest.mark.parametrize("field", ["name", "attribute", "value"])
def test_text_that_is_no_utf_8_is_refused(collector: Collector, field: str) -> None:
    message = traces({"name": "NAME", "attributes": {"ATTRIBUTE": "VALUE"}})
    body = message.SerializeToString().replace(field.upper().encode(), b"\xff" * len(field))
    assert post(collector, "/v1/traces", body)[0] == 400


def test_ids_that_are_no_hex_are_refused(collector: Collector) -> None:
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}'
    status, answer, _ = post(collector, "/v1/traces", body, JSON)
    assert status == 400
    assert "traceId is 'xyz'; expected hex digits" in json.loads(answer)["message"]


def test_other_types_encodings_sizes_methods_and_paths_are_refused(collector: Collector) -> None:
    status, answer, _ = post(collector, "/v1/traces", WHOLE, "text/plain")
    assert (status, json.loads(answer)["message"]) == (
        415,
        "content-type is 'text/plain'; expected application/x-protobuf or application/json",
    )
    status, answer, headers = post(collector, "/v1/traces", WHOLE, content_encoding="zstd")
    assert (status, headers["accept-encoding"]) == (415, "gzip, deflate, identity")
    assert "zstd" in status_in(answer)["message"]
    status, answer, _ = post(collector, "/v1/logs", gzip.compress(bytes(80_000_000)), content_encoding="gzip")
    assert (status, status_in(answer)["message"]) == (413, "the body has more than 64 MiB; send smaller batches")
    status, answer = collector.get("/v1/traces")
    assert (status, answer["detail"]) == (405, "/v1/traces takes POST")
    status, answer = collector.post("/v1/trace", {})
    assert status == 404
    assert "/v1/traces, /v1/metrics, /v1/logs, /sql" in answer["detail"]


def test_a_body_that_says_that_it_is_too_large_is_refused_before_it_is_sent(collector: Collector) -> None:
    connection = http.client.HTTPConnection(collector.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/v1/traces")
    connection.putheader("content-type", PROTOBUF)
    connection.putheader("content-length", str(10**9))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_large_export_is_taken_whole(collector: Collector) -> None:
    message = traces(*({"name": "one-of-many", "attributes": {"text": "x" * 100}} for _ in range(8000)))
    assert len(message.SerializeToString()) > 2**20
    assert send(collector, message) == 200
    arrived(collector, "one-of-many", 8000)


def test_an_export_that_comes_again_counts_once(collector: Collector) -> None:
    given = record()
    for message in (named("again"), told(given)):
        body = message.SerializeToString()
        for packed in (body, gzip.compress(body)):
            encoding = "gzip" if packed is not body else ""
            assert post(collector, path_of(message), packed, content_encoding=encoding)[0] == 200
    last = logs({"event_name": "after-again"})
    assert send(collector, last) == 200
    wait_for(lambda: bool(collector.sql("SELECT 1 FROM log_records WHERE event = 'after-again'")), "the last one")
    arrived(collector, "again")
    query = f"SELECT count(*) AS n FROM attempts WHERE request_id = '{given['request_id']}'"
    assert collector.sql(query) == [{"n": 1}]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4318", "127.0.0.1.evil.example", "", "collector"])
def test_a_name_that_is_not_ours_is_refused_whatever_it_points_to(collector: Collector, host: str) -> None:
    status, answer = collector.request("GET", "/status", headers={"Host": host})
    assert (status, answer["status"]) == (403, 403)
    assert post(collector, "/v1/traces", WHOLE, host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4318", "127.0.0.1", "127.0.0.2:1", "[::1]:4318"])
def test_loopback_by_any_name_is_ours(collector: Collector, host: str) -> None:
    assert collector.request("GET", "/health", headers={"Host": host})[0] == 200


def test_a_page_of_another_site_is_refused_and_is_told_of_no_permission(collector: Collector) -> None:
    for origin, status in (("http://evil.example", 403), ("null", 403), (collector.url, 200)):
        assert collector.request("GET", "/health", headers={"Origin": origin})[0] == status
    preflight = {"Origin": collector.url, "Access-Control-Request-Method": "POST"}
    assert collector.request("OPTIONS", "/sql", headers=preflight)[0] == 405


def test_bound_to_all_addresses_a_containers_name_is_ours_and_a_domain_is_not(
    start_collector: Callable[..., Collector],
) -> None:
    everywhere = start_collector("--host", "0.0.0.0")  # noqa: S104 - as in a container
    everywhere.url = everywhere.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    for host, status in (("collector:4318", 200), ("10.0.0.7:4318", 200), ("evil.example", 403)):
        assert collector_status(everywhere, host) == status


def collector_status(collector: Collector, host: str) -> int:
    return collector.request("GET", "/health", headers={"Host": host})[0]
