"""`gauntlet index`: give the running service a folder of Markdown to answer from, or take it out again.

Only files whose hash is another than the service has are sent, in bounded batches, over its admin endpoint; what of a
file has changed the service finds out by passage. Read `documents.py` next, then `service/retrieval/endpoints.py`,
where they arrive.
"""

import argparse
import http.client
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from door import running, wire
from door.console import command_name, console
from door.documents import SUFFIXES, File, fault_of, files_of, is_file
from door.errors import DoorError, UsageError

BATCH_BYTES = 512 * 1024
"""Of the texts in one request; a file is always sent whole."""
BATCH_DOCUMENTS = 50
BATCH_REMOVED = 1_000
TIMEOUT_S = 60.0
"""Longer than the service gives itself for a batch."""
WORDS = ("added", "changed", "removed", "unchanged")
SHIPPED = "handbook"
"""What the project's own documents are called."""
MOST_NAMED = 5
"""Of paths that a message names."""


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when the service has the folder as it is, 1 when it could not be reached or refused."""
    flags = argparse.ArgumentParser(
        prog="gauntlet index",
        description="Index a Markdown file or folder for the routes with retrieval. What is indexed already is "
        "updated: only what has changed is sent, and what is gone is taken out.",
    )
    flags.add_argument("path", type=Path, help="a folder (searched for .md and .markdown), or a file")
    flags.add_argument(
        "--name",
        help="what its documents are called in citations (default: the folder's name, or a file's without its ending)",
    )
    flags.add_argument("--remove", action="store_true", help="take all documents of this name out; PATH need not exist")
    flags.add_argument("--replace", action="store_true", help="take out what is not in PATH, be it most of this name")
    flags.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    flags.add_argument("--key", default="demo-admin", help="admin key (default demo-admin, of the workbench profile)")
    flags.add_argument("--url", help="base URL of the service (default: of the running `gauntlet up`)")
    args = flags.parse_args(argv)
    name = args.name or _name_of(args.path)
    if not name or "/" in name or fault_of(name):
        raise UsageError(f"{name!r} cannot name documents; choose another with --name")
    if name == SHIPPED and not (args.name or args.replace or (args.remove and args.path.is_dir())):
        raise UsageError(f"the documents that ship are called {name!r}; name these with --name NAME")
    files, linked = ([], []) if args.remove else files_of(args.path, name)
    service = _Service(args.url or running.url("service", os.environ), args.key)
    known = {path: sha256 for path, sha256 in service.documents().items() if path.startswith(f"{name}/")}
    new = [file for file in files if known.get(file.path) != file.sha256]
    gone = sorted(known.keys() - {file.path for file in files})
    if args.remove and not gone:
        raise DoorError(f"nothing is indexed under {name!r}; {_listed(service.documents())}")
    if not (args.remove or args.replace):
        _refuse_to_replace(name, args.path, len(known), gone)
    answers = [service.put(*batch, dry_run=args.dry_run) for batch in _batches(new, gone)]
    _tell(name, (len(files), len(new), len(gone)), answers, linked, dry_run=args.dry_run)
    return 0


def _name_of(path: Path) -> str:
    """A folder's, or a file's without its ending; also of one that is gone, if that was Markdown's."""
    is_document = is_file(path) or (path.suffix.lower() in SUFFIXES and not path.is_dir())
    return path.stem if is_document else path.resolve().name


def _refuse_to_replace(name: str, path: Path, known: int, gone: Sequence[str]) -> None:
    """Raises UsageError where most of what has this name would go: it is rather others', or out of sight for now."""
    if 2 * len(gone) > known:
        those = "all" if len(gone) == known else f"{len(gone)} of the"
        raise UsageError(
            f"{those} {known} documents under {name!r} are not in {path}, and would be taken out ({_some(gone)}). If "
            "they are others than these, name these with --name NAME; if these take their place, say --replace"
        )


def _batches(new: Sequence[File], gone: Sequence[str]) -> Iterator[tuple[list[File], list[str]]]:
    """What is sent at once; what is gone goes last, so that a document that moved is never missing."""
    batch, size = list[File](), 0
    for file in new:
        length = len(file.text.encode())
        if batch and (size + length > BATCH_BYTES or len(batch) >= BATCH_DOCUMENTS):
            yield batch, []
            batch, size = [], 0
        batch.append(file)
        size += length
    if batch:
        yield batch, []
    for begin in range(0, len(gone), BATCH_REMOVED):
        yield [], list(gone[begin : begin + BATCH_REMOVED])


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
    return f"what is indexed is called {', '.join(names)}" if names else "there is nothing at all"


def _some(paths: Sequence[str]) -> str:
    return ", ".join([*paths[:MOST_NAMED], *(["…"] if len(paths) > MOST_NAMED else [])])


def _tell(
    name: str,
    sizes: tuple[int, int, int],
    answers: Sequence[Mapping[str, Any]],
    linked: Sequence[str],
    *,
    dry_run: bool,
) -> None:
    """What became of so many files, of which some were sent, and of documents that were taken out."""
    said, (files, new, gone) = console(), sizes
    would = "would be " if dry_run else ""
    counts = Counter[str]()
    for answer in answers:
        counts.update({word: answer[word] for word in WORDS})
    of_all = "1 file" if files == 1 else f"{files} files"
    said.print(f"[bold]{escape(name)}[/bold]: {of_all}, {new} {would}sent, {gone} {would}taken out")
    said.print(f"passages of these: {', '.join(f'{counts[word]} {would}{word}' for word in WORDS)}")
    if empty := [path for answer in answers for path in answer["empty"]]:
        said.print(f"{len(empty)} without text, of which there is nothing to find: {escape(_some(empty))}")
    if linked:
        said.print(f"links to folders are not followed: {escape(_some(linked))}")
    if degraded := sorted({reason for answer in answers for reason in answer["degraded"]}):
        why = escape(", ".join(degraded))
        said.print(
            f"[yellow]without vectors for now[/yellow] ({why}): words find them, and vectors follow by themselves"
        )
