"""The port that all workers share, so that a burst of new connections is spread over them.

On Linux each worker listens on sockets of its own (SO_REUSEPORT, socket(7)) and the kernel spreads new connections by
a hash of their addresses. Behind one shared socket whichever worker wakes first takes the whole backlog: one fills up
and refuses while the others are idle (``docs/adr/0007``). macOS gives all connections to one of such sockets, so there
the workers share one.

uvloop accepts one connection per socket and turn of its loop. So a worker that is busy would leave new connections in
the backlog for seconds, where nobody can refuse them; with ``QUEUES`` sockets each it takes up to as many per turn
(``docs/adr/0015``). Next: ``app.py``.
"""

import socket
import sys

BACKLOG = 8192
QUEUES = 16
"""Listening sockets of a worker."""

PER_WORKER = sys.platform == "linux"


def listen(host: str, port: int) -> list[socket.socket]:
    """Take ``host:port`` (0: a free port); what comes back is for uvicorn to hand to each of its workers.

    Raises OSError when the port is taken or the address is not ours.
    """
    if PER_WORKER and not port:
        return _own(host, port)
    shared = _bound(socket.socket(_family(host)), host, port)
    try:
        shared.listen(BACKLOG)
    except BaseException:
        shared.close()
        raise
    if PER_WORKER:  # the port is free; to ask that with SO_REUSEPORT would have joined another service on it
        shared.close()
        return _own(host, port)
    sockets = [shared]
    try:
        sockets += [shared.dup() for _ in range(QUEUES - 1)]
    except BaseException:
        shared.close()
        raise
    for one in sockets:
        one.set_inheritable(True)
    return sockets


def _own(host: str, port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for _ in range(QUEUES):
            sockets.append(WorkersOwn(host, sockets[0].getsockname()[1] if sockets else port))
    except BaseException:
        for one in sockets:
            one.close()
        raise
    return sockets


class WorkersOwn(socket.socket):
    """Keeps the address and does not listen; sent to a worker, it arrives as another socket on the same address."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(_family(host))
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _bound(self, host, port)

    def __reduce__(self) -> tuple[type["WorkersOwn"], tuple[str, int]]:
        host, port = self.getsockname()[:2]
        return WorkersOwn, (host, port)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bound(unbound: socket.socket, host: str, port: int) -> socket.socket:
    unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        unbound.bind((host, port))
    except BaseException:
        unbound.close()
        raise
    return unbound
