"""A fake provider that is cheap enough not to be the bottleneck: Anthropic and OpenAI wire, JSON and SSE.

It answers every question with the same bytes after a delay, and counts. For faults, quotas and answers that mean
something there is the simulator; this one only has to be fast. Run as `python -m loadtests.bench.upstream`.

- `POST …/v1/messages` and `POST …/chat/completions`: the answer, as a stream when the body says `"stream": true`
- `PUT /control` `{"delay_ms": 50}`: set the delay and start the counts anew
- `GET /control`: the counts, `{"requests", "most_in_flight"}`

Read `apps.py` next: the handlers that call it.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterable
from typing import Any, cast

import uvloop

ANSWER = "Retries without jitter arrive together: the herd that broke the provider meets again at the same moment."
BACKLOG = 4096

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": ?true')


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _response(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\ncontent-length: %d\r\n\r\n%b"
    return head % (status, len(body), body)


def _events(events: Iterable[bytes]) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % body


def _anthropic_json() -> bytes:
    message = {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-7",
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": len(ANSWER.split())},
    }
    return _response(_json(message))


def _anthropic_stream() -> bytes:
    words = [word + " " for word in ANSWER.split()]
    start: dict[str, Any] = {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-7",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 1},
    }
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in words),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": len(words)}},
        {"type": "message_stop"},
    ]
    return _events(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _json(event)) for event in events)


def _openai_json() -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}
    tokens = len(ANSWER.split())
    completion = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 0,
        "model": "gpt-bench",
        "choices": [choice],
        "usage": {"prompt_tokens": 12, "completion_tokens": tokens, "total_tokens": 12 + tokens},
    }
    return _response(_json(completion))


def _openai_stream() -> bytes:
    base = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 0, "model": "gpt-bench"}
    deltas = [{"role": "assistant", "content": ""}, *({"content": word + " "} for word in ANSWER.split())]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    chunks = [_json({**base, "choices": [choice]}) for choice in choices]
    return _events(b"data: %b\n\n" % chunk for chunk in [*chunks, b"[DONE]"])


_ANSWERS = {
    (b"/v1/messages", False): _anthropic_json(),
    (b"/v1/messages", True): _anthropic_stream(),
    (b"/chat/completions", False): _openai_json(),
    (b"/chat/completions", True): _openai_stream(),
}
_NOT_FOUND = _response(_json({"error": "this upstream knows /v1/messages, /chat/completions and /control"}), b"404 X")


class _State:
    """The delay, and the counts since it was set."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0

    def control(self, method: bytes, body: bytes) -> bytes:
        if method == b"PUT":
            self.delay_s = float(json.loads(body)["delay_ms"]) / 1000
            self.requests, self.most_in_flight = 0, self.in_flight
        return _response(_json({"requests": self.requests, "most_in_flight": self.most_in_flight}))


class _Exchange(asyncio.Protocol):
    """One connection: HTTP/1.1 with keep-alive, one request at a time."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._buffer = b""
        self._pending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer = request = self._buffer + data if self._buffer else data
        head_end = request.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = _CONTENT_LENGTH.search(request, 0, head_end)
        if len(request) < head_end + 4 + (int(length[1]) if length else 0):
            return
        self._buffer = b""
        method, path, _ = request.split(b" ", 2)
        self._handle(method, path, request[head_end + 4 :])

    def _handle(self, method: bytes, path: bytes, body: bytes) -> None:
        if path == b"/control":
            self._transport.write(self._state.control(method, body))
            return
        wire = next((wire for wire, _ in _ANSWERS if path.endswith(wire)), b"")
        answer = _ANSWERS.get((wire, _STREAM.search(body) is not None), _NOT_FOUND)
        state = self._state
        state.requests += 1
        state.in_flight += 1
        state.most_in_flight = max(state.most_in_flight, state.in_flight)
        if state.delay_s:
            self._pending = asyncio.get_running_loop().call_later(state.delay_s, self._answer, answer)
        else:
            self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        self._pending = None
        self._state.in_flight -= 1
        self._transport.write(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._state.in_flight -= 1


async def serve() -> None:
    """Serve on a free loopback port until cancelled, and print a ready line like the service's."""
    state = _State()
    server = await asyncio.get_running_loop().create_server(lambda: _Exchange(state), "127.0.0.1", 0, backlog=BACKLOG)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    sys.stdout.write(json.dumps({"ready": True, "url": url}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
