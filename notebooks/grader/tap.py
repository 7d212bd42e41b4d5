"""A tap on the way to a provider: bytes go both ways unchanged, and what was asked over how many connections is seen.

For exercises whose code brings its own client. It works in threads, for a client that blocks the event loop must not
block what it talks to; without an event loop of its own, for an SDK's client that nobody closed ends its connections in
whatever loop it is collected in. Read `world.py` next.
"""

import json
import socket
import socketserver
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httptools

CHUNK = 65_536
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it was sent: path, headers (names in lower case) and JSON body ({} for none)."""

    path: str
    headers: dict[str, str]
    document: dict[str, Any]

    @property
    def conversation(self) -> list[tuple[str, str]]:
        """(role, text) of a chat call, the system's words first, whichever way the vendor says it."""
        turns = [(one["role"], _text(one.get("content") or "")) for one in self.document.get("messages", ())]
        apart = [("system", _text(self.document["system"]))] if self.document.get("system") else []
        return apart + [("system" if role == "developer" else role, text) for role, text in turns]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(block["text"] for block in content)


class Tap:
    """Listens at `url` until `close`; `asked` is what was sent, `opened` and `open` count connections."""

    def __init__(self, target_url: str) -> None:
        place = urlsplit(target_url)
        self._target = place.hostname, place.port
        self.asked: list[Asked] = []
        self.opened = self.open = self.held = 0
        """`held` is how many requests were there when the first answer was let go."""
        self._until, self._within_s = 1, 0.0
        self._changed = threading.Condition()
        self._sockets: list[socket.socket] = []
        tap = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                tap._connection(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="tap", daemon=True).start()

    def hold(self, until: int, within_s: float) -> None:
        """Let no answer go until so many requests are there, or so much time of the wall has passed."""
        self._until, self._within_s = until, within_s

    def all_end(self, within_s: float) -> bool:
        """Wait until no connection is open, at most so long; whether it came to that."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.open, within_s)

    def close(self) -> None:
        """Listen no more, and end what is open."""
        self._server.shutdown()
        self._server.server_close()
        for one in self._sockets:
            _end(one)

    def _connection(self, here: socket.socket) -> None:
        with self._changed:
            self.opened += 1
            self.open += 1
        with suppress(OSError), socket.create_connection(self._target) as there:
            self._sockets += here, there
            for one in (here, there):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = threading.Thread(target=self._answers, args=(there, here), daemon=True)
            answers.start()
            self._requests(here, there)
            answers.join()
        with self._changed:
            self.open -= 1
            self._changed.notify_all()

    def _requests(self, here: socket.socket, there: socket.socket) -> None:
        parser = httptools.HttpRequestParser(_Request(self.asked))
        with suppress(OSError):
            while data := here.recv(CHUNK):
                with self._changed:
                    parser.feed_data(data)
                    self._changed.notify_all()
                there.sendall(data)
        _end(there)

    def _answers(self, there: socket.socket, here: socket.socket) -> None:
        with suppress(OSError):
            while data := there.recv(CHUNK):
                with self._changed:
                    self._changed.wait_for(lambda: self.held or len(self.asked) >= self._until, self._within_s)
                    self.held = self.held or len(self.asked)
                    self._changed.notify_all()
                here.sendall(data)
        _end(here)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


class _Request:
    """What httptools calls while it reads requests."""

    def __init__(self, asked: list[Asked]) -> None:
        self._asked = asked

    def on_message_begin(self) -> None:
        self._path, self._body = b"", b""
        self._headers: dict[str, str] = {}

    def on_url(self, part: bytes) -> None:
        self._path += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        document = json.loads(self._body) if self._body else {}
        self._asked.append(Asked(self._path.decode("latin-1"), self._headers, document))
