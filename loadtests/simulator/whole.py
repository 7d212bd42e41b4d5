"""Sends an answer in one piece, with the faults a call that is not streamed can meet (DESIGN section 5).

The table in `faults.py` says what each fault does here. Read `streamed.py` next: the same for streams.
"""

from __future__ import annotations

from .call import Call

JSON = b"application/json"


async def send_whole(call: Call) -> None:
    """Wait for the tokens, then send the answer, healthy or broken by the call's fault."""
    work, name = call.work, call.fault_name
    if name in ("stall", "stall_pings"):
        if await call.generate(call.break_at()):
            await call.until_client_leaves()
        return
    if name == "truncate" and work.tokens:
        if await call.generate(call.break_at()):
            await call.respond(work.status, work.unfinished(call.break_at()) or b"", [*work.headers], JSON)
        return
    if not await call.generate(len(work.tokens)):
        return
    if name == "cut":
        await _cut(call)
    elif name == "truncate":
        await call.start(work.status, [(b"content-type", JSON), *work.headers])
        await call.write(_share(call, work.body()), more=False)
    else:
        body = _broken(call) if name in ("malformed_chunk", "bad_body") else work.body()
        await call.respond(work.status, body, [*work.headers], JSON)
        call.finish(well_formed=name not in ("malformed_chunk", "bad_body") or _is_well_formed(call))


def _broken(call: Call) -> bytes:
    assert call.fault is not None  # noqa: S101 - only faulted calls come here
    kind = call.fault.params.kind if call.fault.fault == "bad_body" else "malformed"
    if kind == "missing_fields":
        return call.work.missing_fields()
    if kind == "empty_content":
        return call.work.empty_content()
    body = call.work.body()
    if kind == "malformed":
        middle = len(body) // 2
        return body[:middle] + b'\x00{"<' + body[middle:]
    return body[: max(1, len(body) // 2)]


def _is_well_formed(call: Call) -> bool:
    return call.fault is not None and call.fault.params.kind == "empty_content"


async def _cut(call: Call) -> None:
    """Announce the whole body, send a share of it, reset."""
    body = call.work.body()
    length = (b"content-length", b"%d" % len(body))
    await call.start(call.work.status, [(b"content-type", JSON), length, *call.work.headers])
    await call.write(_share(call, body))
    await call.reset_after_delivery()


def _share(call: Call, body: bytes) -> bytes:
    assert call.fault is not None  # noqa: S101 - only faulted calls come here
    return body[: min(len(body) - 1, int(len(body) * call.fault.params.fraction))]
