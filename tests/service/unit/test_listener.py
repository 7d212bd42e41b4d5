"""The port of the workers: how many connections one turn of the event loop accepts."""

import asyncio
import socket

import pytest
import uvloop

from service.listener import BACKLOG, QUEUES, listen

CONNECTIONS = 160


def sent_to_a_worker(sockets: list[socket.socket]) -> list[socket.socket]:
    """What arrives there: sockets of their own, or other handles on the shared one."""
    copies: list[socket.socket] = []
    for one in sockets:
        given = one.__reduce__() if type(one) is not socket.socket else None
        copies.append(given[0](*given[1]) if isinstance(given, tuple) else one.dup())
    return copies


def turns_until_all_are_accepted(listeners: list[socket.socket]) -> int:
    """Connections wait in the backlog when the loop begins to turn; it is uvicorn's loop."""

    async def turned() -> int:
        accepted = 0

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                nonlocal accepted
                accepted += 1
                transport.close()

        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(Accepted, sock=one, backlog=BACKLOG) for one in listeners]
        waiting = [socket.create_connection(listeners[0].getsockname()) for _ in range(CONNECTIONS)]
        turns = 0
        while accepted < CONNECTIONS and turns < 10 * CONNECTIONS:
            await asyncio.sleep(0)  # one turn
            turns += 1
        for server in servers:
            server.close()
        for client in waiting:
            client.close()
        assert accepted == CONNECTIONS
        return turns

    return uvloop.run(turned())


def test_a_turn_of_the_loop_accepts_as_many_connections_as_there_are_sockets() -> None:
    sockets = listen("127.0.0.1", 0)
    try:
        assert len(sockets) == QUEUES
        assert len({one.getsockname() for one in sockets}) == 1
        turns = turns_until_all_are_accepted(sent_to_a_worker(sockets))
    finally:
        for one in sockets:
            one.close()
    assert turns < CONNECTIONS / 4, "a turn per connection is what one socket takes"


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", holder.getsockname()[1])
