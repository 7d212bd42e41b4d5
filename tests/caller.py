"""A user of the service under test. `Stack.caller` makes one. Read `simulator.py` next: whom the service calls."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .answer import Answer, parse_events

if TYPE_CHECKING:
    from .stack import Stack


@dataclass(slots=True)
class Caller:
    """A user of the service; every request on a fresh connection, so that both workers serve."""

    stack: Stack
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """Authorization."""
        return {"Authorization": f"Bearer {self.key}"}

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; ``body`` as JSON or ``data`` as it is."""
        return await self.stack.request(
            method, self.stack.url + path, body, data=data, headers={**self.headers, **(headers or {})}
        )

    async def chat(self, text: str = "", *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        """POST /chat; a question of its own when no text is given."""
        text = text or f"What does note n{uuid.uuid4().hex[:12]} say about retries?"
        return await self.request("POST", "/chat", {"text": text, **more}, headers=headers)

    async def refund(self, key: str, **body: Any) -> Answer:
        """POST /refund."""
        given = {"charge": "ch_1", "amount": 1250, "currency": "usd", **body}
        return await self.request("POST", "/refund", given, headers={"Idempotency-Key": key})

    async def events(self, path: str, body: Any) -> list[tuple[str, Any]]:
        """The server-sent events of one stream as (event, data); OpenAI's nameless events are called ``data``."""
        answer = await self.request("POST", path, body)
        assert answer.status == 200, answer.body
        return parse_events(answer.body)

    async def stream(self, text: str = "", **more: Any) -> list[tuple[str, Any]]:
        """POST /chat/stream, read to its end."""
        text = text or f"What does note n{uuid.uuid4().hex[:12]} say about breakers?"
        return await self.events("/chat/stream", {"text": text, **more})
