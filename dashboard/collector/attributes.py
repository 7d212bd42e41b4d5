"""Attributes as JSON, from the bytes of each; what was seen before is remembered. Read `values.py` next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from orjson import dumps

from .values import plain

MOST_REMEMBERED = 20_000
LARGEST_REMEMBERED = 200
"""Bytes; what is larger will hardly come again."""

INPUT = "gauntlet.input."
"""What a stage's decision was made from: this and the input's own name."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: `member` is its part of a JSON object, `input` the same under the name of a stage's input."""

    name: str
    value: Any
    member: bytes
    input: bytes | None


_remembered: dict[bytes, Attribute] = {}
_known = _remembered.get


def read(raws: Iterable[bytes]) -> list[Attribute]:
    """The attributes in these bytes, one of each. Raises DecodeError."""
    return [_known(raw) or _learn(raw) for raw in raws]


def _learn(raw: bytes) -> Attribute:
    pair = KeyValue.FromString(raw)
    name, value = pair.key, plain(pair.value)
    encoded = dumps(value)
    stage_input = dumps(name[len(INPUT) :]) + b":" + encoded if name.startswith(INPUT) else None
    learnt = Attribute(name, value, dumps(name) + b":" + encoded, stage_input)
    if len(raw) <= LARGEST_REMEMBERED:
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[raw] = learnt
    return learnt


def as_json(raws: Iterable[bytes]) -> bytes:
    """The JSON object of all of them."""
    return json_object([attribute.member for attribute in read(raws)])


def json_object(members: Iterable[bytes]) -> bytes:
    """The JSON object with these members."""
    return b"{" + b",".join(members) + b"}"
