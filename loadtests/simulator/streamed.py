"""Sends an answer as server-sent events, with every way in which a stream can break (DESIGN section 5).

Headers and the opening frames go out at once, the tokens at the pace of the call, on an absolute schedule so that a
busy machine does not stretch the stream. Read `anthropic_wire.py` next: it makes the frames.
"""

from __future__ import annotations

import math
import time

from .call import Call, ChatWork
from .errors import RefusalError

_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]

DELTA_TICK_S = 0.010
MAX_TOKENS_PER_DELTA = 4
"""Fast tokens travel together, up to four in a delta, so that deltas come about every 10 ms, as providers do."""

_BREAKING = ("stall", "stall_pings", "stream_error", "cut", "truncate")


def tokens_per_delta(per_s: float) -> int:
    """Return how many tokens share one delta at a pace of `per_s` seconds per token."""
    return MAX_TOKENS_PER_DELTA if per_s <= 0 else min(MAX_TOKENS_PER_DELTA, math.ceil(DELTA_TICK_S / per_s))


async def send_streamed(call: Call, work: ChatWork) -> None:
    """Stream the answer, healthy or broken by the call's fault."""
    await call.start(200, _HEADERS)
    if call.fault is not None and call.fault.fault == "bad_body":
        await _bad_body(call, work, call.fault.params.kind or "truncated_json")
        return
    name = call.fault_name
    breaking = name in _BREAKING
    malformed_at = max(1, call.break_at()) if name == "malformed_chunk" else None
    unsent = await _tokens(call, work, call.break_at() if breaking else len(work.tokens), malformed_at)
    if unsent is None:
        return
    if breaking:
        await _break(call, work, unsent)
    else:
        await call.write(unsent + work.closing(), more=False)
        call.finish(well_formed=malformed_at is None)


async def _tokens(call: Call, work: ChatWork, stop: int, malformed_at: int | None) -> bytes | None:
    """Send the first `stop` tokens; return the frames not yet written, None when the client has left.

    The delta that brings token `malformed_at` is replaced by a malformed frame.
    """
    unsent = work.opening()
    step = tokens_per_delta(call.per_s)
    for at in range(0, stop, step):
        upto = min(at + step, stop)
        if call.started + call.first_s + upto * call.per_s > time.monotonic():
            if unsent:
                await call.write(unsent)
                unsent = b""
            if not await call.generate(upto):
                return None
        call.row.output_tokens = upto
        broken = malformed_at is not None and at < malformed_at <= upto
        unsent += work.malformed() if broken else work.delta("".join(work.tokens[at:upto]))
    return unsent


async def _break(call: Call, work: ChatWork, unsent: bytes) -> None:
    fault = call.fault
    assert fault is not None  # noqa: S101 - only faulted calls come here
    if fault.fault == "stream_error":
        refusal = RefusalError(fault.params.kind or "overloaded", fault.params.message)
        await call.write(unsent + work.error(refusal, call.request_id), more=False)
    elif fault.fault == "truncate":
        await call.write(unsent, more=False)
    elif fault.fault == "cut":
        await call.write(unsent)
        await call.reset_after_delivery()
    elif fault.fault == "stall":
        await call.write(unsent)
        await call.until_client_leaves()
    else:
        await call.write(unsent)
        while not await call.connection.leaves_within(fault.params.interval_ms / 1000):
            await call.write(work.ping())
        call.row.cancelled = True


async def _bad_body(call: Call, work: ChatWork, kind: str) -> None:
    if not await call.generate(len(work.tokens)):
        return
    if kind == "missing_fields":
        await call.write(work.bare_frames(), more=False)
    elif kind == "empty_content":
        await call.write(work.opening() + work.closing(), more=False)
        call.finish()
    else:
        half = work.delta("".join(work.tokens))
        await call.write(work.opening() + half[: len(half) // 2], more=False)
