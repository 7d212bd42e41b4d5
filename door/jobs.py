"""`gauntlet jobs`: the background's work and its webhooks: what runs, what is dead, and sending it off again.

It asks the running service with an admin's key; with another it lists that one's own jobs. Read
`service/tracks/webhook.py` next: how long a message is tried before it is a dead letter.
"""

import argparse
import http.client
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from rich.table import Table
from rich.text import Text

from door import running, wire
from door.console import command_name, roomy_console
from door.errors import DoorError, UsageError
from door.flags import whole

Json = Mapping[str, Any]
TIMEOUT_S = 30.0
DEFAULT_LIMIT = 20
MOST_LIMIT = 1000
PAGE = 100
"""Jobs that the service tells at once."""
LISTS = ("/jobs", "/admin/webhooks")
"""Paths that are there where there is a queue."""
MESSAGE = "msg_"
WIDE = 120
"""From here on there is room for whole ids; below it tables show their beginnings, which are taken as well."""
SHORT_ID = 12
WHOLE_ID = 36
STYLES = {
    **dict.fromkeys(("completed", "delivered"), "green"),
    **dict.fromkeys(("queued", "running", "pending"), "yellow"),
    **dict.fromkeys(("failed", "dead"), "red"),
}
MEANINGS = {
    "target": "its URL may not be called",
    "connection": "no connection",
    "timeout": "no answer in time",
    "gone": "410, it wants no more",
}


class Refused(DoorError):
    """What the service said of what it does not do."""

    def __init__(self, status: int, said: object) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when done, 1 when the service is away or refuses, 2 for wrong usage."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--key",
        default="demo-admin",
        help="API key (default demo-admin, of the workbench; not an admin's: its own jobs)",
    )
    common.add_argument("--url", help="base URL of the service (default: of the running `gauntlet up`)")
    common.add_argument("--json", action="store_true", help="as JSON, in the service's words")
    listing = argparse.ArgumentParser(add_help=False)
    listing.add_argument(
        "--limit", type=whole(1, MOST_LIMIT), default=DEFAULT_LIMIT, metavar="N", help="rows at most (%(default)s)"
    )
    flags = argparse.ArgumentParser(
        prog="gauntlet jobs", description="Jobs of the background track, and the webhooks that tell of their end."
    )
    what = flags.add_subparsers(dest="what", metavar="WHAT")
    what.add_parser("list", parents=[common, listing], help="the newest jobs (this is the default)")
    what.add_parser("dead", parents=[common, listing], help="messages that could not be delivered")
    show = what.add_parser("show", parents=[common], help="one job or message")
    show.add_argument("id", help="of a job (job_…) or a message (msg_…)")
    redrive = what.add_parser("redrive", parents=[common], help="send dead messages off again")
    redrive.add_argument("id", nargs="?", help="of a message (msg_…)")
    redrive.add_argument("--all", action="store_true", help="all that are dead")
    given = list(argv)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "list")
    args = flags.parse_args(given)
    if args.what == "redrive" and bool(args.id) == args.all:
        raise UsageError("name the message to send off again, or give --all")
    verbs: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "dead": _dead,
        "show": _show,
        "redrive": _redrive,
    }
    return verbs[args.what](args)


def _list(args: argparse.Namespace) -> int:
    answer = _newest(args, args.limit)
    if args.json:
        return _as_json(answer)
    jobs = answer["jobs"]
    if not jobs:
        print("no jobs yet; POST /jobs begins one")
    else:
        tenants = ["tenant"] if any(job.get("tenant") for job in jobs) else []  # those of an admin's list alone
        _print_table(
            ("begun", "job", "kind", *tenants, "status", "steps", "cost", "error"),
            [
                (
                    _time(job.get("created_at")),
                    str(job["job_id"]),
                    str(job.get("kind") or ""),
                    *(str(job.get(name) or "") for name in tenants),
                    str(job["status"]),
                    _steps(job.get("progress")),
                    _cost(job.get("cost_usd")),
                    str((job.get("error") or {}).get("code") or ""),
                )
                for job in jobs
            ],
            numbers=("steps", "cost"),
        )
    try:
        dead = _asked(args, "GET", f"/admin/webhooks?state=dead&limit={MOST_LIMIT}")["webhooks"]
    except Refused as refusal:
        if refusal.status == http.client.FORBIDDEN:  # no admin's key: these are not its own to see
            return 0
        raise
    if dead:
        print(f"\n{_counted(len(dead), 'dead letter')}; `{command_name()} jobs dead` lists them")
    return 0


