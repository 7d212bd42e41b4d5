"""Sources: files, commands and URLs, what is missing to read them, and numbers in what was read."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from loadtests.audit.shape import Number, Source
from loadtests.audit.sources import MOST_LINES, Sources, Unreadable, number


@pytest.fixture
async def sources(tmp_path: Path) -> AsyncIterator[Sources]:
    async with aiohttp.ClientSession() as session:
        yield Sources(session, {"logs": str(tmp_path), "collector": ""})


async def test_of_files_only_the_lines_that_hold_the_value(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one x\ntwo y\n")
    (tmp_path / "b.log").write_text("three x\n")
    text = await sources.text(Source(files=("{logs}/*.log",)), "x")
    assert sorted(text.splitlines()) == ["one x", "three x"]
    with pytest.raises(Unreadable, match=r"no file matches .*\.txt"):
        await sources.text(Source(files=("{logs}/*.txt",)), "x")


async def test_of_a_command_what_it_prints(sources: Sources) -> None:
    command = (sys.executable, "-c", "import sys; print('found', sys.argv[1])", "{value}")
    assert await sources.text(Source(command=command), "x; y") == "found x; y\n"
    with pytest.raises(Unreadable, match="cannot be run"):
        await sources.text(Source(command=("/no/such/program",)))


async def test_a_url_that_does_not_answer_is_said(sources: Sources) -> None:
    with pytest.raises(Unreadable, match="does not answer"):
        await sources.text(Source(url="http://127.0.0.1:9/"))


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        (Source(), "url, command or files"),
        (Source(url="{collector}/x"), "--collector"),
        (Source(url="{simulator}/{collector}"), "--simulator and --collector"),
        (Source(files=("{logs}/x",)), None),
    ],
)
async def test_what_is_missing_is_named_by_its_flag(sources: Sources, source: Source, missing: str | None) -> None:
    assert sources.missing(source) == missing


PROMETHEUS = 'hits_total{worker="1"} 3\nhits_total{worker="2"} 4.0\n'


@pytest.mark.parametrize(
    ("text", "where", "value"),
    [
        ('{"rows": [[3, 4]]}', Number(json_path="rows.0.1"), 4.0),
        (PROMETHEUS, Number(regex=r"hits_total\{.*?\} ([\d.]+)"), 7.0),
        (PROMETHEUS, Number(regex=r"others_total (\d+)"), 0.0),
    ],
)
def test_a_number_is_read(text: str, where: Number, value: float) -> None:
    assert number(text, where) == value


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("<html>", Number(json_path="a"), "no JSON"),
        ('{"a": true}', Number(json_path="a"), "expected a number"),
        ("x=1 y=2", Number(regex=r"(\w)=(\d)"), "expected one group"),
    ],
)
def test_what_is_no_number_is_said(text: str, where: Number, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        number(text, where)


async def test_of_many_lines_the_newest(sources: Sources, tmp_path: Path) -> None:
    for name, written in (("b.log", 1), ("a.log", 2)):
        (tmp_path / name).write_text("".join(f"{name} {n} x\n" for n in range(MOST_LINES)))
        os.utime(tmp_path / name, (written, written))
    lines = (await sources.text(Source(files=("{logs}/*.log",)), "x")).splitlines()
    assert (len(lines), lines[-1], lines[0]) == (MOST_LINES, f"a.log {MOST_LINES - 1} x", "a.log 0 x")
