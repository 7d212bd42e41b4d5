"""OTLP's values as Python's and JSON's: attributes, ids and times. Read `spans.py` next, which is made of these."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

NO_LIST = b"[]"
"""The JSON of an empty list, which most are."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain(value: Any) -> Any:
    """An AnyValue as what JSON can hold: bytes as base64, an empty value as None."""
    kind = value.WhichOneof("value")
    if kind == "string_value":  # most are, so it is asked first
        return value.string_value
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return b64encode(value.bytes_value).decode()
    return None if kind is None else getattr(value, kind)


def attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """KeyValues as a dictionary; of a key that is there twice the last one counts."""
    return {pair.key: plain(pair.value) for pair in pairs}


def text(value: Any) -> str | None:
    """A value of any kind as text for a column: strings as they are, others as JSON."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def microseconds(nanoseconds: int) -> int | None:
    """Unix ns as the us of a timestamp column; 0 is OTLP's word for none."""
    return nanoseconds // 1000 or None


def iso(nanoseconds: int) -> str | None:
    """Unix ns as ISO 8601 in UTC, to the microsecond."""
    if not nanoseconds:
        return None
    return (EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat().replace("+00:00", "Z")


class Source:
    """Who sent: the columns `service` and `instance` of a resource."""

    __slots__ = ("instance", "service")

    def __init__(self, resource: Any) -> None:
        told = attributes(resource.attributes)
        self.service = text(told.get("service.name"))
        self.instance = text(told.get("service.instance.id"))
