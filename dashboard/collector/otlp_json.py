"""OTLP's JSON: protobuf's JSON mapping, except that ids are hex. Read `otlp.py` next, which uses it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
from google.protobuf import json_format  # type: ignore[import-untyped]

IDS = frozenset({"traceId", "spanId", "parentSpanId"})
"""Members that are bytes in hex, wherever they stand; every other bytes value is base64."""


def to_protobuf(body: bytes, message: Any) -> bytes:
    """The bytes of the message that the JSON stands for; `message` is an empty one of its class.

    Raises ValueError or TypeError with what is wrong: no JSON, or a member of another type.
    """
    document = orjson.loads(body)
    if not isinstance(document, dict):
        raise TypeError("expected a JSON object")
    _ids_to_base64(document)
    try:
        json_format.ParseDict(document, message, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
    encoded: bytes = message.SerializeToString()
    return encoded


def _ids_to_base64(document: Any) -> None:
    """Rewrite the ids in place; with a stack of its own, because a sender decides how deep it goes."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            for name, member in value.items():
                if name in IDS and isinstance(member, str):
                    value[name] = b64encode(_unhex(name, member)).decode()
                else:
                    waiting.append(member)


def _unhex(name: str, given: str) -> bytes:
    try:
        return bytes.fromhex(given)
    except ValueError:
        raise ValueError(f"{name} is {given[:40]!r}; expected hex digits") from None
