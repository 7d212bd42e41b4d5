"""The call itself: one attempt at one provider, under one deadline, priced whether it succeeds or not.

Times connect (the SDK's transport), first token, silence between tokens (text only, so pings do not count) and total.
A whole answer is committed when it is whole, a stream at its first token. Next: ``../llm/provider.py``.
"""

from collections.abc import AsyncIterator, Mapping

from ..clock import Clock
from ..errors import CallerError, ProviderError, StreamBroken, TimedOut
from ..llm.prices import cost_nano_usd
from ..llm.provider import LLMProvider, LLMRequest, LLMStream, Usage
from ..settings import ProviderSettings
from .ask import Ask, Attempt, Delta, Event, Outcome, Reply

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text; used only for estimates, never for what a provider stated."""

FAIR_SHARE = 0.25
"""Of its route's deadline: a provider that had less time than this is not judged by a timeout."""


def estimated_tokens(characters: int) -> int:
    """Tokens in so many characters, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


class Call:
    """The innermost step of the chain."""

    def __init__(
        self, providers: Mapping[str, LLMProvider], settings: Mapping[str, ProviderSettings], *, clock: Clock
    ) -> None:
        self._providers = providers
        self._settings = settings
        self._clock = clock

    async def __call__(self, ask: Ask) -> Reply:
        """One attempt. Raises Rejected and ProviderError of our tree."""
        rung, settings = ask.rung, self._settings[ask.rung.provider]
        now = self._clock.monotonic()
        attempt = Attempt(rung.provider, rung.model, len(ask.attempts) + 1, now)
        ask.attempts.append(attempt)
        request = LLMRequest(
            model=rung.model,
            messages=ask.messages,
            max_tokens=ask.max_tokens,
            system=ask.system,
            temperature=ask.temperature,
            seed=ask.seed,
            headers=_headers(ask, attempt),
        )
        provider = self._providers[rung.provider]
        limit_s = ask.rung_deadline_s
        phase = "total"
        if ask.stream:
            phase = "first_token"
            limit_s = min(limit_s, now + settings.first_token_timeout_s)
        try:
            async with self._clock.timeout_at(limit_s):
                if ask.stream:
                    reply = await self._open(ask, attempt, provider, request)
                else:
                    reply = await self._complete(ask, attempt, provider, request)
        except TimeoutError:
            error = TimedOut(
                f"{rung.provider} gave no {'first token' if ask.stream else 'answer'} in {limit_s - now:.2f} s",
                provider=rung.provider,
                phase=phase,
            )
            # With too little time (the caller's own deadline, a wait before the call) nobody is found failing.
            error.counts = limit_s - now >= FAIR_SHARE * ask.route.deadline_s
            self._ended(ask, attempt, error.code)
            raise error from None
        except (ProviderError, CallerError) as error:
            attempt.upstream_status = error.upstream_status
            attempt.usage = error.usage or attempt.usage
            self._ended(ask, attempt, error.code)
            raise
        except BaseException:
            self._ended(ask, attempt, "cancelled")
            raise
        return reply

    async def _complete(self, ask: Ask, attempt: Attempt, provider: LLMProvider, request: LLMRequest) -> Reply:
        completion = await provider.complete(request)
        attempt.usage, attempt.upstream_status = completion.usage, 200
        self._ended(ask, attempt, "ok")
        return Reply(
            source="live",
            provider=provider.name,
            model=completion.model,
            text=completion.text,
            finish_reason=completion.finish_reason,
            ignored=_ignored(ask, provider),
        )

    async def _open(self, ask: Ask, attempt: Attempt, provider: LLMProvider, request: LLMRequest) -> Reply:
        stream = await provider.stream(request)
        attempt.upstream_status = 200
        try:
            first = await anext(stream)
        except StopAsyncIteration:
            attempt.usage = stream.usage
            await stream.aclose()
            raise StreamBroken(
                f"the stream of {provider.name} had no text", provider=provider.name, upstream_status=200
            ) from None
        except BaseException:
            attempt.usage = stream.usage
            await stream.aclose()
            raise
        attempt.first_token_s = self._clock.monotonic() - attempt.started_s
        tokens = _Tokens(stream, first, provider.name, self._settings[provider.name], self._clock)
        reply = Reply(
            source="live",
            provider=provider.name,
            model=request.model,
            events=tokens,
            ignored=_ignored(ask, provider),
        )

        def ended(reply: Reply, outcome: Outcome, error: BaseException | None) -> None:
            reply.finish_reason = stream.finish_reason
            stated = outcome == "whole" and stream.usage != Usage()
            attempt.usage = stream.usage if stated else tokens.usage(request)
            code = getattr(error, "code", "error") if outcome == "error" else outcome
            self._ended(ask, attempt, "ok" if outcome == "whole" else code)

        reply.on_end(ended)
        return reply

    def _ended(self, ask: Ask, attempt: Attempt, status: str) -> None:
        attempt.status = status
        attempt.duration_s = self._clock.monotonic() - attempt.started_s
        attempt.cost_nano_usd = cost_nano_usd(self._settings[attempt.provider].kind, attempt.model, attempt.usage)
        ask.report(
            "call",
            status,
            provider=attempt.provider,
            model=attempt.model,
            attempt=attempt.number,
            duration_ms=round(attempt.duration_s * 1000, 1),
        )


class _Tokens:
    """The pieces of a stream as events, each awaited under the silence and the total timeout.

    Only time spent waiting for the provider counts: a client that reads slowly is not the provider's failure.
    """

    def __init__(self, stream: LLMStream, first: str, provider: str, settings: ProviderSettings, clock: Clock) -> None:
        self._stream = stream
        self._first: str | None = first
        self._characters = len(first)
        self._provider = provider
        self._clock = clock
        self._idle_s = settings.idle_timeout_s
        self._total_left_s = settings.stream_total_timeout_s

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._first is not None:
            text, self._first = self._first, None
            return Delta(text)
        begun_s = self._clock.monotonic()
        try:
            async with self._clock.timeout_at(begun_s + min(self._idle_s, self._total_left_s)):
                text = await anext(self._stream)
        except TimeoutError:
            await self._stream.aclose()
            phase = "idle" if self._idle_s < self._total_left_s else "total"
            raise TimedOut(f"{self._provider} fell silent ({phase})", provider=self._provider, phase=phase) from None
        except Exception:  # its end, too
            await self._stream.aclose()
            raise
        self._total_left_s -= self._clock.monotonic() - begun_s
        self._characters += len(text)
        return Delta(text)

    def usage(self, request: LLMRequest) -> Usage:
        """What a stream that did not end has used: stated where it was, else estimated from the text."""
        stated = self._stream.usage
        asked = sum(len(m.content) for m in request.messages) + len(request.system or "")
        return Usage(
            stated.input_tokens or estimated_tokens(asked),
            max(stated.output_tokens, estimated_tokens(self._characters)),
            stated.cached_tokens,
        )

    async def aclose(self) -> None:
        await self._stream.aclose()


def _headers(ask: Ask, attempt: Attempt) -> dict[str, str]:
    headers = {"X-Request-ID": ask.request_id, "X-Attempt": str(attempt.number)}
    if ask.traceparent:
        headers["traceparent"] = ask.traceparent
    return headers


def _ignored(ask: Ask, provider: LLMProvider) -> tuple[str, ...]:
    given = (("temperature", ask.temperature), ("seed", ask.seed))
    return tuple(name for name, value in given if value is not None and name in provider.lacks)
