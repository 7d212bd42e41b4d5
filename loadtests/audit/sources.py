"""Reading what a service tells elsewhere: a URL, a command's output, log files. Read `shape.py` for how they are named.

A source answers one question: what is there of this value? Who asks also asks for something that must be there and for
something that cannot be, since an empty log and a page that echoes the question both look like an answer.
"""

import asyncio
import glob
import os
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from loadtests.audit import paths
from loadtests.audit.shape import Number, Source, bare

TIMEOUT_S = 30.0
MOST_LINES = 200
PLACES = ("service", "simulator", "collector", "logs")
FLAGS = {"service": "URL", "simulator": "--simulator", "collector": "--collector", "logs": "--logs"}


class Unreadable(Exception):
    """A source that is there and cannot be read; the message says why."""


class Sources:
    """Reads sources; `places` is what their placeholders stand for."""

    def __init__(self, session: aiohttp.ClientSession, places: Mapping[str, str]) -> None:
        self._session = session
        self._places = places

    def missing(self, source: Source) -> str | None:
        """What is needed to read it, None when nothing is missing."""
        text = f"{source.url}{source.command}{source.files}"
        if not (source.url or source.command or source.files):
            return "url, command or files"
        absent = [name for name in PLACES if f"{{{name}}}" in text and not self._places.get(name)]
        return " and ".join(FLAGS[name] for name in absent) or None

    async def text(self, source: Source, value: str = "") -> str:
        """What it says of the value. Raises Unreadable."""
        if source.files:
            return await asyncio.to_thread(self._lines, source, value)
        if source.command:
            return await self._output([self.filled(word, value) for word in source.command])
        return await self._answer(source, value)

    def filled(self, given: Any, value: str = "") -> Any:
        """A text, or all texts in lists and tables, with what its placeholders stand for."""
        if isinstance(given, Mapping):
            return {name: self.filled(one, value) for name, one in given.items()}
        if isinstance(given, (list, tuple)):
            return [self.filled(one, value) for one in given]
        if isinstance(given, str):
            for name in PLACES:
                given = given.replace(f"{{{name}}}", self._places.get(name, ""))
            return given.replace("{value}", value)
        return given

    def _lines(self, source: Source, value: str) -> str:
        found: list[str] = []
        files = [path for given in source.files for path in glob.glob(self.filled(given, value))]  # noqa: PTH207 - absolute patterns
        if not files:
            raise Unreadable(f"no file matches {', '.join(self.filled(source.files, value))}")
        for path in sorted(files, key=_written):
            try:
                with open(path, errors="replace") as lines:  # noqa: PTH123 - what glob gives
                    found += [line for line in lines if value in line]
            except OSError as error:
                raise Unreadable(f"{path} cannot be read ({error.strerror})") from error
        return "".join(found[-MOST_LINES:])

    async def _output(self, command: list[str]) -> str:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
        except OSError as error:
            raise Unreadable(f"{command[0]} cannot be run ({error.strerror})") from error
        try:
            async with asyncio.timeout(TIMEOUT_S):
                output, _ = await process.communicate()
        except TimeoutError:
            raise Unreadable(f"{command[0]} did not end within {TIMEOUT_S:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return output.decode(errors="replace")

    async def _answer(self, source: Source, value: str) -> str:
        url = self.filled(source.url, value)
        headers = {name: os.path.expandvars(text) for name, text in source.headers.items()}
        body = None if source.body is None else orjson.dumps(self.filled(source.body, value))
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        timeout = aiohttp.ClientTimeout(TIMEOUT_S)
        try:
            async with self._session.request(
                source.method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                text = await response.text(errors="replace")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreadable(f"{bare(url)} does not answer ({error or type(error).__name__})") from error
        if source.header:
            return response.headers.get(source.header, "")
        if response.status == 404:
            return ""  # nothing of this value
        if response.status >= 300:
            raise Unreadable(f"{bare(url)} answered {response.status}: {text[:200]}")
        return text


def _written(path: str) -> float:
    """When, for the newest lines are what is looked for."""
    try:
        return os.path.getmtime(path)  # noqa: PTH204 - what glob gives
    except OSError:
        return 0.0


def number(text: str, where: Number) -> float:
    """The number in what was read. Raises Unreadable."""
    if where.regex:
        numbers = re.findall(where.regex, text)
        try:
            return sum(map(float, numbers))
        except (TypeError, ValueError) as error:
            raise Unreadable(f"the regex {where.regex!r} found {numbers[:3]}; expected one group, a number") from error
    try:
        value = paths.found(orjson.loads(text), where.json_path)
    except ValueError as error:
        raise Unreadable(f"it is no JSON: {text[:100]!r}") from error
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unreadable(f"{where.json_path} is {value!r}; expected a number")
    return float(value)
