"""A listener of the simulator: real HTTP that can also be reset, cut short or refused (DESIGN section 5).

uvicorn's httptools protocol parses and writes HTTP; the subclass here adds what a fault needs: a reset (RST instead of
FIN), and to hear at once that a client has left. The listener can close its socket and come back on the same port.
Read `call.py` next: it uses a connection for one exchange.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

log = logging.getLogger("loadtests.simulator")

BACKLOG = 8192
"""Connections that may wait to be accepted (the kernel may allow fewer)."""

KEEP_ALIVE_S = 75
"""Idle connections are kept this long: longer than the pools of the SDKs keep theirs, so that no race resets them."""

CLOSE_S = 0.5
"""Calls have this long to write their rows when the listener closes."""

_NO_LINGER = struct.pack("ii", 1, 0)


class Connection(HttpToolsProtocol):
    """One connection. An ASGI app finds it in its scope under "connection"."""

    _watch: asyncio.Future[bool] | None = None
    gone = False
    is_wanted: Callable[[], bool]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or reset it: it may have been accepted just before the port was closed."""
        super().connection_made(transport)
        if not self.is_wanted():
            self.reset()

    def on_message_begin(self) -> None:
        """Start a request: its scope carries this connection."""
        super().on_message_begin()
        self.scope["connection"] = self  # type: ignore[typeddict-unknown-key]

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for the client to leave."""
        self.gone = True
        if self._watch is not None and not self._watch.done():
            self._watch.set_result(True)
        super().connection_lost(exc)

    async def leaves_within(self, seconds: float | None) -> bool:
        """Wait `seconds` (None: without end); return True at once when the client leaves, False when it stayed."""
        if self.gone:
            return True
        self._watch = watch = self.loop.create_future()
        timer = None if seconds is None else self.loop.call_later(seconds, _stayed, watch)
        try:
            left: bool = await watch
        finally:
            self._watch = None
            if timer is not None:
                timer.cancel()
        return left

    def reset(self) -> None:
        """End the connection with a TCP reset; what was written and not yet sent is lost."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        if not self.transport.is_closing():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete


def _stayed(watch: asyncio.Future[bool]) -> None:
    if not watch.done():
        watch.set_result(False)


class PortInUseError(Exception):
    """A port is held by someone else; the message names it."""


class Listener:
    """Serves one ASGI app on one port; `refuse(True)` closes it, `refuse(False)` listens again on the same port."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._config = Config(
            app,
            interface="asgi3",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._config.load()
        self._state = ServerState()
        self._server: asyncio.AbstractServer | None = None
        self._reserved: socket.socket | None = None
        self._accepting = False
        self._refusing = False
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Bind (port 0: any free port, then kept) and serve. Raises PortInUseError."""
        sock = self._bind()
        self.port = sock.getsockname()[1]
        sock.listen(BACKLOG)
        self._accepting = True
        self._server = await asyncio.get_running_loop().create_server(self._connection, sock=sock, backlog=BACKLOG)

    async def refuse(self, wanted: bool) -> None:
        """Close the port and reset idle connections, or listen again. Calls in flight go on to their end."""
        self._refusing = wanted
        async with self._lock:
            if self._refusing and self._server is not None:
                await self._stop_listening()
            elif not self._refusing and self._server is None:
                await self._listen_again()

    async def close(self) -> None:
        """Close the port and reset every connection; calls that wait end at once, since their client is gone."""
        async with self._lock:
            self._stop_accepting()
            self._release()
            for connection in self._connections():
                connection.reset()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=CLOSE_S)

    async def _stop_listening(self) -> None:
        self._stop_accepting()
        # A socket that is bound but does not listen keeps the port ours while connects to it are refused.
        self._reserved = self._bind()
        for connection in self._connections():
            if connection.idle:
                connection.reset()
            else:
                connection.cycle.keep_alive = False

    async def _listen_again(self) -> None:
        self._release()
        try:
            await self.open()
        except PortInUseError as error:
            log.error("the window of refused has ended, but %s", error)  # noqa: TRY400 - the message says it all

    def _release(self) -> None:
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    def _bind(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        try:
            sock.bind((self.host, self.port))
        except OSError as error:
            sock.close()
            raise PortInUseError(f"cannot listen on {self.host}:{self.port}: {error.strerror}") from error
        return sock

    def _stop_accepting(self) -> None:
        self._accepting = False
        if self._server is not None:
            self._server.close()
            self._server = None

    def _connection(self) -> Connection:
        connection = Connection(self._config, self._state, {})
        connection.is_wanted = lambda: self._accepting
        return connection

    def _connections(self) -> list[Connection]:
        return [connection for connection in self._state.connections if isinstance(connection, Connection)]
