"""`gauntlet ask`: one question to the running service; prints the answer and the path it took through the stages.

Design section 4 (`POST /chat?explain=1`). Read `service/app.py` next, where the question arrives.
"""

import argparse
import http.client
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from door import running, wire
from door.console import command_name, console
from door.errors import DoorError, UsageError

TIMEOUT_S = 70.0
"""Longer than any deadline of the service: the service, not this command, decides when to give up."""


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when an answer came, 1 when the service is down or refused."""
    flags = argparse.ArgumentParser(prog="gauntlet ask", description="Send one question to the running service.")
    flags.add_argument("question")
    flags.add_argument("--key", default="demo-alice", help="API key (default demo-alice, of the workbench profile)")
    flags.add_argument("--url", help="base URL of the service (default: of the running `gauntlet up`)")
    flags.add_argument("--route", help="the route to take (default: the service's own)")
    flags.add_argument("--json", action="store_true", help="print the body of the response as it came")
    args = flags.parse_args(argv)
    question = {"text": args.question} | ({"route": args.route} if args.route else {})
    status, body = _post(args.url or running.url("service", os.environ), question, args.key)
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise DoorError(f"status {status}, and the body is no JSON: {body[:200]!r}") from error
    if not isinstance(answer, dict):
        raise DoorError(f"status {status}, and the body is no JSON object: {body[:200]!r}")
    if args.json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    elif "answer" in answer:
        console().print(_rendered(answer))
    else:
        print(_problem(status, answer), file=sys.stderr)
    return 0 if status == http.client.OK else 1


def _post(url: str, question: Mapping[str, str], key: str) -> tuple[int, bytes]:
    """Status and body of `POST /chat?explain=1`. Raises DoorError when nothing answers."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    if not (key and key.isascii() and key.isprintable()):
        raise UsageError("--key is empty or has characters that no API key has; copy it again")
    try:
        response = wire.exchange(url, "POST", "/chat?explain=1", json.dumps(question), headers, timeout_s=TIMEOUT_S)
    except TimeoutError as error:
        raise DoorError(f"{url} took the question and did not answer within {TIMEOUT_S:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        advice = f"start it with `make up`, or see `{command_name()} doctor`"
        raise DoorError(f"no service answers at {url} ({error}); {advice}") from error
    return response.status, response.body


def _rendered(answer: Mapping[str, Any]) -> Group:
    cited = _cited(answer.get("citations") or ())
    return Group(Text(answer["answer"], style="bold"), *cited, "", _path(answer.get("path", ())), "", _summary(answer))


def _cited(citations: Sequence[Mapping[str, Any]]) -> list[Text]:
    """What the numbers in the answer stand for, a line each; nothing where none is cited."""
    lines = [Text.assemble(f"[{one['n']}] {one['title']}  ", (str(one["source"]), "dim")) for one in citations]
    return [Text(), *lines] if lines else []


def _path(path: Sequence[Mapping[str, Any]]) -> Table:
    """A line per stage in the order in which the question reached it; never wider than the terminal."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("stage", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("why", style="dim")  # the one that gives way: its cells are cut, not wrapped
    for step in sorted(path, key=lambda step: float(step["t_ms"])):
        inputs = " ".join(f"{name}={_short(value)}" for name, value in step["inputs"].items())
        why = Text(inputs, no_wrap=True, overflow="ellipsis")
        table.add_row(step["stage"], Text(str(step["decision"])), f"{step['duration_ms']:.1f}", why)
    return table


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _summary(answer: Mapping[str, Any]) -> Padding:
    usage = answer.get("usage") or {}
    facts = {
        "source": answer["source"],
        "model": " ".join(filter(None, (answer.get("provider"), answer.get("model")))) or "none",
        "tokens": f"{usage.get('input_tokens', 0)} in, {usage.get('output_tokens', 0)} out",
        "cost": "the model has no known price" if answer["cost_usd"] is None else f"${answer['cost_usd']:.6f}",
        "degraded": ", ".join(answer["degraded"]) or "no",
        "request": answer["request_id"],
    }
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for name, fact in facts.items():
        table.add_row(
            Text(name, style="dim"), Text(fact, style="yellow" if name == "degraded" and fact != "no" else "")
        )
    return Padding(table, 0)


def _problem(status: int, problem: Mapping[str, Any]) -> str:
    """One line of an `application/problem+json` body (RFC 9457), and the request id to look for in the log."""
    lines = [f"gauntlet ask: {status} {problem.get('title', '')}: {problem.get('detail', problem)}"]
    if problem.get("request_id"):
        lines.append(f"  request {problem['request_id']}")
    return "\n".join(lines)
