"""Receivers for tests of one try: real HTTP servers that answer, redirect, hang, drip or speak TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answering(status: str, *headers: str, body: str = "") -> Answer:
    """A whole answer."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", body]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()

    return answer


async def hanging(writer: asyncio.StreamWriter) -> None:
    """Nothing, until the other side leaves."""
    await writer.wait_closed()


async def dripping_headers(writer: asyncio.StreamWriter) -> None:
    """A header every little while, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    number = 0
    while not writer.is_closing():
        number += 1
        writer.write(b"x-%d: y\r\n" % number)
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless_body(writer: asyncio.StreamWriter) -> None:
    """200, and a body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65536)
        await writer.drain()


async def dripping_body(writer: asyncio.StreamWriter) -> None:
    """200, and of the body never anything."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
    await writer.drain()
    await writer.wait_closed()


async def resetting(writer: asyncio.StreamWriter) -> None:
    """The connection ends before an answer."""
    writer.transport.abort()


async def no_http(writer: asyncio.StreamWriter) -> None:
    """Something else."""
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    await writer.drain()


@dataclass(slots=True)
class Receiver:
    """What arrived; ``port`` is where."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    bytes_read: int = 0

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/hook"


@asynccontextmanager
async def receiver(
    answer: Answer, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    """A server at ``host`` that answers every request like this."""
    got = Receiver(0)
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        got.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
            got.requests.append(head + await reader.readexactly(length))
            await answer(writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            busy.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    got.port = server.sockets[0].getsockname()[1]
    try:
        yield got
    finally:
        server.close()
        for task in list(busy):
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for ``name``, and a client's that trusts it and nothing else."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=str(cert))
