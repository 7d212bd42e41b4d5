"""Asking as people do: one question, many at once, a stream, any request (DESIGN section 4). Read `told.py` next.

Each request goes on a connection of its own, so that the kernel spreads them over the workers, and carries an id that
is made from the lab's seed and a count: the same cells in the same order meet the same faults.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from door import wire
from door.lab.answer import NOBODY, Answer, Answers
from door.lab.streamed import Streamed, follow
from door.lab.wires import TIMEOUT_S, Wires
from door.workbench import Workbench

NAMESPACE = uuid.UUID("6f1d6c1e-3f0c-5b5e-9d0a-8a4f5f6f7a01")
AT_ONCE = 20
NOT_RECORDED = "/health"
"""It touches nothing, the service's book included."""


class Asking(Wires):
    """The service, from outside.

    `user` is a demo key without its beginning: `alice` (of the tenant acme), `bob` (globex), `admin`, or `TENANT-USER`
    for whoever you like: `initech-carol`.
    """

    def __init__(self, running: Workbench, seed: int) -> None:
        super().__init__(running)
        self.seed = seed
        self._asked, self._counting = 0, threading.Lock()
        self._untold: set[str] = set()

    def ask(
        self, text: str, *, user: str = "alice", explain: bool = False, timeout_s: float = TIMEOUT_S, **more: Any
    ) -> Answer:
        """Send one question to `POST /chat`; `more` are its other fields: route, temperature, seed, thread_id …

        With `explain` the answer has its `path`. A refusal or a lost connection is an Answer, too, not an exception.
        """
        path = "/chat?explain=1" if explain else "/chat"
        return self.http("POST", path, {"text": text, **more}, user=user, timeout_s=timeout_s)

    def ask_many(
        self,
        texts: Iterable[str],
        *,
        at_once: int = AT_ONCE,
        user: str | Sequence[str] = "alice",
        every_s: float = 0.0,
        **more: Any,
    ) -> Answers:
        """Send many, so many of them at once; the answers in the order of `texts`.

        `user` is one for all or one for each. With `every_s` each begins so long after the one before, as people come,
        whether or not those before have their answers (then `at_once` bounds nothing but the threads).
        """
        asked = list(texts)
        users = [user] * len(asked) if isinstance(user, str) else list(user)
        ids = [self._new_id() for _ in asked]
        begin_s = time.monotonic()

        def one(n: int) -> Answer:
            time.sleep(max(0.0, begin_s + n * every_s - time.monotonic()))
            path = "/chat?explain=1" if more.get("explain") else "/chat"
            fields = {name: value for name, value in more.items() if name != "explain"}
            return self._exchange("POST", path, {"text": asked[n], **fields}, users[n], {}, TIMEOUT_S, ids[n])

        with ThreadPoolExecutor(max(1, min(at_once, len(asked)))) as threads:
            return Answers(threads.map(one, range(len(asked))))

    def stream(
        self, text: str, *, user: str = "alice", explain: bool = False, leave_after: int | None = None, **more: Any
    ) -> Streamed:
        """Send one question to `POST /chat/stream` and follow it to its end, or leave after so many deltas."""
        path = "/chat/stream?explain=1" if explain else "/chat/stream"
        request_id = self._new_id()
        headers = self._headers(user, request_id)
        body = json.dumps({"text": text, **more})
        streamed = follow(self.urls["service"], path, body, headers, request_id, leave_after)
        if streamed.status:
            self._untold.add(request_id)
        return streamed

    def http(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str = "alice",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """Any request to the service, as `user`."""
        return self._exchange(method, path, body, user, headers or {}, timeout_s, self._new_id())

    def at_once(self, count: int, method: str, path: str, body: Any = None, **more: Any) -> Answers:
        """The same request so many times at the same moment; `more` as for `http`."""
        with ThreadPoolExecutor(count) as threads:
            return Answers(threads.map(lambda _: self.http(method, path, body, **more), range(count)))

    def _new_id(self) -> str:
        with self._counting:
            self._asked += 1
            return str(uuid.uuid5(NAMESPACE, f"{self.seed}/{self._asked}"))

    def _headers(self, user: str, request_id: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer demo-{user}",
            "Content-Type": "application/json",
            "X-Request-ID": request_id,
        }

    def _exchange(
        self,
        method: str,
        path: str,
        body: Any,
        user: str,
        headers: Mapping[str, str],
        timeout_s: float,
        request_id: str,
    ) -> Answer:
        text = str(body.get("text", "")) if isinstance(body, Mapping) else ""
        sent = json.dumps(body) if body is not None else None
        began_s, began = time.time(), time.monotonic()
        try:
            response = wire.exchange(
                self.urls["service"],
                method,
                path,
                sent,
                {**self._headers(user, request_id), **headers},
                timeout_s=timeout_s,
            )
        except (OSError, http.client.HTTPException) as error:
            ms = (time.monotonic() - began) * 1000
            why = f"{type(error).__name__}: {error}"
            return Answer(NOBODY, ms, began_s, request_id, user, text, error=why)
        ms = (time.monotonic() - began) * 1000
        if path != NOT_RECORDED:
            self._untold.add(response.headers.get("x-request-id", request_id))
        return Answer(response.status, ms, began_s, request_id, user, text, _json(response.body), response.headers)


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"items": found}
