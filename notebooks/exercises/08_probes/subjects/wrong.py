"""Desks that break one promise each. Read `probes.py` in the folder above next: it has the learner's probes try them.

The docstring of each says how it behaves; that is what a learner is told of one that passed all probes.
"""

from typing import Any

from .bucket import Desk


class OldAnswers(Desk):
    """The one that gives its answers however old they are"""

    def kept(self, key: tuple[str, str]) -> str | None:
        return self.answers[key][1] if key in self.answers else None


class NothingKept(Desk):
    """The one that keeps no answer and calls each time"""

    def kept(self, key: tuple[str, str]) -> str | None:
        return None


class OneForAll(Desk):
    """The one that gives a tenant what another tenant was answered"""

    def key(self, tenant: str, question: str) -> tuple[str, str]:
        return "", question


class AnyQuestion(Desk):
    """The one that gives a tenant the answer to another question"""

    def key(self, tenant: str, question: str) -> tuple[str, str]:
        return tenant, ""


class FailuresKept(Desk):
    """The one that goes on failing when its provider is well again"""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.failures: dict[tuple[str, str], Exception] = {}

    async def ask(self, tenant: str, question: str) -> str:
        if error := self.failures.get(self.key(tenant, question)):
            raise error
        return await super().ask(tenant, question)

    async def answered(self, key: tuple[str, str], question: str) -> str:
        try:
            return await super().answered(key, question)
        except Exception as error:
            self.failures[key] = error
            raise


class FailuresHidden(Desk):
    """The one that returns an empty answer when its provider has failed"""

    async def ask(self, tenant: str, question: str) -> str:
        try:
            return await super().ask(tenant, question)
        except self.too_many:
            raise
        except Exception:
            return ""


class Stampede(Desk):
    """The one that calls once for each who asks the same at the same time"""

    async def ask(self, tenant: str, question: str) -> str:
        if self.key(tenant, question) in self.under_way:
            return await self.call(question)
        return await super().ask(tenant, question)


class AnswersCost(Desk):
    """The one that refuses an answer which it has, when its tenant has used up its calls"""

    def kept(self, key: tuple[str, str]) -> str | None:
        if (answer := super().kept(key)) is not None:
            self.take(key[0])
        return answer


class CallsAndRefuses(Desk):
    """The one that refuses a tenant, and has called its provider all the same"""

    async def ask(self, tenant: str, question: str) -> str:
        try:
            return await super().ask(tenant, question)
        except self.too_many:
            await self.call(question)
            raise


class NeverRefuses(Desk):
    """The one that has no limit"""

    def take(self, tenant: str) -> None:
        pass


class OneLimit(Desk):
    """The one that refuses a tenant for the calls that another has made"""

    def take(self, tenant: str) -> None:
        super().take("")


class RefusesForGood(Desk):
    """The one that never serves a tenant again which it has refused"""

    def take(self, tenant: str) -> None:
        try:
            super().take(tenant)
        except self.too_many:
            self.buckets[tenant] = float("-inf"), self.clock.now()
            raise
