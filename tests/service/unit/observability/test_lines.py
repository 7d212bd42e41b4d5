"""Lines on standard error: in order, and nobody waits for a reader that does not read."""

import os
import time

import pytest

from service.observability import lines as module
from service.observability.lines import Lines
from tests.waiting import wait_for


def test_lines_come_out_in_order_and_flush_waits_for_them() -> None:
    reader, writer = os.pipe()
    lines = Lines(writer)
    for number in range(1000):
        lines.put(b"%d" % number)
    lines.flush(5)
    assert os.read(reader, 65_536).splitlines() == [b"%d" % number for number in range(1000)]
    os.close(reader)
    os.close(writer)


def test_a_reader_that_does_not_read_costs_nobody_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 50)
    reader, writer = os.pipe()
    lines = Lines(writer)
    lines.put(b"x" * 200_000)  # more than a pipe holds
    begun_s = time.monotonic()
    wait_for(lambda: not lines._lines, "the thread to be stuck")
    for _ in range(80):
        lines.put(b"y")
    assert lines.dropped == 30
    lines.flush(0.1)
    assert time.monotonic() - begun_s < 5
    read = b""
    while read.count(b"\n") < 51:
        read += os.read(reader, 65_536)
    assert read.endswith(b"y\n" * 50), "what was kept comes out once somebody reads"
    os.close(reader)


def test_a_reader_that_is_gone_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    lines = Lines(writer)
    lines.put(b"x")
    lines.flush(5)
    lines.put(b"y")
    lines.flush(5)
    os.close(writer)
