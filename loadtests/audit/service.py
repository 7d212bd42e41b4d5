"""The audited service as its clients see it: people with keys, questions, refunds, /health. Read `provider.py` next.

Every request is on a connection of its own, so that whoever spreads connections over workers does so.
"""

import asyncio
import itertools
import math
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from loadtests.audit import paths
from loadtests.audit.shape import Shape, secret

LIMITED = 429
AGAIN_AT_MOST = 20
LONGEST_WAIT_S = 60.0
MANY = 1000
"""More people than any probe wants."""
PATIENCE_S = 60.0
"""How long an answer is waited for where the wait is not what is judged."""


class PurseEmpty(Exception):
    """What the audit may spend is spent."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user; `name` is how logs may know them, `headers` what shows who they are."""

    name: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer read to its end; `status` None: none came in time, or the connection broke (`why`)."""

    status: int | None
    request_id: str
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    took_s: float = 0.0
    why: str = ""

    @property
    def document(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return orjson.loads(self.text)
        except ValueError:
            return None

    @property
    def is_ok(self) -> bool:
        """Whether it is 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def said(self) -> str:
        """The status in words."""
        return str(self.status) if self.status is not None else f"no answer ({self.why})"


class Service:
    """Asks the service that a shape describes. `most_usd` bounds what may be spent; None: nothing costs money."""

    def __init__(self, shape: Shape, session: aiohttp.ClientSession, run: str, most_usd: float | None = None) -> None:
        self.shape = shape
        self.url = shape.service
        self._session = session
        self._run = run
        self._most_usd = most_usd
        self.spent_usd = 0.0
        self.asked = 0
        self._users = itertools.cycle(shape.keys.users.items())
        self._numbers = itertools.count(1)
        self._questions = itertools.count(1)

    @property
    def costs(self) -> bool:
        """Whether answers may cost real money: then nobody's money is moved and nobody's store paused."""
        return self._most_usd is not None

    @property
    def people(self) -> int:
        """How many different people there can be."""
        keys = self.shape.keys
        if not keys.header:
            return 1
        return len(keys.users) or MANY

    def person(self) -> Person:
        """Somebody else than last time, if there is somebody else. Raises ShapeError for a key that is not there."""
        keys = self.shape.keys
        if keys.users:
            name, key = next(self._users)
            key = secret(key)
        else:
            name = f"u{next(self._numbers)}"
            key = keys.template.replace("{run}", self._run).replace("{user}", name)
        return Person(name, {keys.header: keys.value.replace("{key}", key)} if keys.header else {})

    def question(self) -> str:
        """One that nobody asked before."""
        return f"What does note {self._run}x{next(self._questions)} say about retries?"

    def questions(self, count: int) -> list[str]:
        """So many of them."""
        return [self.question() for _ in range(count)]

    async def ask(
        self,
        person: Person,
        question: str,
        *,
        thread: str | None = None,
        url: str = "",
        patient: bool = True,
        within_s: float = PATIENCE_S,
    ) -> Reply:
        """One question. Who is patient comes again when told 429, after the time that it was told.

        Raises PurseEmpty, before it is sent.
        """
        chat = self.shape.chat
        body = paths.placed(chat.fields, chat.question, question)
        if thread and chat.thread_sent:
            body = paths.placed(body, chat.thread_sent, thread)
        for _ in range(AGAIN_AT_MOST):
            self._pay_ahead()
            reply = await self.send("POST", (url or self.url) + chat.path, body, person.headers, within_s=within_s)
            self._pay(reply)
            if reply.status != LIMITED or not patient:
                break
            await asyncio.sleep(_told_s(reply))
        return reply

    def answer(self, reply: Reply) -> str:
        """The text of an answer, empty where there is none."""
        return str(paths.found(reply.document, self.shape.chat.answer) or "")

    def thread(self, reply: Reply) -> str | None:
        """The conversation that an answer belongs to."""
        told = self.shape.chat.thread_told
        found = paths.found(reply.document, told) if told else None
        return None if found is None else str(found)

    async def refund(self, person: Person, amount: int, key: str | None, url: str = "") -> Reply:
        """One side effect; without a key the header is left out."""
        refund = self.shape.refund
        body = paths.placed(refund.body, refund.amount, amount)
        headers = {**person.headers, **({} if key is None else {refund.key_header: key})}
        return await self.send("POST", (url or self.url) + refund.path, body, headers)

    async def get(self, path: str, *, within_s: float = 10.0) -> Reply:
        """GET of a path such as `/health`, as nobody in particular."""
        return await self.send("GET", self.url + path, within_s=within_s)

    async def send(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        within_s: float = PATIENCE_S,
    ) -> Reply:
        """Any request; whatever comes of it is a reply."""
        request_id = str(uuid.uuid4())
        given = {"Content-Type": "application/json", **(headers or {})}
        named = self.shape.chat.request_id_header
        if named:
            given[named] = request_id
        began = time.perf_counter()
        timeout = aiohttp.ClientTimeout(total=within_s)
        data = None if body is None else orjson.dumps(body)
        try:
            async with self._session.request(
                method, url, data=data, headers=given, timeout=timeout, allow_redirects=False
            ) as response:
                text = await response.text(errors="replace")
        except TimeoutError:
            return Reply(None, request_id, took_s=time.perf_counter() - began, why=f"none within {within_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            took_s = time.perf_counter() - began
            return Reply(None, request_id, took_s=took_s, why=str(error) or type(error).__name__)
        told = response.headers.get(named, "") if named else ""
        took_s = time.perf_counter() - began
        return Reply(response.status, told or request_id, response.headers, text, took_s)

    def _pay_ahead(self) -> None:
        """Put aside what a question may cost, so that many at once cannot pass the limit together."""
        if self._most_usd is not None and self.spent_usd + self.shape.usd_per_question > self._most_usd:
            raise PurseEmpty(f"${self.spent_usd:.4f} of ${self._most_usd:g} are spent")
        self.asked += 1
        self.spent_usd += self.shape.usd_per_question

    def _pay(self, reply: Reply) -> None:
        aside_usd, told = self.shape.usd_per_question, None
        if self.shape.chat.cost_usd:
            told = paths.found(reply.document, self.shape.chat.cost_usd)
        # Nothing, or less, is what a service says that does not know: what was put aside stays spent.
        if isinstance(told, (int, float)) and math.isfinite(told) and told > 0:
            self.spent_usd += told - aside_usd
        elif reply.status is not None and 400 <= reply.status < 500:
            self.spent_usd -= aside_usd


def _told_s(reply: Reply) -> float:
    try:
        told_s = float(reply.headers.get("Retry-After", "1"))
    except ValueError:
        told_s = 1.0
    return min(max(told_s, 0.1), LONGEST_WAIT_S)
