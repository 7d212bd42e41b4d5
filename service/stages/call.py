"""The call itself: one attempt at one provider, under one deadline, priced whether it succeeds or not.

Times connect (the SDK's transport), first token, silence between tokens (text only, so pings do not count) and total.
A whole answer is committed when it is whole, a stream at its first token. Next: ``../llm/provider.py``.
"""

from collections.abc import AsyncIterator, Mapping

from ..clock import Clock
from ..errors import CallerError, GauntletError, ProviderError, StreamBroken, TimedOut
from ..llm.prices import cost_nano_usd, most_nano_usd
from ..llm.provider import LLMProvider, LLMRequest, LLMStream, Usage
from ..settings import ProviderSettings
from .ask import Ask, Attempt
from .reply import Delta, Event, Outcome, Reply

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text; used only for estimates, never for what a provider stated."""

FAIR_SHARE = 0.25
"""Of its route's deadline: a provider that had less time than this is not judged by a timeout."""


def estimated_tokens(characters: int) -> int:
    """Tokens in so many characters, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def most_input_tokens(ask: Ask) -> int:
    """More tokens than any tokeniser makes of the question: one for each byte, and the roles around them."""
    texts = [message.content for message in ask.messages]
    return sum(len(text.encode()) + 16 for text in (*texts, ask.system or "")) + 64


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
        attempt = ask.attempt()
        now = attempt.started_s
        request = LLMRequest(
            model=rung.model,
            messages=ask.messages,
            max_tokens=ask.max_tokens,
            system=ask.system,
            temperature=ask.temperature,
            seed=ask.seed,
            headers=identity(ask, attempt),
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
            # A refusal by its status bills nothing; a 200 that is no answer is billed, by its own word if it had one.
            attempt.exact = error.usage is not None or error.upstream_status not in (None, 200)
            self._ended(ask, attempt, error.code)
            raise
        except BaseException:
            self._ended(ask, attempt, "cancelled")
            raise
        return reply

    async def _complete(self, ask: Ask, attempt: Attempt, provider: LLMProvider, request: LLMRequest) -> Reply:
        completion = await provider.complete(request)
        attempt.usage, attempt.upstream_status, attempt.exact = completion.usage, 200, True
        attempt.finish_reason, attempt.response_id = completion.finish_reason, completion.response_id
        attempt.response_model = completion.model
        if ask.captures:
            attempt.text = completion.text
        self._ended(ask, attempt, "ok")
        reply = Reply(
            source="live",
            provider=provider.name,
            model=completion.model,
            text=completion.text,
            finish_reason=completion.finish_reason,
            ignored=_ignored(ask, provider),
        )
        reply.cost_nano_usd = attempt.cost_nano_usd
        return reply

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
        tokens = _Tokens(
            stream, first, provider.name, self._settings[provider.name], self._clock, captures=ask.captures
        )
        reply = Reply(
            source="live",
            provider=provider.name,
            model=request.model,
            events=tokens,
            ignored=_ignored(ask, provider),
        )

        def ended(reply: Reply, outcome: Outcome, error: BaseException | None) -> None:
            reply.finish_reason = attempt.finish_reason = stream.finish_reason
            stated = stream.usage if outcome == "whole" and stream.usage != Usage() else _stated_by(error)
            attempt.exact = stated is not None
            attempt.usage = stated if stated is not None else tokens.usage(request)
            attempt.text = tokens.captured
            code = getattr(error, "code", "error") if outcome == "error" else outcome
            self._ended(ask, attempt, "ok" if outcome == "whole" else code)
            reply.cost_nano_usd = attempt.cost_nano_usd

        reply.on_end(ended)
        return reply

    def _ended(self, ask: Ask, attempt: Attempt, status: str) -> None:
        attempt.status = status
        attempt.duration_s = self._clock.monotonic() - attempt.started_s
        kind = self._settings[attempt.provider].kind
        attempt.cost_nano_usd = cost_nano_usd(kind, attempt.model, attempt.usage)
        if not attempt.exact:
            attempt.most_nano_usd = most_nano_usd(kind, attempt.model, most_input_tokens(ask), ask.max_tokens)
        ask.report(
            "call",
            status,
            provider=attempt.provider,
            model=attempt.model,
            attempt=attempt.number,
            duration_ms=round(attempt.duration_s * 1000, 1),
        )


def _stated_by(error: BaseException | None) -> Usage | None:
    """What a provider that refused in mid-stream said it bills."""
    stated: Usage | None = error.usage if isinstance(error, GauntletError) else None
    return stated


class _Tokens:
    """The pieces of a stream as events, each awaited under the silence and the total timeout.

    Only time spent waiting for the provider counts: a client that reads slowly is not the provider's failure.
    """

    def __init__(
        self,
        stream: LLMStream,
        first: str,
        provider: str,
        settings: ProviderSettings,
        clock: Clock,
        *,
        captures: bool,
    ) -> None:
        self._captured = [first] if captures else None
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
        if self._captured is not None:
            self._captured.append(text)
        return Delta(text)

    @property
    def captured(self) -> str | None:
        """What came so far; None where content is not captured."""
        return None if self._captured is None else "".join(self._captured)

    def usage(self, request: LLMRequest) -> Usage:
        """What a stream that did not end has used: stated where it was, else estimated from the text."""
        stated = self._stream.usage
        asked = sum(len(m.content) for m in request.messages) + len(request.system or "")
        return Usage(
            stated.input_tokens or estimated_tokens(asked),
            max(stated.output_tokens, estimated_tokens(self._characters)),
            stated.cached_tokens,
            stated.cache_write_tokens,
        )

    async def aclose(self) -> None:
        await self._stream.aclose()


def identity(ask: Ask, attempt: Attempt) -> dict[str, str]:
    """The headers by which a provider's own books and traces name this attempt."""
    headers = {"X-Request-ID": ask.request_id, "X-Attempt": str(attempt.number)}
    if ask.traceparent:  # the attempt is the provider's caller, not the request
        headers["traceparent"] = f"{ask.traceparent[:36]}{attempt.span_id}{ask.traceparent[52:]}"
    return headers


def _ignored(ask: Ask, provider: LLMProvider) -> tuple[str, ...]:
    given = (("temperature", ask.temperature), ("seed", ask.seed))
    return tuple(name for name, value in given if value is not None and name in provider.lacks)
