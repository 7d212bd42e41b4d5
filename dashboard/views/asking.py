"""Messages on their way: each asked by a thread of its own, and what came of it. Read `play_back.py` next.

A page may be drawn anew at any moment, by a click or a refresh; what was asked goes on meanwhile, and the page shows
it again from where it is. The threads are daemons: a process that ends does not wait for them.
"""

import random
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..backends.service import Service
from ..control.warm_up import SpendGuard
from ..settings import LIVE, current

MOST_AT_ONCE = 100
LIMITED = 429
"""The status of a refusal by the service's limiter."""

NOT_LIVE = (
    "In the live profile every call costs real money: one message at a time, with your own key. Load there "
    "needs `gauntlet load … --max-usd` in a terminal."
)
TICK_S = 0.1

Event = tuple[str, dict[str, Any]]
"""Name and data, as `Service.chat_stream` gives them."""


@dataclass(slots=True)
class Seen:
    """What some events of a request amount to; `take` them in order.

    `dropped`: what was said on a rung whose stream broke, and why it did. `done` and `error` are the last event's data.
    """

    path: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""
    dropped: list[tuple[str, str]] = field(default_factory=list)
    done: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    def take(self, name: str, data: dict[str, Any]) -> None:
        """One more event."""
        if name == "stage":
            self.path.append(data)
        elif name == "delta":
            self.said += str(data.get("text") or "")
        elif name == "restart":
            self.dropped.append((self.said, str(data.get("reason") or "unknown")))
            self.said = ""
        elif name == "done":
            self.done, self.said = data, str(data.get("answer") or "")
        elif name == "error":
            self.error = data


class Asked:
    """One message; `body` is what is sent beside the text.

    `failure` is what `chat_stream` raised, if it did; `took_ms` is None until it ended. `played` is for the page: how
    many of the events it has played back, so that it plays each once. `begun_s` is on the monotonic clock.
    """

    def __init__(self, text: str, body: Mapping[str, Any]) -> None:
        self.text, self.body = text, body
        self.played = 0
        self.begun_s = time.monotonic()
        self.request_id = uuid.uuid4()
        self.events: list[Event] = []
        self.failure: Away | Refused | None = None
        self.took_ms: float | None = None
        self._changed = threading.Condition()

    @property
    def ended(self) -> bool:
        """Whether no more comes."""
        return self.took_ms is not None

    @property
    def seen(self) -> Seen:
        """All that came so far."""
        seen = Seen()
        for event in list(self.events):
            seen.take(*event)
        return seen

    def ask(self, service: Service, key: str) -> None:
        """Ask, and take what comes until it ends. Raises nothing of the backend's."""
        self.begun_s = time.monotonic()
        try:
            for event in service.chat_stream(key, {"text": self.text, **self.body}, request_id=self.request_id):
                with self._changed:
                    self.events.append(event)
                    self._changed.notify_all()
        except (Away, Refused) as error:
            self.failure = error
        finally:
            with self._changed:
                self.took_ms = (time.monotonic() - self.begun_s) * 1000
                self._changed.notify_all()

    def follow(self) -> Iterator[Event | None]:
        """Each event as it comes, and None each time that a moment passed without one; ends with the request."""
        at = 0
        while True:
            with self._changed:
                if at == len(self.events) and not self.ended:
                    self._changed.wait(TICK_S)
                event = self.events[at] if at < len(self.events) else None
                if event is None and self.ended:
                    return
            at += event is not None
            yield event


class AtOnce:
    """The same message so many times at the same moment."""

    def __init__(self, text: str, body: Mapping[str, Any], number: int) -> None:
        self.text, self.body = text, body
        self.all = [Asked(text, body) for _ in range(min(number, MOST_AT_ONCE))]

    @property
    def ended(self) -> bool:
        """Whether all have."""
        return all(asked.ended for asked in self.all)


def ask(text: str, body: Mapping[str, Any], key: str) -> Asked:
    """Ask one message; `body` holds what is sent beside the text. Returns at once."""
    asked = Asked(text, body)
    _start([asked], key)
    return asked


def ask_at_once(text: str, body: Mapping[str, Any], key: str, number: int) -> AtOnce:
    """Ask the same message so many times at once. Returns at once; raises SpendGuard in the live profile."""
    if current().profile == LIVE:
        raise SpendGuard(NOT_LIVE)
    at_once = AtOnce(text, body, number)
    _start(at_once.all, key)
    return at_once


def _start(all_of_them: Sequence[Asked], key: str) -> None:
    service = backends().service
    gate = threading.Barrier(len(all_of_them))

    def go(asked: Asked) -> None:
        gate.wait()
        asked.ask(service, key)

    for asked in all_of_them:
        threading.Thread(target=go, args=(asked,), name="asking", daemon=True).start()


def made_new(text: str) -> str:
    """The question with a number, so that no stored answer fits."""
    return f"{text} (no. {random.randrange(10_000, 100_000)})"  # noqa: S311 - a number, not a secret
