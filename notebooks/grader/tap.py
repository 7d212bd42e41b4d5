"""A tap on the way to a provider: bytes go both ways unchanged, and what was asked over how many connections is seen.

For exercises whose code brings its own client. Resets, hangs and leaving clients pass through, so that faults and the
ledger are as without it. It has a thread of its own: a client that blocks the event loop must not block what it talks
to. Read `world.py` next.
"""

import asyncio
import json
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httptools

CHUNK = 65_536


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
        self._host, self._port = place.hostname, place.port
        self.url = ""
        self.asked: list[Asked] = []
        self.opened = self.open = 0
        self.held = 0
        """How many requests were there when the first answer was let go."""
        self._enough, self._until, self._within_s = asyncio.Event(), 1, 0.0
        self._ended = threading.Condition()
        self._loop = asyncio.new_event_loop()
        listening = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), name="tap", daemon=True)
        self._thread.start()
        listening.wait()

    def hold(self, until: int, within_s: float) -> None:
        """Let no answer go until so many requests are there, or so much time of the wall has passed."""
        self._until, self._within_s = until, within_s

    def all_end(self, within_s: float) -> bool:
        """Wait until no connection is open, at most so long; whether it came to that."""
        with self._ended:
            return self._ended.wait_for(lambda: not self.open, within_s)

    def close(self) -> None:
        """Listen no more, and end what is open."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, listening: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connection, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        listening.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open += 1
        there, to_there = await asyncio.open_connection(self._host, self._port)
        ways = [
            asyncio.create_task(self._requests(reader, to_there)),
            asyncio.create_task(self._answers(there, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # closed: the task ends here
        finally:
            with self._ended:
                self.open -= 1
                self._ended.notify_all()
            was_reset = any(way.done() and not way.cancelled() and way.exception() for way in ways)
            for way in ways:
                way.cancel()
            for end in (writer, to_there):
                end.transport.abort() if was_reset else end.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = httptools.HttpRequestParser(_Request(self.asked))
        while data := await reader.read(CHUNK):
            parser.feed_data(data)
            if len(self.asked) >= self._until:
                self._enough.set()
            writer.write(data)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await asyncio.wait({asyncio.ensure_future(self._enough.wait())}, timeout=self._within_s)
            self.held = self.held or len(self.asked)
            self._enough.set()
            writer.write(data)
            await writer.drain()


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
