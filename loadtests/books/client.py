"""The client's book: a line per request, written by whoever makes the load (docs/telemetry.md).

A line goes to the operating system in one write, so that a kill loses at most the line being written, and the book is
open for appending, so that several processes may share it. Read `service.py` next: the second book.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import orjson
from pydantic import TypeAdapter, ValidationError

from loadtests.books.errors import CannotJudge

NAME = "client.jsonl"

Outcome = Literal["answered", "refused", "failed", "broken", "left", "lost"]
"""`answered`: 200, read to its end. `refused`: 4xx. `failed`: 5xx. `broken`: a stream that ended in an error event.
`left`: the client closed on purpose. `lost`: the connection broke, or nothing came."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as its sender saw it: `t` in Unix seconds; usage, cost, source and reasons as told, null if not.

    `kind` is what a scenario asked for, `callers` for which of its groups; `cited` how many passages an answer cites.
    Where it is about a job or a run of the agent, `subject_id` names that, `state` is how it stood and `created` (Unix
    seconds) when it was taken, as told, and `decision` what was asked to be done with the agent's proposal.
    """

    request_id: str
    t: float
    duration_ms: float
    endpoint: str
    status: int | None
    outcome: Outcome
    stream: bool = False
    first_token_ms: float | None = None
    source: str | None = None
    degraded: tuple[str, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nano_usd: int | None = None
    worker: str | None = None
    key: str | None = None
    replayed: bool = False
    kind: str | None = None
    callers: str | None = None
    cited: int | None = None
    subject_id: str | None = None
    state: str | None = None
    created: float | None = None
    decision: str | None = None

    @property
    def ended(self) -> float:
        """Unix seconds."""
        return self.t + self.duration_ms / 1000


_ENTRY = TypeAdapter(Entry)


class ClientBook:
    """The book while it is written; one `write` per request, from any thread or coroutine."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lock = threading.Lock()

    def write(self, entry: Entry) -> None:
        """Add a line. Raises OSError when it cannot be written."""
        line = orjson.dumps(entry) + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """Nothing more will be written."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class ClientLines:
    """The book as it was read; `broken` numbers the lines that could not be, from 1."""

    entries: Sequence[Entry]
    broken: Sequence[int] = ()


def read(folder: Path) -> ClientLines | None:
    """The book in a run's folder, None when there is none. Raises CannotJudge when it cannot be opened."""
    try:
        lines = (folder / NAME).read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotJudge(f"the client's book {folder / NAME} cannot be read: {error.strerror}") from error
    entries, broken = [], []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            entries.append(_ENTRY.validate_json(line, strict=True))
        except ValidationError:
            broken.append(number)
    return ClientLines(entries, broken)
