"""What a request's record says of it as a whole, and why there is or is no trace. Read `words.py` next: the sentences.

The command line and the pages show the same facts, each in its own form.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .steps import usd

Json = Mapping[str, Any]


def of_request(request: Json, arrived: datetime) -> dict[str, str]:
    """Name -> fact, without those that are empty; `arrived` is its time on the clock of the person who reads it."""
    who = " ".join(filter(None, (request["tenant"], request["user"] and f"user {request['user']}")))
    answer = " ".join(filter(None, (request["source"], request["provider"], request["model"])))
    first = request["first_token_ms"]
    tokens = f"{request['input_tokens'] or 0:,} in, {request['output_tokens'] or 0:,} out"
    cost = "a call has no known price" if request["cost_nano_usd"] is None else usd(request["cost_nano_usd"])
    facts = {
        "request": request["request_id"],
        "arrived": arrived.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        "caller": who,
        "route": f"{request['route'] or ''}{', streamed' if request['stream'] else ''}",
        "answer": ", ".join(filter(None, (answer, request["finish_reason"]))),
        "first token": "" if first is None else f"after {first:,.1f} ms",
        "cost": f"{cost}; {tokens}" if request["input_tokens"] or request["cost_nano_usd"] != 0 else "",
        "saved": usd(request["saved_nano_usd"]) if request["saved_nano_usd"] else "",
        "degraded": ", ".join(request["degraded"] or ()),
        "error": request["error"] or "",
        "off": ", ".join(request["off"] or ()),
        "trace": f"{request['trace_id']}{_sampling(request)}",
        "worker": request["instance"] or "",
    }
    return {name: fact for name, fact in facts.items() if fact}


def why_no_trace(request: Json | None) -> str:
    """Why the story is told from the record; `request` is None where not even that is known."""
    if request is None:
        return "Only log records of this trace are known."
    if request["kept"]:
        return "Its trace was kept, but no span of it is here: not yet, or not any more. This is its record:"
    return "Its trace was sampled out: of requests like it only some are kept. This is its record:"


def _sampling(request: Json) -> str:
    if not request["kept"]:
        return ""
    weight = request["weight"] or 1
    return f", kept as {request['kept']}" + (f", stands for {weight:g}" if weight > 1 else "")
