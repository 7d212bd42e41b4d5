"""Bulkhead: one provider that hangs cannot take every slot of the worker.

Per provider and worker, held until the stream ends; full means fail fast to the next rung. Release It! (Nygard).
Next: ``call.py``.
"""

from collections.abc import Mapping

from ..errors import BulkheadFull
from .ask import Ask
from .chain import Next
from .reply import Outcome, Reply


class Bulkhead:
    """The stage; ``limits`` maps provider to calls at once. ``held`` counts the slots taken."""

    name = "bulkhead"

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self.held = dict.fromkeys(limits, 0)

    async def __call__(self, ask: Ask, go_on: Next) -> Reply:
        """Hold a slot for the whole call, or raise BulkheadFull."""
        provider = ask.rung.provider
        held, limit = self.held[provider], self._limits[provider]
        if held >= limit:
            ask.report(self.name, "full", provider=provider, limit=limit)
            raise BulkheadFull(f"all {limit} slots for {provider} are taken", provider=provider, retry_after_s=1.0)
        self.held[provider] = held + 1
        ask.report(self.name, "held", provider=provider, held=held + 1, limit=limit)
        try:
            reply = await go_on(ask)
        except BaseException:
            self.held[provider] -= 1
            raise

        def ended(_: Reply, outcome: Outcome, error: BaseException | None) -> None:
            self.held[provider] -= 1

        reply.on_end(ended)
        return reply
