"""The service: readiness, switches, breakers, and chats like any other client's. Read `simulator.py` next."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import urllib3
from urllib3.exceptions import HTTPError

from .http import Away, Backend, Refused, understood

SWITCHES_S = 1.0
CHAT_S = 30.0
"""Longest silence of a chat; the service has deadlines of its own that are shorter."""


_CIRCUIT = ("provider", "state", "failures", "probe_in_s", "paused_for_s")


def bearer(key: str) -> dict[str, str]:
    """The header that shows an API key. Raises Refused for what can be none."""
    if not (key.isascii() and key.isprintable()):
        raise Refused(401, "an API key is of ASCII characters; this one holds others (typographic quotes?)", "service")
    return {"Authorization": f"Bearer {key}"}


class Service(Backend):
    """The system under test. All raise Away and Refused."""

    @understood
    def ready(self) -> dict[str, Any]:
        """`{"status", "redis", "providers": [{"provider", "state", "failures", "probe_in_s", "paused_for_s"}]}`."""
        document: dict[str, Any] = self.ask("GET", "/ready", also=(503,))
        told = [{name: row[name] for name in _CIRCUIT} for row in document["providers"]]
        return {"status": document["status"], "redis": document["redis"], "providers": told}

    @understood
    def stages(self, key: str) -> dict[str, bool]:
        """Each stage, in order, and whether it is on."""
        stages = self.ask("GET", "/admin/stages", headers=bearer(key), read_s=SWITCHES_S)["stages"]
        return {str(name): bool(on) for name, on in stages.items()}

    @understood
    def switch(self, key: str, wanted: Mapping[str, bool]) -> list[str]:
        """Switch stages; the live workers that have not acknowledged within a second."""
        answer = self.ask("PUT", "/admin/stages", dict(wanted), headers=bearer(key))
        missing: list[str] = answer["not_acknowledged"]
        return missing

    def reset_breakers(self, key: str) -> None:
        """Close every circuit and end the pauses."""
        self.ask("POST", "/admin/breakers/reset", {}, headers=bearer(key))

    def chat_stream(
        self, key: str, body: Mapping[str, Any], *, request_id: uuid.UUID | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """`POST /chat/stream?explain=1` as (event, data), each as it comes: stage, delta, restart, done, error.

        An honest message, which comes as a document with status 503, is given as `stage` events and `done`; a refusal
        (4xx) raises Refused.
        """
        headers = bearer(key) | ({"X-Request-ID": str(request_id)} if request_id else {})
        response = self.response(
            "POST",
            "/chat/stream",
            dict(body),
            query={"explain": "1"},
            headers=headers,
            read_s=CHAT_S,
            also=(503,),
            whole=False,
            patient=True,
        )
        try:
            if "event-stream" in response.headers.get("content-type", ""):
                yield from _events(response)
            else:
                yield from self._told_whole(response.status, response.read())
        except (HTTPError, ValueError, KeyError) as error:
            raise Away(self.name, self.url, "the stream broke off") from error
        finally:
            response.close()

    def _told_whole(self, status: int, body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Away(self.name, self.url, f"status {status}, and the body is no JSON") from error
        if "answer" not in document:
            raise Refused(status, str(document.get("detail") or document.get("title") or status), self.name)
        for row in document.pop("path", ()):
            yield "stage", row
        yield "done", document


def _events(response: urllib3.BaseHTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events; comments (keep-alives) are passed over."""
    held = b""
    for chunk in response.stream(None):
        held += chunk
        *blocks, held = held.split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and line[:1] != b":")
            if b"data" in fields:
                yield fields.get(b"event", b"message").decode(), orjson.loads(fields[b"data"])
