"""`gauntlet audit [URL]`: the chapter's ten checklist items, tried from outside on any service with a chat endpoint.

Without a URL it is the running `up`, else a private workbench. Here are the flags and the places; what is tried is in
`loadtests/audit`, and docs/audit.md tells how a service is described. Read `laboratory.py` next.
"""

import argparse
import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from door import configuration, home, laboratory, pseudonym, running
from door.console import console
from door.errors import DoorError, UsageError
from loadtests.audit import Options, Report, Shape, ShapeError, audit, shape, show
from loadtests.audit.items import ITEMS, Item
from loadtests.audit.report import Finding
from loadtests.books.errors import CannotJudge
from loadtests.conduct import Refused
from loadtests.conduct.places import LIVE
from loadtests.conduct.session import alone

USUAL_FILE = Path("audit.toml")
AUDITS = "audits"
"""Beside `runs` in the home: one JSON per audit, of which the dashboard shows the newest."""
KEPT = 20


def run(argv: Sequence[str]) -> int:
    """Exit code 0 all proved, 1 something refuted, 2 something could not be seen or judged, 130 interrupted."""
    args = _parser().parse_args(argv)
    try:
        if args.example:
            print(shape.EXAMPLE.read_text(), end="")
            return 0
        return _audited(args, _described(args), shlex.join(["gauntlet", "audit", *map(_unsecret, argv)]))
    except (Refused, CannotJudge, ShapeError, DoorError) as error:
        print(f"gauntlet audit: {error}", file=sys.stderr)
        return laboratory.NOT_JUDGED
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("gauntlet audit: stopped; nothing stays broken", file=sys.stderr)
        return laboratory.INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="gauntlet audit",
        description="Try to break each of the ten promises of the operations checklist, from outside.",
        epilog="exit code: 0 all proved, 1 something refuted, 2 something not seen or not judged, 130 interrupted",
    )
    flags.add_argument("url", nargs="?", help="base URL of the service (default: the running `up`, else a private one)")
    flags.add_argument("--simulator", metavar="URL", help="who plays its providers: the ledger of calls and charges")
    flags.add_argument("--replica", metavar="URL", action="append", help="a second process on the same store")
    flags.add_argument("--collector", metavar="URL", help="who is told what happens: searches, hit rate")
    flags.add_argument("--logs", metavar="FOLDER", help="where its log files are, *.log")
    flags.add_argument("--shape", metavar="FILE", type=Path, help=f"what it is like (default: {USUAL_FILE} if there)")
    flags.add_argument("--only", metavar="N,N", type=_numbers, default=(), help="these items, such as 3,5")
    flags.add_argument("--json", metavar="FILE", type=Path, help="write the report there; - for standard output")
    flags.add_argument("--markdown", metavar="FILE", type=Path, help="the same as a table in Markdown")
    laboratory.add_purse(flags)
    flags.add_argument("--example", action="store_true", help="print an audit.toml with a comment for each line")
    return flags


def _numbers(text: str) -> Sequence[int]:
    known = {item.number for item in ITEMS}
    try:
        chosen = [int(word) for word in text.split(",")]
    except ValueError:
        chosen = []
    if not chosen or not known.issuperset(chosen):
        raise argparse.ArgumentTypeError(f"got {text!r}; expected numbers from 1 to {len(ITEMS)}, such as 3,5")
    return chosen


def _described(args: argparse.Namespace) -> Shape:
    """The file's shape with the flags over it. Raises ShapeError."""
    path = args.shape or (USUAL_FILE if USUAL_FILE.exists() else None)
    given = {
        "service": args.url,
        "simulator": args.simulator,
        "collector": args.collector,
        "replicas": args.replica and tuple(map(_base, args.replica)),
        "logs_folder": args.logs and str(Path(args.logs).absolute()),
    }
    bases = {"service", "simulator", "collector"}
    told = {name: _base(value) if name in bases else value for name, value in given.items() if value}
    return (shape.read(path) if path else Shape()).model_copy(update=told)


def _unsecret(word: str) -> str:
    return shape.bare(word) if "@" in word else word


