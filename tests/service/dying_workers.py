"""Worker processes of the tests that die at a given point of a given run, and are started again at once.

`python -m tests.service.dying_workers N` imports the worker once, forks N of it, and forks another for each that has
died, as `gauntlet up` would. Redis tells where who dies: hash `dies`, run id -> point; a point strikes once, one with a
`+` behind it when the run comes there for the second time. Points are `STEP:begin` (told, not done), `STEP:done` (done,
not told), `STEP:told` (told, no checkpoint), `STEP:kept` (in the checkpoint; `approve:kept+`: the decision is in it and
no step of it done), `execute:charged` (the money moved, nothing else), `wait`, `waits`, `finish` and `finished` (before
and after the run's status changes) and `over` (all is told, and the queue does not know). SIGUSR1 kills one at random.
Each death is a line of its standard error.
"""

import json
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from redis import Redis

from service import working
from service.settings import load
from service.tracks import agent_ends, agent_held, agent_runs, agent_steps, agent_track, checkpoints

DIES = "dies"
AGAIN = "+"


def patch(redis: Redis) -> None:
    """Let this process die where it is told to."""

    def dies(run_id: str, point: str) -> None:
        told = redis.hget(DIES, run_id)
        if told == f"{point}{AGAIN}".encode():
            redis.hset(DIES, run_id, point)
        elif told == point.encode() and redis.hdel(DIES, run_id):
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: Any, name: str, before: Callable[..., None], after: Callable[..., None]) -> None:
        inner: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def outer(self: Any, *args: Any, **more: Any) -> Any:
            before(self, *args)
            answer = await inner(self, *args, **more)
            after(self, *args)
            return answer

        setattr(owner, name, outer)

    held = agent_held.Held

    def nothing(*_: Any) -> None:
        """Not here."""

    around(held, "begin", nothing, lambda self, step: dies(self.run.run_id, f"{step}:begin"))
    around(
        held,
        "end",
        lambda self: dies(self.run.run_id, f"{self.at}:done"),
        lambda self: dies(self.run.run_id, f"{self.at}:told"),
    )
    around(held, "wait", lambda self: dies(self.run.run_id, "wait"), lambda self: dies(self.run.run_id, "waits"))
    around(held, "finish", lambda self: dies(self.run.run_id, "finish"), lambda self: dies(self.run.run_id, "finished"))
    around(agent_ends.Ends, "tell", nothing, lambda self, run: dies(run.run_id, "over"))
    around(agent_steps.Steps, "_pay", nothing, lambda self, *_: dies(self._run.run_id, "execute:charged"))

    def kept(self: checkpoints.Fenced, *_: Any) -> None:
        owner: agent_held.Held = self._check.__self__  # type: ignore[attr-defined]  # it is the hold's own method
        dies(owner.run.run_id, f"{owner.at}:kept")

    around(checkpoints.Fenced, "aput_writes", nothing, kept)


def child(url: str) -> None:
    """One worker, until it dies."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    patch(Redis.from_url(url))
    heard, ready = multiprocessing.Pipe(duplex=False)
    working.work(ready)
    heard.close()


def main(count: int) -> None:
    """Fork, and fork again."""
    assert agent_track, "imported here, once"
    assert agent_runs
    url = load().redis_url
    living: set[int] = set()
    ends = False

    def fork() -> None:
        pid = os.fork()
        if pid == 0:
            child(url)
            os._exit(0)
        living.add(pid)

    def end(*_: Any) -> None:
        nonlocal ends
        ends = True
        for pid in living:
            os.kill(pid, signal.SIGTERM)

    def kill_one(*_: Any) -> None:
        os.kill(random.choice(sorted(living)), signal.SIGKILL)  # noqa: S311

    for _ in range(count):
        fork()
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGUSR1, kill_one)
    print(json.dumps({"ready": True}), flush=True)
    while living:
        pid, status = os.wait()
        living.discard(pid)
        if not ends:
            print(json.dumps({"event": "died", "pid": pid, "signal": os.WTERMSIG(status)}), file=sys.stderr, flush=True)
            fork()


if __name__ == "__main__":
    main(int(sys.argv[1]))
