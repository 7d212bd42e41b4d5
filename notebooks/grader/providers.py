"""Calls that a probe hands to the learner's code: real HTTP to the simulator, one attempt each, seen on the timeline.

Each stands for what a provider's SDK does in one attempt with retries off; the exercise "providers" uses the SDKs
themselves. Read `world.py` next.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from .clock import Clock
from .store import Died, Store
from .timeline import CALLS, Timeline

MODELS = {"anthropic": "claude-opus-4-7", "openai": "gpt-4o-mini"}
PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}
TIMEOUT_S = 1.0
"""By the wall clock; a call that hangs is given up then."""

Message = Mapping[str, str]
Raises = Callable[[int | None, float | None], Exception]
"""What a failed call raises: of its status (None: no answer came) and of Retry-After in seconds, where it had one."""


@dataclass(slots=True)
class Call:
    """One call as the learner's code saw it, in seconds of its clock."""

    attempt: int
    at_s: float
    until_s: float
    status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider gave, and the tokens that it will bill. `text` is empty where the answer had no content."""

    text: str
    input_tokens: int
    output_tokens: int


class Provider:
    """`await provider(messages)` is one call to a model and its answer's text; `calls` is what was called.

    `answer` is the same with what it used, for code that names request and attempt itself. `timeout_s` may be set.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        target: str,
        request_id: str,
        clock: Clock,
        timeline: Timeline,
        raises: Raises,
        takes_s: float = 0.0,
    ) -> None:
        self._http, self._url, self.target, self._request_id = http, url, target, request_id
        self._clock, self._timeline, self._raises, self._takes_s = clock, timeline, raises, takes_s
        self.model, self.timeout_s = MODELS[target], TIMEOUT_S
        self.calls: list[Call] = []

    async def __call__(self, messages: Sequence[Message], **parameters: Any) -> str:
        """The text of the answer. Raises what `raises` makes of a failure."""
        return (await self.answer(messages, **parameters)).text

    async def answer(
        self,
        messages: Sequence[Message],
        *,
        request_id: str | None = None,
        attempt: int | None = None,
        **parameters: Any,
    ) -> Answer:
        """The answer; `request_id` and `attempt` are as the ledger will have them. Raises as a plain call does."""
        call = Call(len(self.calls) + 1 if attempt is None else attempt, self._clock.now(), self._clock.now())
        self.calls.append(call)
        event = self._timeline.add(f"{self.target} {CALLS}", call.at_s, ok=False, words="under way")
        try:
            if self._takes_s:
                await self._clock.wait(self._takes_s)
            with self._clock.busy():
                call.status, document, call.retry_after_s = await self._send(
                    request_id or self._request_id, call.attempt, messages, parameters
                )
        finally:
            call.until_s = event.until_s = self._clock.now()
            event.words, event.ok = str(call.status or "no answer"), call.status == 200
        if call.status != 200:
            raise self._raises(call.status, call.retry_after_s)
        return _answer(self.target, document)

    async def _send(
        self, request_id: str, attempt: int, messages: Sequence[Message], parameters: Mapping[str, Any]
    ) -> tuple[int | None, dict[str, Any], float | None]:
        headers = {
            "x-api-key": "key",
            "anthropic-version": "2026-10-21",
            "authorization": "Bearer key",
            "content-type": "application/json",
            "x-request-id": request_id,
            "x-attempt": str(attempt),
        }
        body = {"model": MODELS[self.target], **_body(self.target, messages), **parameters}
        timeout = aiohttp.ClientTimeout(total=self.timeout_s)
        try:
            async with self._http.post(
                self._url + PATHS[self.target], data=json.dumps(body), headers=headers, timeout=timeout
            ) as answer:
                wait = answer.headers.get("retry-after")
                return answer.status, json.loads(await answer.text()), None if wait is None else float(wait)
        except (aiohttp.ClientError, TimeoutError):
            return None, {}, None


def _body(target: str, messages: Sequence[Message]) -> dict[str, Any]:
    if target != "anthropic":
        return {"messages": list(messages)}
    system = "\n".join(one["content"] for one in messages if one["role"] == "system")
    rest = [one for one in messages if one["role"] != "system"]
    return {"max_tokens": 200, "messages": rest, **({"system": system} if system else {})}


def _answer(target: str, document: Mapping[str, Any]) -> Answer:
    usage = document["usage"]
    if target == "anthropic":
        text = "".join(block["text"] for block in document["content"])
        return Answer(text, usage["input_tokens"], usage["output_tokens"])
    text = "".join(choice["message"]["content"] for choice in document["choices"])
    return Answer(text, usage["prompt_tokens"], usage["completion_tokens"])


class Payments:
    """`await charge(amount, currency, key)` is one call to the payments provider, and the charge that it made."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        request_id: str,
        clock: Clock,
        timeline: Timeline,
        raises: Raises,
        account: str,
        takes_s: float = 0.0,
    ) -> None:
        self._http, self._url, self._request_id, self._account = http, url, request_id, account
        self._clock, self._timeline, self._raises, self._takes_s = clock, timeline, raises, takes_s
        self.calls: list[Call] = []
        self.dies: str = ""
        """`before` or `after` the money moves: there the replica that calls is gone, with its store."""
        self.store: Store | None = None

    async def __call__(self, amount: int, currency: str, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """The charge's document. Raises what `raises` makes of a failure (status None: no answer came), or Died."""
        self._die("before")
        document = await self._charge(amount, currency, key, fields)
        self._die("after")
        return document

    def _die(self, moment: str) -> None:
        if self.dies == moment:
            if self.store is not None:
                self.store.dead = True
            raise Died

    async def _charge(self, amount: int, currency: str, key: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
        call = Call(len(self.calls) + 1, self._clock.now(), self._clock.now())
        self.calls.append(call)
        event = self._timeline.add(f"payments {CALLS}", call.at_s, words="under way", ok=False)
        bearer = f"Bearer {self._account}"
        headers = {"authorization": bearer, "x-request-id": self._request_id, "x-attempt": str(call.attempt)}
        headers |= {"idempotency-key": key} if key is not None else {}
        body = json.dumps({"amount": amount, "currency": currency, **fields})
        document: dict[str, Any] = {}
        try:
            if self._takes_s:
                await self._clock.wait(self._takes_s)
            with self._clock.busy():
                timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
                url = f"{self._url}/v1/charges"
                async with self._http.post(url, data=body, headers=headers, timeout=timeout) as answer:
                    document = json.loads(await answer.text())
                    call.status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            call.status = None
        finally:
            call.until_s = event.until_s = self._clock.now()
            event.words, event.ok = str(call.status or "no answer"), call.status == 200
        if call.status != 200:
            raise self._raises(call.status, None)
        return document