def _newest(args: argparse.Namespace, most: int) -> dict[str, Any]:
    """So many of the newest jobs, page by page, and where the next page begins."""
    jobs: list[Any] = []
    cursor: str | None = None
    while True:
        begin = f"&cursor={cursor}" if cursor else ""
        page = _asked(args, "GET", f"/jobs?limit={min(most - len(jobs), PAGE)}{begin}")
        jobs += page["jobs"]
        cursor = page["cursor"]
        if cursor is None or len(jobs) >= most:
            return {"jobs": jobs, "cursor": cursor}


def _dead(args: argparse.Namespace) -> int:
    answer = _asked(args, "GET", f"/admin/webhooks?state=dead&limit={args.limit}")
    if args.json:
        return _as_json(answer)
    messages = answer["webhooks"]
    if not messages:
        print("no dead letters")
        return 0
    _print_table(
        ("died", "message", "event", "tries", "why", "where"),
        [
            (
                _time(message["ended_at"]),
                message["id"],
                message["event"],
                str(message["tries"]),
                _why(message),
                message["url"],
            )
            for message in messages
        ],
        numbers=("tries",),
    )
    print(f"\n`{command_name()} jobs redrive ID` sends one off again,")
    print("`… redrive --all` all of them")
    return 0


def _show(args: argparse.Namespace) -> int:
    is_message = args.id.startswith(MESSAGE)
    whole_id = _whole_id(args) if is_message else _whole_job_id(args)
    found = _asked(args, "GET", f"{'/admin/webhooks' if is_message else '/jobs'}/{quote(whole_id, safe='')}")
    if args.json:
        return _as_json(found)
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in found.items():
        if value not in (None, "", [], {}):
            style = STYLES.get(str(value), "") if name in ("state", "status") else ""
            table.add_row(Text(name, style="dim"), Text(_value(name, value), style=style, overflow="fold"))
    roomy_console().print(table)
    return 0


def _redrive(args: argparse.Namespace) -> int:
    sent: list[Any] = []
    refused: dict[str, str] = {}
    cut_short: DoorError | None = None
    try:
        for message_id in _all_dead(args) if args.all else [_whole_id(args)]:
            try:
                sent.append(_asked(args, "POST", f"/admin/webhooks/{quote(message_id, safe='')}/redrive"))
            except Refused as refusal:
                if not args.all:
                    raise
                refused[message_id] = str(refusal)
    except DoorError as error:
        if not sent and not refused:
            raise
        cut_short = error
    if args.json:
        _as_json({"redriven": sent, "refused": refused})
    else:
        print(f"{_counted(len(sent), 'message')} sent off again" if sent or refused else "no dead letters")
        for message_id, why in refused.items():
            print(f"gauntlet jobs: {message_id} was not: {why}", file=sys.stderr)
    if cut_short is not None:
        print(f"gauntlet jobs: stopped there: {cut_short}", file=sys.stderr)
    return 1 if refused or cut_short is not None else 0


def _all_dead(args: argparse.Namespace) -> Iterator[str]:
    """Each dead message once, page by page: those of a page are no longer dead when the next one is asked for.

    A page that has none but refused ones is the last: what is not dead any more, or is gone, is on no page again, so
    the service then refuses everything.
    """
    seen: set[str] = set()
    while True:
        page = _asked(args, "GET", f"/admin/webhooks?state=dead&limit={MOST_LIMIT}")["webhooks"]
        new = [str(row["id"]) for row in page if row["id"] not in seen]
        if not new:
            return
        seen.update(new)
        yield from new


