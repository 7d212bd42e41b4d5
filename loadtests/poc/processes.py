"""Its processes: workers that serve, and a parent that says when they do and ends them at once (section 2).

A worker leaves SIGTERM its default action, for one that blocks in a call could not obey politely for minutes.
"""

import errno
import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
from multiprocessing.connection import Connection, wait
from typing import NoReturn

from .settings import BACKLOG, Poc

HOST = "127.0.0.1"
START_WITHIN_S = 60.0
LISTENS_PER_PROCESS = sys.platform == "linux"
"""Where the kernel spreads connections over sockets on one port; behind a shared one the first process to wake takes
all that wait, and keeps them while it blocks."""


def _work(poc: Poc, holder: socket.socket, ready: Connection) -> None:
    """Serve in this process until it is killed, or its parent is gone."""
    from .serving import serve  # here, because the parent has no use for the SDK and its imports

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the parent's to obey
    threading.Thread(target=_end_with_parent, daemon=True).start()
    address = holder.getsockname()
    listener = socket.create_server(address, backlog=BACKLOG, reuse_port=True) if LISTENS_PER_PROCESS else holder
    serve(poc, listener, lambda: ready.send(True))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _hold(port: int) -> socket.socket:
    """Take the port (0: a free one) for the processes. Raises OSError when it is taken."""
    if not LISTENS_PER_PROCESS:
        return socket.create_server((HOST, port), backlog=BACKLOG)
    if port:  # asked without SO_REUSEPORT, which would join another server on it
        socket.create_server((HOST, port)).close()
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((HOST, port))
    return holder


def run(poc: Poc, port: int) -> NoReturn:
    """Serve until SIGTERM or SIGINT, and exit: 0; 2 when the port is taken; 1 when a process ended by itself."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: sys.exit(0))  # daemons: they are killed on the way out
    try:
        holder = _hold(port)
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
        _exit(2, f"port {HOST}:{port} {why}; end what holds it, or name another with --port")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["loadtests.poc.serving"])  # imported once, not by each
    processes = []
    for _ in range(poc.processes):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(poc, holder, sender), daemon=True)
        process.start()
        sender.close()
        processes.append((process, receiver))
    for _, receiver in processes:
        try:
            served = receiver.poll(START_WITHIN_S) and receiver.recv()
        except EOFError:
            served = False
        if not served:
            _exit(1, f"a process did not serve within {START_WITHIN_S:g} s; what it said is above")
    print(
        json.dumps({"ready": True, "url": f"http://{HOST}:{holder.getsockname()[1]}", "pid": os.getpid()}), flush=True
    )
    wait([process.sentinel for process, _ in processes])
    _exit(1, "a process ended by itself; what it said is above")


def _exit(status: int, why: str) -> NoReturn:
    print(f"loadtests.poc: {why}", file=sys.stderr, flush=True)
    sys.exit(status)
