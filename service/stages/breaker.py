"""Circuit breaker: a dead provider is not called, and one probe at a time finds out when it is back.

Five consecutive failures, counted over the whole fleet, open the circuit for thirty seconds; then one leased probe.
Reading is local (``store/replica.py``); only failures, a success after failures and probe claims write. A 429's
Retry-After pauses the provider for all workers. What counts is the error's own attribute (``errors.py``), but for a
timeout in a worker that was itself late (``../lag.py``); everything else is neutral but gives a held probe back. A
stream's opening is no success: the end is. Chapter, section 5. Next: ``bulkhead.py``.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ..clock import Clock
from ..errors import (
    CircuitOpen,
    GauntletError,
    Paused,
    ProviderError,
    RateLimitedByProvider,
    StoreUnavailable,
    TimedOut,
)
from ..lag import REMEMBERED_S, Lag
from ..settings import BreakerSettings
from ..store.guard import Store
from ..store.replica import CHANNEL, Fields, Replica, news
from ..store.script import Script
from ..store.settle import Settle
from .ask import Ask
from .chain import Next
from .circuit import Circuit
from .reply import Outcome, Reply

OWN_SHARE = 0.25
"""A worker that was late itself for more of a request's time than this finds nobody else too slow."""


class Breaker:
    """The stage, and the fleet's circuits by provider name (``/admin/breakers``, ``/ready``).

    ``changed`` hears of each change of state that this worker sees: provider, state before, state, failures.
    """

    name = "breaker"

    def __init__(
        self,
        providers: Iterable[str],
        settings: BreakerSettings,
        *,
        store: Store,
        replica: Replica,
        settle: Settle,
        lag: Lag,
        clock: Clock,
        changed: Callable[[str, str, str, int], object] = lambda *_: None,
    ) -> None:
        self._changed = changed
        self._settings = settings
        self._clock = clock
        self._settle = settle
        self._lag = lag
        self._script = Script(store, __package__, "circuit")
        self._shift_ms: float | None = None  # our monotonic clock minus the server's, by the freshest answer
        self.circuits = {name: Circuit() for name in providers}
        self._told = dict.fromkeys(self.circuits, "closed")
        for name in self.circuits:
            replica.follow(_key(name), partial(self._adopt, name), version=partial(self._version, name))
        store.on_return(self._forget_versions)

    async def __call__(self, ask: Ask, go_on: Next) -> Reply:
        """Call through, or raise CircuitOpen or Paused at once with the seconds until it may be worth asking."""
        provider = ask.rung.provider
        circuit = self.circuits[provider]
        now = self._now()
        if now < circuit.pause_until:
            left_s = (circuit.pause_until - now) / 1000
            ask.report(
                self.name,
                "paused",
                provider=provider,
                state=circuit.state,
                failures=circuit.failures,
                left_s=round(left_s, 3),
                short_circuited=True,
            )
            raise Paused(f"{provider} asked for a pause", provider=provider, retry_after_s=left_s)
        token = ""
        if circuit.state != "closed":
            token = await self._claim(ask, provider, circuit)
        generation = circuit.generation
        ask.report(
            self.name,
            "probe" if token else "closed",
            provider=provider,
            state=circuit.state,
            failures=circuit.failures,
            short_circuited=False,
        )
        renewing = asyncio.create_task(self._renew(provider, token)) if token else None
        try:
            reply = await go_on(ask)
        except GauntletError as error:
            if renewing:
                renewing.cancel()
            try:
                # Waited for, so that this request's next attempt finds its own failure counted.
                await self._judge(provider, error, generation, token, ask.started_s)
            except asyncio.CancelledError:
                self._release(provider, generation, token)
                raise
            raise
        except BaseException:
            if renewing:
                renewing.cancel()
            self._release(provider, generation, token)
            raise

        def ended(_: Reply, outcome: Outcome, error: BaseException | None) -> None:
            if renewing:
                renewing.cancel()
            if outcome == "whole":
                if token or self.circuits[provider].failures:
                    self._settle.post(self._do(provider, "success", generation, token), "breaker")
            elif outcome == "error" and error is not None:
                self._settle.post(self._judge(provider, error, generation, token, ask.started_s), "breaker")
            else:
                self._release(provider, generation, token)

        reply.on_end(ended)
        return reply

    async def _claim(self, ask: Ask, provider: str, circuit: Circuit) -> str:
        token = uuid.uuid4().hex
        if self._now() < self._due(circuit) or not await self._claimed(provider, token):
            circuit = self.circuits[provider]
            if circuit.state == "closed":  # somebody closed it meanwhile
                return ""
            left_s = max(self._due(circuit) - self._now(), 0) / 1000
            ask.report(
                self.name,
                circuit.state,
                provider=provider,
                state=circuit.state,
                failures=circuit.failures,
                probe_in_s=round(left_s, 3),
                short_circuited=True,
            )
            raise CircuitOpen(f"the circuit of {provider} is open", provider=provider, retry_after_s=left_s)
        return token

    async def _claimed(self, provider: str, token: str) -> bool:
        try:
            return await self._do(provider, "claim", 0, token, self._settings.probe_lease_s * 1000)
        except asyncio.CancelledError:  # it may be ours all the same
            self._release(provider, 0, token)
            raise

    def _release(self, provider: str, generation: int, token: str) -> None:
        """Give a probe back unjudged, if there is one."""
        if token:
            self._settle.post(self._do(provider, "release", generation, token), "breaker")

    @staticmethod
    def _due(circuit: Circuit) -> float:
        """When the next probe may be claimed: after the cool-down, or when the one under way is given up."""
        return max(circuit.open_until, circuit.probe_until if circuit.state == "half_open" else 0)

    def _is_ours(self, error: ProviderError, asked_s: float) -> bool:
        """Whether a timeout tells of this worker rather than of the provider.

        What was lost before the call counts as well: it left less time for this provider.
        """
        if not isinstance(error, TimedOut):
            return False
        last_s = min(self._clock.monotonic() - asked_s, REMEMBERED_S)
        return self._lag.lost_s(last_s) > OWN_SHARE * last_s

    async def _judge(self, provider: str, error: BaseException, generation: int, token: str, asked_s: float) -> None:
        if isinstance(error, ProviderError) and error.counts and not self._is_ours(error, asked_s):
            await self._do(provider, "failure", generation, token, self._settings.failures)
        else:
            if isinstance(error, RateLimitedByProvider) and error.retry_after_s:
                await self._do(provider, "pause", 0, "", error.retry_after_s * 1000)
            if token:
                await self._do(provider, "release", generation, token)

    async def _renew(self, provider: str, token: str) -> None:
        lease_ms = self._settings.probe_lease_s * 1000
        while True:
            await self._clock.sleep(self._settings.probe_lease_s / 3)
            if not await self._do(provider, "renew", 0, token, lease_ms):
                return

    async def reset(self, provider: str) -> None:
        """Close the circuit and end its pause, for the fleet. Raises StoreUnavailable."""
        asked_with = self._version(provider)
        answer = await self._script((_key(provider),), "reset", 0, "", 0, 0, CHANNEL)
        self._answered(provider, answer, asked_with)

    async def _do(self, provider: str, op: str, generation: int, token: str, number: float = 0) -> bool:
        """Run one transition in Redis, or on the local copy where Redis is away."""
        cooldown_ms, asked_with = self._settings.cooldown_s * 1000, self._version(provider)
        try:
            answer = await self._script(
                (_key(provider),), op, generation, token, round(number), round(cooldown_ms), CHANNEL
            )
        except StoreUnavailable:
            done = self._locally(self.circuits[provider], op, generation, token, number)
            self._tell(provider)
            return done
        return self._answered(provider, answer, asked_with)

    def _locally(self, circuit: Circuit, op: str, generation: int, token: str, number: float) -> bool:
        now = self._now()
        if op == "claim":
            return circuit.claim(now, token, number)
        if op == "renew":
            return circuit.renew(now, token, number)
        if op == "failure":
            circuit.failure(now, generation, token, round(number), self._settings.cooldown_s * 1000)
        elif op == "success":
            circuit.success(generation, token)
        elif op == "release":
            circuit.release(token)
        else:
            circuit.pause(now, number)
        return True

    def _answered(self, provider: str, answer: list[Any], asked_with: int) -> bool:
        """Adopt what a transition left, unless a message told of a later one meanwhile; whether it was allowed."""
        self._shift_ms = self._now() - int(answer[1])
        flat = [part.decode() for part in answer[2:]]
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        circuit = self.circuits[provider]
        # An equal version, too: what we did alone while the store took no writes ends with its first word.
        if news(int(fields["version"]), held=circuit.version - 1, asked_with=asked_with):
            circuit.adopt(fields, self._shift_ms)
            self._tell(provider)
        return bool(answer[0])

    def _version(self, provider: str) -> int:
        return self.circuits[provider].version

    def _adopt(self, provider: str, fields: Fields) -> None:
        """State that was published (with the server's time) or re-read (without; empty where nobody has failed)."""
        if "now" in fields:
            self._shift_ms = self._now() - int(fields["now"])
        shift_ms = self._shift_ms if self._shift_ms is not None else self._now() - self._clock.time() * 1000
        self.circuits[provider].adopt(fields, shift_ms)
        self._tell(provider)

    def _tell(self, provider: str) -> None:
        """Tell who listens when this worker's view of the circuit has changed."""
        circuit, before = self.circuits[provider], self._told[provider]
        if circuit.state != before:
            self._told[provider] = circuit.state
            self._changed(provider, before, circuit.state, circuit.failures)

    def _forget_versions(self) -> None:
        """A store that was away may have lost its last second: what it says now is newer than what we know."""
        for circuit in self.circuits.values():
            circuit.version = -1

    def _now(self) -> float:
        return self._clock.monotonic() * 1000

    def snapshot(self) -> list[dict[str, Any]]:
        """One row per provider: state, failures in a row, seconds to its probe and to the end of its pause."""
        now = self._now()
        return [
            {
                "provider": name,
                "state": c.state,
                "failures": c.failures,
                "probe_in_s": round(max(c.open_until - now, 0) / 1000, 3) if c.state == "open" else 0.0,
                "paused_for_s": round(max(c.pause_until - now, 0) / 1000, 3),
            }
            for name, c in self.circuits.items()
        ]

    def returns_in_s(self, provider: str) -> float:
        """Seconds until a call to ``provider`` may be allowed again: its probe or the end of its pause."""
        circuit, now = self.circuits[provider], self._now()
        return max(circuit.open_until, circuit.pause_until, now) / 1000 - now / 1000


def _key(provider: str) -> str:
    return f"breaker:{{{provider}}}"