def _whole_id(args: argparse.Namespace) -> str:
    """The one dead message whose id begins so, for tables show beginnings; what is none is taken as it is."""
    listed = _asked(args, "GET", f"/admin/webhooks?state=dead&limit={MOST_LIMIT}")["webhooks"]
    return _one_of((str(row["id"]) for row in listed), args.id, "messages")


def _whole_job_id(args: argparse.Namespace) -> str:
    """The one of the newest jobs whose id begins so; what is none, or whole already, is taken as it is."""
    if len(args.id) >= WHOLE_ID:
        return str(args.id)
    return _one_of((str(row["job_id"]) for row in _newest(args, MOST_LIMIT)["jobs"]), args.id, "jobs")


def _one_of(ids: Iterable[str], begin: str, what: str) -> str:
    found = [one for one in ids if one.startswith(begin)]
    if len(found) > 1:
        raise DoorError(f"several {what} begin with {begin}: {', '.join(found[:5])}")
    return found[0] if found else begin


def _asked(args: argparse.Namespace, method: str, path: str) -> Any:
    """The service's JSON. Raises DoorError when it is away, Refused when it refuses."""
    if not (args.key and args.key.isascii() and args.key.isprintable()):
        raise UsageError("--key is empty or has characters that no API key has; copy it again")
    url = args.url or running.url("service", os.environ)
    try:
        response = wire.exchange(
            url, method, path, headers={"Authorization": f"Bearer {args.key}"}, timeout_s=TIMEOUT_S
        )
    except (OSError, http.client.HTTPException) as error:
        advice = f"start it with `make up`, or see `{command_name()} doctor`"
        raise DoorError(f"no service answers at {url} ({error}); {advice}") from error
    try:
        answer = json.loads(response.body)
    except ValueError as error:
        raise DoorError(f"status {response.status}, and the body is no JSON: {response.body[:200]!r}") from error
    if response.status == http.client.NOT_FOUND and path.partition("?")[0] in LISTS:
        raise DoorError(
            f"no queue at {url}, so there are no jobs and no webhooks: `queue.enabled` is off, or another's service "
            "answers there"
        )
    if response.status >= http.client.BAD_REQUEST:
        said = answer.get("detail", answer) if isinstance(answer, dict) else answer
        raise Refused(response.status, said)
    return answer


def _as_json(answer: object) -> int:
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def _print_table(names: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str]) -> None:
    """A line per row in whatever width there is: ids are cut where it is narrow, and the last column gives way."""
    out = roomy_console()
    gap = 2 if out.width >= WIDE else 1
    cut = [[cell[:SHORT_ID] if out.width < WIDE and place == 1 else cell for place, cell in enumerate(r)] for r in rows]
    widths = [max(len(name), *(len(row[place]) for row in cut)) for place, name in enumerate(names)]
    widths[-1] = max(min(widths[-1], out.width - sum(widths[:-1]) - gap * len(widths[:-1])), len(names[-1]))
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    for name, width in zip(names, widths, strict=True):
        justify: Literal["left", "right"] = "right" if name in numbers else "left"
        table.add_column(name, justify=justify, no_wrap=True, width=width)
    for row in cut:
        table.add_row(*(Text(text, STYLES.get(text, ""), overflow="ellipsis") for text in row))
    out.print(table)


def _time(unix_s: float | None) -> str:
    """As the person's clock has it; with the day where that is another one."""
    if unix_s is None:
        return ""
    at, now = datetime.fromtimestamp(unix_s, UTC).astimezone(), datetime.now(UTC).astimezone()
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%m-%d %H:%M}"


def _steps(progress: Json | None) -> str:
    return f"{progress.get('done', 0)}/{progress.get('total') or '?'}" if isinstance(progress, dict) else ""


def _cost(usd: float | None) -> str:
    return "" if usd is None else f"${usd:.6f}"


def _why(message: Json) -> str:
    error, status = message["last_error"], message["last_status"]
    return MEANINGS.get(error, f"answered {status}")


def _value(name: str, value: Any) -> str:
    if name.endswith("_at") and isinstance(value, int | float):
        return f"{datetime.fromtimestamp(value, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
