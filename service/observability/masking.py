"""Personal data, at a closer look: Presidio masks what is to be shown, in a process of its own.

Its recognizers know check digits and the telephone numbers of many countries, and take milliseconds per kilobyte, in
regular expressions that hold the interpreter; so a child of the worker runs them (``python -m`` this module), started
when the first text comes. Whoever gave texts waits here, in no request's way; what cannot be masked in time (the child
is slow, hangs, has died) comes back as a placeholder, never as it was. Patterns only and offline: names and places are
not found. Next: ``logs.py``.
"""

import asyncio
import ctypes
import json
import logging
import os
import signal
import struct
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context  # of no request: these tasks outlive the one that began them
from dataclasses import dataclass
from typing import BinaryIO

import structlog

from ..clock import Clock
from .pii import masked, own_spans

log = structlog.get_logger(__name__)
NOT_MASKED = "[not masked in time]"
MOST_WAITING = 256
"""Lists of texts; beyond that the one that waits longest is given up."""
START_WITHIN_S = 30.0
"""For a child to import what it needs, 2.5 s on a machine that has nothing else to do."""
BACK_OFF_S, BACK_OFF_MAX_S = 0.5, 30.0
"""Before another child is started after one that failed; doubled each time in a row."""
ENTITIES = {"EMAIL_ADDRESS": "email", "IBAN_CODE": "iban", "IP_ADDRESS": "ip"}
"""Presidio's names for what has a label of its own; everything else is a number."""
_LENGTH = struct.Struct(">I")
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Job:
    texts: Sequence[str]
    future: "asyncio.Future[list[str]]"


class Masker:
    """One worker's. ``timeout_s`` bounds what a caller waits in all, ``answer_s`` what the child may need for one.

    ``dropped`` counts texts that came back as the placeholder.
    """

    def __init__(self, *, clock: Clock, timeout_s: float = 10.0, answer_s: float = 5.0) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._answer_s = answer_s
        self.dropped = 0
        self._waiting: deque[_Job] = deque()
        self._child: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._failures = 0
        self._closed = False

    async def mask(self, texts: Sequence[str]) -> list[str]:
        """The texts without what Presidio and ``pii.masked`` find in them; the placeholder where it took too long."""
        if self._closed:
            return self._given_up(texts)
        job = _Job(texts, asyncio.get_running_loop().create_future())
        if len(self._waiting) >= MOST_WAITING:
            self._give_up(self._waiting.popleft())
        self._waiting.append(job)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), context=Context())
        try:
            async with self._clock.timeout_at(self._clock.monotonic() + self._timeout_s):
                return await job.future
        except TimeoutError:
            return self._given_up(texts)

    async def _run(self) -> None:
        """Ask the child, one list of texts after the other, while there are any."""
        while self._waiting:
            child = await self._started()
            job = self._waiting.popleft() if self._waiting else None
            if job is None or job.future.done():  # its caller has left
                continue
            try:
                async with self._clock.timeout_at(self._clock.monotonic() + self._answer_s):
                    answer = await _ask(child, job.texts)
            except (TimeoutError, OSError, EOFError) as error:
                # The text may be to blame: it is not tried again.
                self._give_up(job)
                await self._failed(error)
                continue
            self._failures = 0
            if not job.future.done():
                job.future.set_result(answer)

    async def _started(self) -> asyncio.subprocess.Process:
        """The child, ready for texts; another one where it has died."""
        while self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __name__), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            try:
                async with self._clock.timeout_at(self._clock.monotonic() + START_WITHIN_S):
                    await _receive(self._child)
            except (TimeoutError, OSError, EOFError) as error:
                await self._failed(error)
        return self._child

    async def _failed(self, error: Exception) -> None:
        log.warning("masker_failed", reason=type(error).__name__, dropped=self.dropped)
        await self._end_child()
        back_off_s = min(BACK_OFF_S * 2**self._failures, BACK_OFF_MAX_S)
        self._failures += 1
        await self._clock.sleep(back_off_s)

    async def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()
            # Reads what is left in its pipe, so that the transport is closed.
            await child.communicate()

    def _give_up(self, job: _Job) -> None:
        if not job.future.done():
            job.future.set_result(self._given_up(job.texts))

    def _given_up(self, texts: Sequence[str]) -> list[str]:
        self.dropped += len(texts)
        return [NOT_MASKED] * len(texts)

    async def aclose(self) -> None:
        """End the child at once; whoever waits gets the placeholder."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        while self._waiting:
            self._give_up(self._waiting.popleft())
        await self._end_child()


async def _ask(child: asyncio.subprocess.Process, texts: Sequence[str]) -> list[str]:
    assert child.stdin is not None  # noqa: S101 - as it was started
    child.stdin.write(_message(texts))
    await child.stdin.drain()
    return await _receive(child)


async def _receive(child: asyncio.subprocess.Process) -> list[str]:
    assert child.stdout is not None  # noqa: S101 - as it was started
    (length,) = _LENGTH.unpack(await child.stdout.readexactly(_LENGTH.size))
    texts: list[str] = json.loads(await child.stdout.readexactly(length))
    return texts


def _message(texts: Sequence[str]) -> bytes:
    """Length and JSON; ASCII, because a text may hold half of a surrogate pair."""
    data = json.dumps(list(texts)).encode("ascii")
    return _LENGTH.pack(len(data)) + data


def serve(requests: BinaryIO, answers: BinaryIO, mask: Callable[[str], str]) -> None:
    """The child's life: says that it is ready, then answers each list of texts, until the worker is gone."""
    answers.write(_message([]))
    answers.flush()
    while len(head := requests.read(_LENGTH.size)) == _LENGTH.size:
        texts = json.loads(requests.read(_LENGTH.unpack(head)[0]))
        answers.write(_message([mask(text) for text in texts]))
        answers.flush()


def closer_look() -> Callable[[str], str]:
    """A function that masks a text with Presidio's recognizers and ours. Imports them, which takes seconds."""
    import tldextract

    # The list of top-level domains that it brings along, instead of one from the network.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # type: ignore[assignment]
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer import predefined_recognizers as known
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    recognizers = [
        known.EmailRecognizer(),
        known.PhoneRecognizer(),
        known.CreditCardRecognizer(),
        known.IbanRecognizer(),
        known.UsSsnRecognizer(),
        known.IpRecognizer(),
    ]
    analyzer = AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognizers, supported_languages=["en"]),
        nlp_engine=NoOpNlpEngine(models=[{"lang_code": "en", "model_name": ""}]),
        supported_languages=["en"],
    )

    def mask(text: str) -> str:
        text = masked(text)
        found = analyzer.analyze(text, language="en")
        ours = own_spans(text) if found else []
        parts, place = [], 0
        for hit in sorted(found, key=lambda hit: hit.start):
            if any(begin < hit.end and hit.start < end for begin, end in ours):
                continue
            if hit.start >= place:  # else it begins within the last one
                parts += [text[place : hit.start], f"[{ENTITIES.get(hit.entity_type, 'number')}]"]
            place = max(place, hit.end)
        return "".join([*parts, text[place:]])

    return mask


def main() -> None:
    """The child process: ends with the worker, and leaves signals meant for all to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":  # elsewhere it ends when its standard input does
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    logging.disable()
    # Whatever a library prints goes to standard error and not between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers, closer_look())


if __name__ == "__main__":
    main()
