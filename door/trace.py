"""`gauntlet trace`: one request as a waterfall with every decision in words, or a list of requests to choose from.

A trace that was not kept is told from its record, which always is. Read `dashboard/story/steps.py` next: from telemetry
to steps, and their words.
"""

import argparse
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from dashboard.story import facts
from dashboard.story.steps import of_record, of_spans
from door import collector, listing, pseudonym
from door.console import command_name, roomy_console
from door.errors import DoorError
from door.flags import seconds, whole
from door.waterfall import drawn

Json = Mapping[str, Any]

OUTCOMES = ("answered", "degraded", "unavailable", "refused", "failed", "broken", "cancelled")
DEFAULT_LIMIT = 20
MOST_LIMIT = 10_000
WIDEST = 140
"""A waterfall gains nothing beyond this."""

SHORTEST_PREFIX = 6
NOT_FOUND = 404


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when something was found, 1 when not or when the collector is away, 2 for wrong usage."""
    flags = argparse.ArgumentParser(prog="gauntlet trace", description="What happened to a request, stage by stage.")
    flags.add_argument("id", nargs="?", help="request id, its beginning, or trace id; without it a list of requests")
    flags.add_argument("--user", metavar="NAME", help="requests of this user (or of this pseudonym)")
    flags.add_argument("--tenant", metavar="NAME")
    flags.add_argument("--outcome", choices=OUTCOMES)
    flags.add_argument("--last", type=seconds, metavar="TIME", help="of the last 5m, 90s, 2h")
    flags.add_argument("--degraded", action="store_true", help="answered otherwise than wished")
    flags.add_argument("--slowest", action="store_true", help="the slowest first, instead of the newest")
    flags.add_argument(
        "--limit", type=whole(1, MOST_LIMIT), default=DEFAULT_LIMIT, metavar="N", help="default %(default)s"
    )
    flags.add_argument("--json", action="store_true", help="what the collector knows, as it is")
    flags.add_argument("--url", help="base URL of the collector (default: of the running `gauntlet up`)")
    args = flags.parse_args(argv)
    if args.id:
        return _one(args)
    return _list(args)


def _one(args: argparse.Namespace) -> int:
    found = _found(args.url, args.id)
    if args.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    out = roomy_console()
    request, spans = found["request"], found["spans"]
    if request:
        out.print(_headline(request))
        out.print(_facts(request))
    if spans:
        steps = of_spans(spans)
    else:
        steps = of_record(request, found["attempts"], found["decisions"]) if request else []
        out.print(Text(f"\n{facts.why_no_trace(request)}", style="yellow"))
    if steps:
        out.print()
        out.print(drawn(steps, min(out.width, WIDEST)))
    for record in found["logs"]:
        said = f"{record['event'] or ''} {record['body'] or ''}".strip()
        out.print(Text(f"log {record['severity']}: {said}", style="dim"), no_wrap=True, overflow="ellipsis")
    return 0


def _found(url: str | None, given: str) -> Any:
    """What the collector knows of a request. Raises DoorError when that is nothing, or when it is several."""
    try:
        return collector.get(url, f"/traces/{_whole_id(url, given)}")
    except collector.Refused as error:
        if error.status != NOT_FOUND:
            raise
        raise DoorError(f"{error}; `{command_name()} trace` lists the requests that are") from None


def _whole_id(url: str | None, given: str) -> str:
    """The one request id that begins like this; what cannot be a beginning of one is taken as it is."""
    if not re.fullmatch(rf"[0-9a-fA-F-]{{{SHORTEST_PREFIX},31}}|[0-9a-fA-F-]{{33,35}}", given):
        if not re.fullmatch(r"[0-9a-zA-Z-]+", given):
            raise DoorError(f"{given!r} is no request id and no trace id")
        return given
    query = f"select distinct request_id from requests where starts_with(request_id, '{given.lower()}')"  # noqa: S608
    rows = collector.sql(url, query, 5)["rows"]
    if len(rows) > 1:
        raise DoorError(f"several requests begin with {given}: {', '.join(row[0] for row in rows)}")
    return str(rows[0][0]) if rows else given


def _headline(request: Json) -> Text:
    outcome = request["outcome"]
    text = Text(f"{request['method']} {request['endpoint']}  ", style="bold")
    text.append(f"{request['status']} {outcome}", style=f"bold {listing.STYLES.get(outcome, 'red')}")
    return text.append(f"  {request['duration_ms']:,.1f} ms")


def _facts(request: Json) -> Table:
    """What the record says of the request as a whole; nothing that is empty."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, fact in facts.of_request(request, listing.local(request["time"])).items():
        style = "yellow" if name == "degraded" else "red" if name == "error" else ""
        table.add_row(Text(name, style="dim"), Text(fact, style=style, overflow="fold"))
    return table


def _list(args: argparse.Namespace) -> int:
    query = {"limit": str(args.limit), "order": "slowest" if args.slowest else "recent"}
    if args.user:
        query["user"] = pseudonym.of_user(args.user, os.environ)
    for name in ("tenant", "outcome"):
        if getattr(args, name):
            query[name] = getattr(args, name)
    if args.last:
        query["since_s"] = f"{args.last:g}"
    if args.degraded:
        query["degraded"] = "1"
    rows = collector.get(args.url, "/requests", query)["requests"]
    if args.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif rows:
        listing.show(rows, _calls(args.url, rows))
    else:
        print("no such request is known")
    return 0 if rows else 1


def _calls(url: str | None, rows: Sequence[Json]) -> dict[str, int]:
    """Request id -> how many calls it made."""
    listed = ", ".join("'" + str(row["request_id"]).replace("'", "''") + "'" for row in rows)
    query = f"select request_id, count(*) from attempts where request_id in ({listed}) group by 1"  # noqa: S608 - quoted
    return dict(collector.sql(url, query, len(rows))["rows"])
