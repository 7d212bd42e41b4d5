"""The service: readiness, switches, breakers, chats like any other client's, and what is done after the answer.

Rows of lists are given as the service tells them; what the pages need of each is looked at here, so that a lie counts
as no answer. Read `simulator.py` next.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
import urllib3
from urllib3.exceptions import HTTPError

from .http import Away, Backend, Refused, understood

SWITCHES_S = 1.0
CHAT_S = 30.0
"""Longest silence of a chat; the service has deadlines of its own that are shorter."""
BEGIN_S = 5.0
"""A click that begins something may wait for this: the service looks up where a webhook goes before it answers."""

Row = Mapping[str, Any]

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

    def jobs(self, key: str, *, limit: int) -> list[Row]:
        """Jobs, newest first; with an admin's key everybody's."""
        return self._listed(key, "/jobs", "jobs", ("job_id", "status", "created_at"), {"limit": str(limit)})

    def runs(self, key: str, *, limit: int, status: str | None = None) -> list[Row]:
        """Runs of the agent, newest first, of one status or of all; with an admin's key everybody's."""
        query = {"limit": str(limit)} | ({"status": status} if status else {})
        rows = self._listed(key, "/agent", "runs", ("run_id", "status", "created_at", "steps", "owner"), query)
        return rows[:limit]

    def messages(self, key: str, state: str, *, limit: int) -> list[Row]:
        """Webhook messages of a state (`pending`, `delivered`, `dead`), newest first."""
        needs = ("id", "event", "subject_id", "url", "tries", "created_at")
        query = {"state": state, "limit": str(limit)}
        return self._listed(key, "/admin/webhooks", "webhooks", needs, query)

    @understood
    def begin(self, key: str, path: str, body: Row, *, once: str) -> str:
        """`POST /jobs` or `/agent`: the id of the job or run; the same for the same `once` (its Idempotency-Key)."""
        headers = bearer(key) | {"Idempotency-Key": once}
        told = self.ask("POST", path, dict(body), headers=headers, read_s=BEGIN_S)
        return str(told["job_id"] if "job_id" in told else told["run_id"])

    @understood
    def seen(self, key: str, path: str) -> Row:
        """One job or run as its own path tells it."""
        told: Row = self.ask("GET", path, headers=bearer(key))
        return {**told, "status": told["status"]}

    def decide(self, key: str, run_id: str, decision: str, *, once: str) -> None:
        """Approve or reject what a run waits with, once; Refused with 409 when that is decided."""
        headers = bearer(key) | {"Idempotency-Key": once}
        self.ask("POST", f"/agent/{quote(run_id, safe='')}/resume", {"decision": decision}, headers=headers)

    def redrive(self, key: str, message_id: str) -> None:
        """Send a dead message off again."""
        self.ask("POST", f"/admin/webhooks/{quote(message_id, safe='')}/redrive", {}, headers=bearer(key))

    @understood
    def _listed(self, key: str, path: str, name: str, needs: Sequence[str], query: Mapping[str, str]) -> list[Row]:
        told = self.ask("GET", path, query=query, headers=bearer(key))[name]
        return [{**row, **{need: row[need] for need in needs}} for row in told]

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
