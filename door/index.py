"""`gauntlet index`: give the running service a folder of Markdown to answer from, or take it out again.

Only files whose hash is another than the service has are sent, in bounded batches, over its admin endpoint; what of a
file has changed the service finds out by passage. Read `service/retrieval/endpoints.py` next, where they arrive.
"""

import argparse
import hashlib
import http.client
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from door import running, wire
from door.console import command_name, console
from door.errors import DoorError, UsageError

SUFFIXES = (".md", ".markdown")
MOST_BYTES = 1024 * 1024
"""Of one file; the service takes no larger document."""
BATCH_BYTES = 512 * 1024
"""Of the texts in one request; a file is always sent whole."""
BATCH_DOCUMENTS = 50
TIMEOUT_S = 60.0
"""Longer than the service gives itself for a batch."""
WORDS = ("added", "changed", "removed", "unchanged")
FORBIDDEN = frozenset("#~\x7f") | frozenset(map(chr, range(32)))
"""Characters that no name in the corpus has."""


@dataclass(frozen=True)
class File:
    """One file as it is sent: its name in the corpus, and its text."""

    path: str
    text: str
    sha256: str


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when the service has the folder as it is, 1 when it could not be reached or refused."""
    flags = argparse.ArgumentParser(
        prog="gauntlet index",
        description="Index a Markdown file or folder for the routes with retrieval. What is indexed already is "
        "updated: only what has changed is sent, and what is gone is taken out.",
    )
    flags.add_argument("path", type=Path, help="a folder (searched for .md and .markdown), or a file")
    flags.add_argument("--name", help="what its documents are called in citations (default: the folder's name)")
    flags.add_argument("--remove", action="store_true", help="take all documents of this name out; PATH need not exist")
    flags.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    flags.add_argument("--key", default="demo-admin", help="admin key (default demo-admin, of the workbench profile)")
    flags.add_argument("--url", help="base URL of the service (default: of the running `gauntlet up`)")
    args = flags.parse_args(argv)
    name = args.name or (args.path.stem if args.path.is_file() else args.path.resolve().name)
    if not name or "/" in name or FORBIDDEN & set(name):
        raise UsageError(f"{name!r} cannot name documents; choose another with --name")
    files = [] if args.remove else _files(args.path, name)
    service = _Service(args.url or running.url("service", os.environ), args.key)
    known = {path: sha256 for path, sha256 in service.documents().items() if path.startswith(f"{name}/")}
    new = [file for file in files if known.get(file.path) != file.sha256]
    gone = sorted(known.keys() - {file.path for file in files})
    if args.remove and not gone:
        raise DoorError(f"nothing is indexed under {name!r}; {_listed(service.documents())}")
    counts, degraded = Counter[str](), set[str]()
    for documents, remove in _batches(new, gone):
        said = service.put(documents, remove, dry_run=args.dry_run)
        counts.update({word: said[word] for word in WORDS})
        degraded.update(said["degraded"])
    _tell(name, len(files), len(new), len(gone), counts, degraded, dry_run=args.dry_run)
    return 0


def _files(path: Path, name: str) -> list[File]:
    """What is to be indexed. Raises UsageError for what cannot be read, with every fault in one message."""
    if path.is_file():
        found, base = [path], path.parent
    elif path.is_dir():
        every = (file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in SUFFIXES)
        found, base = sorted(file for file in every if not _is_hidden(file.relative_to(path))), path
    else:
        raise UsageError(f"{path} is neither a file nor a folder")
    if not found:
        raise UsageError(f"{path} has no Markdown ({', '.join(SUFFIXES)})")
    files, faults = list[File](), list[str]()
    for file in found:
        try:
            files.append(_read(file, f"{name}/{file.relative_to(base).as_posix()}"))
        except (OSError, ValueError) as error:
            faults.append(f"{file}: {error.strerror if isinstance(error, OSError) else error}")
    if faults:
        raise UsageError("\n".join(["these cannot be indexed, so nothing was:", *faults]))
    return files


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read(file: Path, name: str) -> File:
    """Raises OSError and ValueError."""
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{size:,} bytes, and a document has at most {MOST_BYTES:,}; split it into several")
    if FORBIDDEN & set(name):
        raise ValueError("its name has one of the characters # and ~, or a control character; rename it")
    data = file.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 text (byte {error.start:,}); convert it") from None
    if "\0" in text:
        raise ValueError("it holds NUL characters, so it is no text")
    if not text.strip():
        raise ValueError("there is no text in it")
    return File(name, text, hashlib.sha256(text.encode()).hexdigest())


def _batches(new: Sequence[File], gone: Sequence[str]) -> Iterator[tuple[list[File], list[str]]]:
    """What is sent at once; what is gone goes with the last, so that a document that moved is never missing."""
    batch, size = list[File](), 0
    for file in new:
        length = len(file.text.encode())
        if batch and (size + length > BATCH_BYTES or len(batch) >= BATCH_DOCUMENTS):
            yield batch, []
            batch, size = [], 0
        batch.append(file)
        size += length
    if batch or gone:
        yield batch, list(gone)


class _Service:
    """The admin endpoint of the corpus."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key

    def documents(self) -> dict[str, str]:
        """Path -> SHA-256 of what is indexed."""
        found: dict[str, str] = self._ask("GET")["documents"]
        return found

    def put(self, files: Sequence[File], remove: Sequence[str], *, dry_run: bool) -> Mapping[str, Any]:
        """Send a batch; what came of its passages."""
        documents = [{"path": file.path, "text": file.text} for file in files]
        return self._ask("PUT", {"documents": documents, "remove": list(remove), "dry_run": dry_run})

    def _ask(self, method: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        if not (self._key and self._key.isascii() and self._key.isprintable()):
            raise UsageError("--key is empty or has characters that no API key has; copy it again")
        text = None if body is None else json.dumps(body)
        try:
            response = wire.exchange(self._url, method, "/admin/corpus", text, headers, timeout_s=TIMEOUT_S)
        except (OSError, http.client.HTTPException) as error:  # a timeout is an OSError
            advice = f"start it with `make up`, or see `{command_name()} doctor`"
            raise DoorError(f"no service answers at {self._url} ({error}); {advice}") from error
        try:
            said = json.loads(response.body)
        except ValueError as error:
            raise DoorError(f"status {response.status}, and the body is no JSON: {response.body[:200]!r}") from error
        if response.status == http.client.NOT_FOUND:
            raise DoorError("this service retrieves nothing: set `retrieval = true` for one of its routes")
        if response.status != http.client.OK:
            raise DoorError(f"{response.status} {said.get('title', '')}: {said.get('detail', said)}")
        return dict(said)


def _listed(documents: Mapping[str, str]) -> str:
    names = sorted({path.split("/", 1)[0] for path in documents})
    return f"there are {', '.join(names)}" if names else "there is nothing at all"


def _tell(
    name: str, files: int, new: int, gone: int, counts: Mapping[str, int], degraded: set[str], *, dry_run: bool
) -> None:
    said = console()
    would = "would be " if dry_run else ""
    said.print(f"[bold]{escape(name)}[/bold]: {files} files, {new} {would}sent, {gone} {would}taken out")
    said.print(f"passages of these: {', '.join(f'{counts[word]} {would}{word}' for word in WORDS)}")
    if degraded:
        why = escape(", ".join(sorted(degraded)))
        said.print(
            f"[yellow]without vectors for now[/yellow] ({why}): words find them, and vectors follow by themselves"
        )
