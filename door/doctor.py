"""`gauntlet doctor`: what is missing, who holds which port, what to do. Read `holders.py` next.

Each check returns findings; a finding that needs an action makes the exit code 1.
"""

import argparse
import os
import re
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from urllib.parse import urlsplit

from door import holders, plan, ports, processes, state, valkey
from door.console import command_name
from door.errors import DoorError

ENOUGH_FILES = 1024
"""A worker lets 512 requests in (design section 3), each with a connection in and one out."""


@dataclass(frozen=True)
class Finding:
    """One line of the report; `todo` is what to do about it, empty when all is well."""

    subject: str
    fact: str
    todo: str = ""


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when `gauntlet up` would work or is up, 1 when something needs an action."""
    flags = argparse.ArgumentParser(prog="gauntlet doctor", description="Say what is in the way, and what to do.")
    plan.add_flags(flags)
    chosen = plan.make(flags.parse_args(argv), os.environ)
    findings = [*_packages(), *_store(chosen), *_home(chosen), *_open_files(), *_ports(chosen)]
    for finding in findings:
        print(f"{'!!' if finding.todo else 'ok'}  {finding.subject:<10} {finding.fact}")
        if finding.todo:
            print(f"    {'':<10} -> {finding.todo}")
    return 1 if any(finding.todo for finding in findings) else 0


def _packages() -> list[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    try:
        wanted = metadata.requires("gauntlet") or []
    except metadata.PackageNotFoundError:
        return [Finding("packages", f"gauntlet itself is not installed in Python {python}", "run `make up`")]
    names = [re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in wanted]
    missing = [name for name in names if not _installed(name)]
    if missing:
        return [Finding("packages", f"missing: {', '.join(missing)}", "run `make clean`, then `make up`")]
    return [Finding("packages", f"Python {python}, all {len(names)} direct dependencies are installed")]


def _installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def _store(chosen: plan.Plan) -> list[Finding]:
    try:
        if chosen.redis_url:
            valkey.ping(chosen.redis_url)
            return [Finding("state", f"{plan.without_password(chosen.redis_url)} answers PING")]
        return [Finding("state", f"embedded Valkey: {valkey.program()}")]
    except DoorError as error:
        fact, _, todo = str(error).rpartition("; ")
        return [Finding("state", fact, todo)]


def _home(chosen: plan.Plan) -> list[Finding]:
    up = state.read(chosen.home)
    nearest = next(folder for folder in (chosen.home, *chosen.home.parents) if folder.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        return [Finding("home", f"cannot write to {nearest}", "change its owner, or set GAUNTLET_HOME")]
    if up is None:
        return [Finding("home", f"{chosen.home}; nothing is up")]
    if processes.is_alive(up.supervisor):
        return [Finding("home", f"{chosen.home}; an up runs (pid {up.supervisor.pid})")]
    left = [f"{part.name} (pid {part.pid})" for part in up.parts if processes.group_members(part)]
    if left:
        todo = f"run `{command_name()} down`"
        return [Finding("home", f"left by an up that was killed: {', '.join(left)}", todo)]
    return [Finding("home", f"{chosen.home}; the last up was killed and left no process")]


def _open_files() -> list[Finding]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = soft != resource.RLIM_INFINITY and soft < ENOUGH_FILES
    return [
        Finding("open files", f"limit {soft}", f"run `ulimit -n {4 * ENOUGH_FILES}` before `make up`" if few else "")
    ]


def _ports(chosen: plan.Plan) -> list[Finding]:
    up = state.read(chosen.home)
    numbers = dict(chosen.ports)
    if up is not None and processes.is_alive(up.supervisor):  # what runs may have been moved by flags
        numbers = {name: urlsplit(url).port or numbers[name] for name, url in up.urls.items() if name in numbers}
    busy = {holder.port.name: holder for holder in holders.held(numbers, up)}
    findings = []
    for port in ports.TABLE:
        if port.name not in numbers:
            continue
        holder = busy.get(port.name)
        if holder is None:
            findings.append(Finding("port", f"{numbers[port.name]} ({port.name}) is free"))
        elif holder.part or port.name in chosen.moves:
            findings.append(Finding("port", str(holder).removeprefix("port ")))
        else:
            end = f"end it (`kill {holder.pid}`)" if holder.pid else "end it"
            findings.append(Finding("port", str(holder).removeprefix("port "), f"{end}, or set {port.variable}"))
    return findings