def _base(url: str) -> str:
    return url.rstrip("/")


def _audited(args: argparse.Namespace, described: Shape, command: str) -> int:
    quiet = args.json == Path("-")
    folder = home.find(os.environ)
    with _site(described, quiet) as whole, alone(folder):
        with _progress(quiet) as told:
            report = asyncio.run(_stoppable(whole, Options(args.only, args.max_usd, command, *told)))
        _keep(folder, report)
    if not quiet:
        show.show(report, console())
    for path, text in ((args.json, report.as_json().decode() + "\n"), (args.markdown, report.as_markdown())):
        _write(path, text)
    return report.exit_code


async def _stoppable(whole: Shape, options: Options) -> Report:
    """SIGTERM and SIGHUP stop it as Ctrl-C does: in order."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None  # noqa: S101 - we run in one
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    return await audit(whole, options)


@contextmanager
def _site(described: Shape, quiet: bool) -> Iterator[Shape]:
    """The shape with all places in it: of the running `up` where it is meant, else of a private workbench."""
    up = running.lab(os.environ)
    if described.service:
        ours = up is not None and shape.address(up.urls["service"]) == shape.address(described.service)
        yield _at(described, up) if up is not None and ours else described
        return
    if up is not None:
        yield _at(described, up)
        return
    if configuration.effective(os.environ).get("GAUNTLET_PROFILE") == LIVE:
        raise UsageError("the live profile is configured and no `up` runs: start it, or name the service's URL")
    from door.workbench import workbench

    if not quiet:
        console().print(Text("no `up` runs: a private workbench is started for this, and ended with it", style="dim"))
    with workbench(os.environ) as lab:
        yield _at(described, lab, private=True)


def _at(described: Shape, lab: running.Lab, *, private: bool = False) -> Shape:
    """What is known of a workbench, where nothing else was said."""
    settings: Mapping[str, str] = {} if private else configuration.effective(os.environ)
    urls = lab.urls
    found: dict[str, Any] = {
        "service": urls["service"],
        "simulator": urls["simulator"],
        "collector": urls["collector"],
        "logs_folder": str(lab.home / home.LOGS),
    }
    update = {name: value for name, value in found.items() if not getattr(described, name)}
    store = {"url": urls.get("valkey") or settings.get("REDIS_URL", ""), "pid": lab.store_pid() or 0}
    update["store"] = described.store.model_copy(
        update={name: value for name, value in store.items() if not getattr(described.store, name)}
    )
    if key := settings.get(pseudonym.VARIABLE):
        update["search"] = described.search.model_copy(update={"pseudonym_key": key})
    if key := settings.get(laboratory.ADMIN_KEY_VARIABLE):
        update["providers"] = described.providers.model_copy(update={"reset_key": key})
    return described.model_copy(update=update)


@contextmanager
def _progress(quiet: bool) -> Iterator[tuple[Any, ...]]:
    """What is told while it goes: what is tried now, in a terminal only, and nothing that would stay."""
    if quiet:
        yield ()
        return
    status = console().status("")

    def began(item: Item) -> None:
        if console().is_terminal:
            status.update(Text(f"{item.number}. {item.promise}", style="dim"))
            status.start()

    def ended(finding: Finding) -> None:
        status.stop()

    try:
        yield began, ended
    finally:
        status.stop()


def _keep(folder: Path, report: Report) -> None:
    """For the dashboard; the oldest make room. What cannot be kept is no reason to lose the report."""
    audits = folder / AUDITS
    with suppress(OSError):
        audits.mkdir(parents=True, exist_ok=True)
        name = datetime.fromtimestamp(report.began, UTC).strftime("%Y%m%d-%H%M%S-%f")
        half = audits / f".{name}"
        half.write_bytes(report.as_json())
        half.rename(audits / f"{name}.json")
        for old in sorted(audits.glob("*.json"))[:-KEPT]:
            old.unlink(missing_ok=True)


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    if path == Path("-"):
        sys.stdout.write(text)
        return
    try:
        path.write_text(text)
    except OSError as error:
        raise DoorError(f"{path} cannot be written ({error.strerror})") from error
