"""The body of a request, read and inflated within bounds. Read `otlp.py` next, which decodes it."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from .answers import ProblemError
from .settings import MIB

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
"""zlib's word for: tell by the header which of the two it is."""

ENCODINGS = ("gzip", "deflate", "identity")


class ClientLeftError(Exception):
    """The client is gone before its request was read; nobody waits for an answer."""


async def read(receive: Receive, headers: dict[bytes, bytes], most: int) -> bytes:
    """The body as sent. Raises ProblemError (413 when it is larger than `most` bytes), ClientLeftError."""
    told = headers.get(b"content-length", b"0")
    if told.isdigit() and int(told) > most:
        raise _too_large(most)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def inflate(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its content-encoding; never more than `most` bytes of it are made.

    Raises ProblemError: 415 for another encoding, 400 for what is none, 413 for what becomes too large.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in ENCODINGS:
        accepted = ", ".join(ENCODINGS)
        raise ProblemError(
            415, f"content-encoding is {encoding!r}; expected one of {accepted}", headers={"accept-encoding": accepted}
        )
    try:
        parts, left = [], most
        for part in _members(body, most):
            left -= len(part)
            if left < 0:
                raise _too_large(most)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except zlib.error as error:
        raise ProblemError(400, f"the body is not {encoding}: {error}") from error


def _members(body: bytes, most: int) -> Iterable[bytes]:
    """Each member of the body; gzip allows several, one after the other."""
    while body:
        inflating = zlib.decompressobj(_GZIP_OR_ZLIB)
        yield inflating.decompress(body, most + 1)
        if not inflating.eof and not inflating.unconsumed_tail:
            raise zlib.error("it ends too early")
        body = inflating.unused_data


def _too_large(most: int) -> ProblemError:
    return ProblemError(413, f"the body has more than {most / MIB:g} MiB; send smaller batches")
