"""What a probe gets: the service, the provider's ledger if there is one, and what was learnt by the first question.

Read `items/__init__.py` next: the ten probes.
"""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp

from loadtests.audit.claims import Case
from loadtests.audit.provider import Provider
from loadtests.audit.service import LIMITED, Reply, Service
from loadtests.audit.shape import Bounds, Shape, bare, secret
from loadtests.audit.sources import Sources
from loadtests.books.errors import CannotJudge
from loadtests.books.ledger import Call

IN_A_ROW = 4
"""So many questions, each on a connection of its own, go to the first provider again: workers learn at their time."""
POLL_S = 0.2
NEEDS_SIMULATOR = "--simulator URL, and a service that calls it"


class NotRecovered(Exception):
    """The service does not call its first provider again after it was broken."""


class Limited(Exception):
    """A limit refused a question, which so shows nothing of what is broken; who waits for it outlives the fault."""


@dataclass(slots=True)
class Scene:
    """One audit's service and whoever is looked at beside it. `why_not`: why there is no `provider`.

    `replicas` are those that answer, `away` those that do not.
    """

    shape: Shape
    session: aiohttp.ClientSession
    service: Service
    sources: Sources
    run: str
    provider: Provider | None = None
    why_not: str = "nobody named a simulator"
    replicas: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def bounds(self) -> Bounds:
        """How long is waited, and where lines are drawn."""
        return self.shape.bounds

    async def begin(self) -> None:
        """Ask the first question, and find its call in the ledger. Raises CannotJudge."""
        provider = self._provider() if self.shape.simulator else None
        since = await self._quiet(provider) if provider else 0
        reply = await self.service.ask(self.service.person(), self.service.question())
        if not reply.is_ok or not self.service.answer(reply):
            where = f"{bare(self.service.url)}{self.shape.chat.path}"
            what = f"answered {reply.said}: {reply.text[:200]!r}" if reply.status else f"gave {reply.said}"
            raise CannotJudge(
                f"the service {what} to a question at {where}; expected 2xx and the "
                f"answer as {self.shape.chat.answer!r} ([chat] and [keys] of audit.toml say how it is asked)"
            )
        for url in self.shape.replicas:
            answers = (await self.service.send("GET", url + self.shape.health, within_s=10.0)).status is not None
            (self.replicas if answers else self.away).append(url)
        if provider is None:
            return
        calls = await provider.calls(since)
        own = [call for call in calls if call.request_id == reply.request_id]
        if not calls:
            self.why_not = f"a new question made no call to {', '.join(provider.targets)} at {provider.url}"
            return
        provider.linked, provider.primary = bool(own), (own or calls)[0].target
        self.provider = provider

    def _provider(self) -> Provider:
        return Provider(self.shape.simulator, self.shape.providers.targets, self.bounds.fault_s)

    async def _quiet(self, provider: Provider) -> int:
        """Raises CannotJudge while somebody else breaks the providers: it would be taken for our doing."""
        state = await provider.state()
        if broken := [f"{fault['target']}: {fault['fault']}" for fault in state.get("active", [])]:
            raise CannotJudge(f"the simulator has faults already ({', '.join(broken)}); end them first")
        return int(state["last_seq"])

    async def asked(self, *questions: str) -> tuple[list[Reply], int]:
        """So many new questions at once, and the mark before them in the ledger; Limited when one is told 429."""
        since = await self.provider.mark() if self.provider else 0
        who, limit_s = self.service.person(), self.bounds.answer_within_s
        asks = (self.service.ask(who, text, patient=False, within_s=limit_s) for text in questions)
        replies = list(await asyncio.gather(*asks))
        if any(reply.status == LIMITED for reply in replies):
            raise Limited(f"{who.name} was told {LIMITED}")
        return replies, since

    async def calls_of(self, replies: list[Reply], since: int, within_s: float = 1.0) -> list[Call]:
        """The calls that were made for them, once they have ended. The scene has a provider."""
        assert self.provider is not None  # noqa: S101 - probes ask for it first
        return await self.provider.ended(since, [reply.request_id for reply in replies], within_s)

    def needs_simulator(self, case: Case, what: str) -> None:
        """A claim that only the ledger could show."""
        case.unobservable(f"{what} is not known: {self.why_not}.", NEEDS_SIMULATOR)

    async def recover(self) -> None:
        """Nothing is broken any more, and the service calls its first provider again. Raises NotRecovered."""
        if self.provider is None:
            return
        await self.reset()
        until, well, who = time.monotonic() + self.bounds.recover_s, 0, self.service.person()
        while well < IN_A_ROW:
            since = await self.provider.mark()
            reply = await self.service.ask(who, self.service.question())
            calls = await self.calls_of([reply], since)
            well = well + 1 if reply.is_ok and [c.target for c in calls] == [self.provider.primary] else 0
            if not well:
                if time.monotonic() > until:
                    raise NotRecovered(
                        f"{self.bounds.recover_s:g} s after its outage {self.provider.primary} is not asked again "
                        f"(the last answer: {reply.said})"
                    )
                await asyncio.sleep(POLL_S)

    async def reset(self) -> None:
        """Close the circuits where the service has a request for that; otherwise they close by themselves."""
        providers = self.shape.providers
        if not providers.reset:
            return
        method, path = providers.reset.split(maxsplit=1)
        keys = self.shape.keys
        headers = {keys.header: keys.value.replace("{key}", secret(providers.reset_key))} if keys.header else {}
        reply = await self.service.send(method, self.service.url + path, {}, headers, within_s=10.0)
        if not reply.is_ok:
            note = f"{providers.reset} answered {reply.said}: circuits were left to close by themselves."
            self.notes += [] if note in self.notes else [note]
