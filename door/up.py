"""`gauntlet up`: plan, refuse if a port is held, start the parts, say how to use them, wait, end them.

Design section 1. Everything that can be wrong is checked before the first process starts. Read `plan.py` next.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from types import FrameType

from door import detach, greeting, holders, home, plan, ports, processes, running, state, valkey
from door.console import console
from door.errors import DoorError
from door.part import Part, PartFailed, Running
from door.parts import all_parts
from door.supervisor import Supervisor

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def parser() -> argparse.ArgumentParser:
    """The flags of `gauntlet up`."""
    flags = argparse.ArgumentParser(
        prog="gauntlet up",
        allow_abbrev=False,
        description="Start the collector, Valkey, the simulator, the service and the dashboard.",
    )
    plan.add_flags(flags)
    flags.add_argument("--workers", type=int, metavar="N", help=f"service processes (default {plan.DEFAULT_WORKERS})")
    flags.add_argument("--profile", choices=plan.PROFILES, help=f"default {plan.PROFILES[0]}, or GAUNTLET_PROFILE")
    flags.add_argument("--detach", action="store_true", help="return when all is ready; `gauntlet down` ends it")
    return flags


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when ended by a person, 1 when something was in the way or a part died, 2 for a wrong setting."""
    args = parser().parse_args(argv)
    chosen = plan.make(args, os.environ)
    try:
        if args.detach:
            return detach.run(argv, chosen)
        with home.hold(chosen.home):
            running.refuse_leftovers(chosen.home)
            held = _held_ports(chosen)
            for holder in [holder for holder in held if holder.port.name in chosen.moves]:
                chosen = _moved(chosen, holder)
                held.remove(holder)
            if held:
                move = f"{held[0].port.variable}={held[0].number % 60_000 + 1000} make up"
                raise DoorError(
                    "\n".join(["ports are held:", *_lines(held), f"end what holds them, or move ours: {move}"])
                )
            return _run_held(chosen)
    except home.AlreadyUp as error:
        raise DoorError("\n".join([str(error), *_lines(_held_ports(chosen))])) from None


def _run_held(chosen: plan.Plan) -> int:
    if chosen.redis_url:
        valkey.ping(chosen.redis_url)
    interrupted = _Interrupted()
    me = state.UpState(processes.name_of("up", os.getpid()), urls=chosen.urls())
    began = time.monotonic()

    def changed(running: Running) -> None:
        nonlocal me
        if running.ready_after_s is None:
            others = (part for part in me.parts if part.name != running.name.name)
            me = replace(me, parts=(*others, running.name))
            state.write(chosen.home, me)
        else:
            console().print(f"  {running.part.name:<10} ready after {running.ready_after_s:.1f} s")

    def revives(part: Part, failure: PartFailed) -> None:
        first_line = str(failure).splitlines()[0].rstrip(":")
        when = f"in {part.rest_s:g} s" if part.rest_s else "now"
        print(f"{first_line}\n{part.name} is started again {when}; the others go on", file=sys.stderr)

    supervisor = Supervisor(_ready_to_search(chosen), chosen.home / home.LOGS, interrupted, changed, revives)
    console().print("[bold]Gauntlet[/bold] starts …")
    try:
        if supervisor.start():
            greeting.say(chosen, time.monotonic() - began)
            me = replace(me, ready=True)
            state.write(chosen.home, me)  # after the words: `--detach` prints what was said
            supervisor.watch()
    except PartFailed as failure:
        print(f"gauntlet up: {failure}\nending the rest ...", file=sys.stderr)
        return failure.exit_code
    else:
        return 0
    finally:
        killed = supervisor.stop()
        state.clear(chosen.home)
        print("ended" + (f"; {', '.join(killed)} had to be killed" if killed else ""), file=sys.stderr)


AT_START = "GAUNTLET_RETRIEVAL__AT_START"
"""The service's setting for an index that is made ready before somebody needs it."""


def _ready_to_search(chosen: plan.Plan) -> tuple[Part, ...]:
    """The parts, and whoever asks the handbook first thing does not find its index unready."""
    told = {} if AT_START in chosen.configured else {AT_START: "true"}
    return tuple(
        replace(part, env={**part.env, **told}) if part.name == "service" else part for part in all_parts(chosen)
    )


class _Interrupted:
    """Whether a signal asked to end; once asked, the end is bounded by the parts' `stop_s`."""

    def __init__(self) -> None:
        self._asked = False
        for number in ENDING_SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # `nohup` means it
            signal.signal(number, self._note)

    def __call__(self) -> bool:
        return self._asked

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self._asked:
            with suppress(OSError):  # the terminal may be gone
                os.write(sys.stderr.fileno(), b"\nending ...\n")
        self._asked = True


def _held_ports(chosen: plan.Plan) -> list[holders.Holder]:
    return holders.held(chosen.ports, state.read(chosen.home))


def _moved(chosen: plan.Plan, holder: holders.Holder) -> plan.Plan:
    """Another port for one of ours whose usual one somebody else has."""
    number = ports.free_port(chosen.ports.values())
    console().print(f"{holder}; ours takes {number}", soft_wrap=True, markup=False)
    return replace(chosen, ports={**chosen.ports, holder.port.name: number})


def _lines(held: Sequence[holders.Holder]) -> list[str]:
    return [f"  {holder}" for holder in held]
