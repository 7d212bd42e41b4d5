"""One way to do exercise 5.

The circuit is one hash in the store, and two scripts are all that touches it: Valkey runs a script as one step, so
nobody can come between what it reads and what it writes.

    failures     in a row, while closed
    until        while open: when the next probe may begin. While a probe runs: when it is given up.
    generation   counts what has changed; a call brings back the one it began in, and a stale one changes nothing

A probe is claimed by moving `until` on by the lease. So whoever asks meanwhile finds a circuit that is simply open, and
a probe whose process died needs nobody to clear it away.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from redis.asyncio import Redis

FAILURES = 5
COOLDOWN_S = 30.0
LEASE_S = 10.0

T = TypeVar("T")

ENTER = """
local now, lease_s = tonumber(ARGV[1]), tonumber(ARGV[2])
local open_until = redis.call('HGET', KEYS[1], 'until')
if open_until then
  local left_s = tonumber(open_until) - now
  if left_s > 0 then return {0, tostring(left_s)} end
  redis.call('HSET', KEYS[1], 'until', now + lease_s)
  redis.call('HINCRBY', KEYS[1], 'generation', 1)
end
return {1, redis.call('HGET', KEYS[1], 'generation') or '0'}
"""
"""KEYS: the circuit. ARGV: now, lease. Answers {1, generation} to call, {0, seconds left} not to."""

LEAVE = """
local generation, verdict, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local threshold, cooldown_s = tonumber(ARGV[4]), tonumber(ARGV[5])
if generation ~= (redis.call('HGET', KEYS[1], 'generation') or '0') then return end
local is_probe = redis.call('HEXISTS', KEYS[1], 'until') == 1
if verdict == 'failure' then
  local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  if is_probe or failures >= threshold then
    redis.call('HSET', KEYS[1], 'until', now + cooldown_s)
    redis.call('HINCRBY', KEYS[1], 'generation', 1)
  end
elseif verdict == 'success' then
  redis.call('HDEL', KEYS[1], 'failures', 'until')
  if is_probe then redis.call('HINCRBY', KEYS[1], 'generation', 1) end
elseif is_probe then
  redis.call('HSET', KEYS[1], 'until', now)
end
"""
"""KEYS: the circuit. ARGV: generation, verdict, now, threshold, cool-down."""


class ProviderError(Exception):
    """A call failed: with an HTTP status, or None where no answer came."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class CircuitOpen(Exception):
    """The provider was not called; it may be worth asking again in `retry_in_s` seconds."""

    def __init__(self, retry_in_s: float) -> None:
        super().__init__(f"open, ask again in {retry_in_s:.1f} s")
        self.retry_in_s = retry_in_s


class Clock(Protocol):
    def now(self) -> float: ...


def counts(error: ProviderError) -> bool:
    """Whether an error says that the provider is ill: no answer, too slow an answer, or its own fault."""
    return error.status is None or error.status == 408 or error.status >= 500


class CircuitBreaker:
    """The circuit of one provider, shared by all who use the same store."""

    def __init__(self, provider: str, *, store: Redis, clock: Clock) -> None:
        self._key, self._clock = f"circuit:{provider}", clock
        self._enter, self._leave = store.register_script(ENTER), store.register_script(LEAVE)

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns or raises. Raises CircuitOpen where it was not called."""
        allowed, told = await self._enter(keys=[self._key], args=[self._clock.now(), LEASE_S])
        if not allowed:
            raise CircuitOpen(float(told))
        verdict = "none"  # also when the caller goes away
        try:
            answer = await call()
        except ProviderError as error:
            verdict = "failure" if counts(error) else "none"
            raise
        else:
            verdict = "success"
            return answer
        finally:
            args = [told, verdict, self._clock.now(), FAILURES, COOLDOWN_S]
            await self._leave(keys=[self._key], args=args)
