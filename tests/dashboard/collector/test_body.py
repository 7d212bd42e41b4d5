"""Bodies are read and inflated within bounds."""

from __future__ import annotations

import gzip
import zlib

import pytest

from dashboard.collector import body
from dashboard.collector.answers import ProblemError

SENT = b"telemetry " * 1000


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", SENT),
        ("identity", SENT),
        ("gzip", gzip.compress(SENT, mtime=0)),
        ("gzip", gzip.compress(SENT[:100], mtime=0) + gzip.compress(SENT[100:], mtime=0)),
        ("deflate", zlib.compress(SENT)),
        ("gzip", gzip.compress(b"", mtime=0)),
    ],
)
def test_what_was_packed_is_unpacked(encoding: str, packed: bytes) -> None:
    assert body.inflate(packed, encoding, len(SENT)) in (SENT, b"")


@pytest.mark.parametrize(
    "packed", [b"no gzip", gzip.compress(SENT, mtime=0)[:-20], gzip.compress(SENT, mtime=0) + b"more"]
)
def test_what_is_no_gzip_is_refused(packed: bytes) -> None:
    with pytest.raises(ProblemError, match="the body is not gzip") as refused:
        body.inflate(packed, "gzip", len(SENT))
    assert refused.value.status == 400


@pytest.mark.parametrize("members", [1, 1000])
def test_a_bomb_is_refused_before_it_is_large(members: int) -> None:
    bomb = gzip.compress(bytes(64_000_000 // members)) * members
    with pytest.raises(ProblemError, match="more than 1 MiB") as refused:
        body.inflate(bomb, "gzip", 1024 * 1024)
    assert refused.value.status == 413


def test_another_encoding_is_refused_with_those_that_are_taken() -> None:
    with pytest.raises(ProblemError, match="gzip, deflate, identity") as refused:
        body.inflate(SENT, "zstd", len(SENT))
    assert refused.value.status == 415
