"""Retry: once more, but only where it can help, and never more than the fleet can bear.

Retries 408, 429, 5xx, connection errors and timeouts before the first token. Full jitter U(0, min(cap, base * 2^n))
(AWS Architecture Blog), never past the deadline, never without budget (a token bucket per worker, after Finagle and
gRPC). A 429 or a pause is waited for only when it is short or no rung is left. A timed-out attempt is not repeated
while another rung is left. Chapter, sections 5 and 6. Next: ``breaker.py``.
"""

import random

from ..clock import Clock
from ..errors import Paused, ProviderError, RateLimitedByProvider, TimedOut
from ..settings import RetrySettings
from .ask import Ask
from .chain import Next
from .reply import Reply


class Budget:
    """Starts full; +``per_request`` with each request, +``per_s`` with time; a retry costs 1."""

    def __init__(self, settings: RetrySettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._at_s = clock.monotonic()
        self.left = settings.budget_capacity

    def _earn(self, tokens: float) -> None:
        now = self._clock.monotonic()
        earned = tokens + (now - self._at_s) * self._settings.budget_per_s
        self.left = min(self._settings.budget_capacity, self.left + earned)
        self._at_s = now

    def request(self) -> None:
        """A request earns its share."""
        self._earn(self._settings.budget_per_request)

    def take(self) -> bool:
        """Pay for one retry, if the budget has it."""
        self._earn(0)
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Retry:
    """The stage."""

    name = "retry"

    def __init__(self, settings: RetrySettings, *, clock: Clock, rng: random.Random | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._random = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self.budget = Budget(settings, clock)

    async def __call__(self, ask: Ask, go_on: Next) -> Reply:
        """Call, wait, call again; raises the last error when no further attempt is worth it."""
        if not ask.earned_retries:  # once for the request, however many rungs it tries
            ask.earned_retries = True
            self.budget.request()
        attempt = 1
        while True:
            ask.report(
                self.name,
                "attempt",
                attempt=attempt,
                of=self._settings.attempts,
                budget_left=round(self.budget.left, 1),
            )
            try:
                return await go_on(ask)
            except ProviderError as error:
                wait_s = self._wait_s(ask, error, attempt)
                if wait_s is None:
                    raise
                await self._clock.sleep(wait_s)
                # A pause that ended is not an attempt: nothing was called.
                attempt += not isinstance(error, Paused)

    def _wait_s(self, ask: Ask, error: ProviderError, attempt: int) -> float | None:
        """Seconds to wait before the next attempt; None: give up here. Reports why."""
        settings = self._settings
        left_s = ask.rung_deadline_s - self._clock.monotonic()
        hint_s = error.retry_after_s
        about = {"provider": error.provider, "attempt": attempt, "of": settings.attempts, "after": error.code}
        limited = isinstance(error, RateLimitedByProvider) and error.retryable
        waits_for_pause = hint_s is not None and (limited or isinstance(error, Paused))
        if not error.retryable and not waits_for_pause:
            ask.report(self.name, "not_retryable", **about)
        elif attempt >= settings.attempts:
            ask.report(self.name, "attempts_used", **about)
        elif not ask.last_rung and (
            isinstance(error, TimedOut) or (hint_s is None and isinstance(error, RateLimitedByProvider))
        ):
            ask.report(self.name, "next_rung_instead", **about)
        elif waits_for_pause and hint_s is not None:
            if hint_s > settings.retry_after_wait_s and not ask.last_rung:
                ask.report(self.name, "next_rung_instead", retry_after_s=round(hint_s, 3), **about)
            else:
                wait_s = hint_s + self._random.uniform(0, settings.wake_spread_s)
                return self._afford(ask, wait_s, left_s, {**about, "retry_after_s": round(hint_s, 3)})
        else:
            cap_s = min(settings.cap_s, settings.base_s * 2 ** (attempt - 1))
            wait_s = self._random.uniform(0, cap_s)
            return self._afford(ask, wait_s, left_s, {**about, "jitter_of_s": cap_s})
        return None

    def _afford(self, ask: Ask, wait_s: float, left_s: float, about: dict[str, object]) -> float | None:
        if wait_s >= left_s:
            ask.report(self.name, "no_time", wait_s=round(wait_s, 3), left_s=round(left_s, 3), **about)
            return None
        # Waiting out a pause is no retry: nothing was called yet.
        if about["after"] != Paused.code and not self.budget.take():
            ask.report(self.name, "no_budget", budget_left=round(self.budget.left, 1), **about)
            return None
        ask.report(self.name, "wait", wait_s=round(wait_s, 3), budget_left=round(self.budget.left, 1), **about)
        return wait_s
