"""What a player may say is wrong: a few words for the simulator's many faults, and which of them are easily confused.

From outside a `cut` and a `stall` are both streams that do not end; nobody has to tell them apart. Read `incidents.py`
next.
"""

from collections.abc import Mapping
from typing import Any

PROVIDERS = ("anthropic", "openai")
TOO_MANY = 429

KINDS = {
    "errors": "it answers 5xx at once",
    "rate_limit": "it answers 429: too many requests",
    "refused": "no connection: refused, or reset before an answer",
    "hang": "it takes the request and never answers",
    "slow_first_token": "it answers, and begins too late",
    "slow_tokens": "it begins in time, and goes on too slowly",
    "broken_streams": "streams break off, stall, or end without an end",
    "bad_bodies": "it answers 200, and there is no answer in it",
}
"""Name and what it means, as `faults` lists them."""

_OF_FAULT = {
    "refused": "refused",
    "reset": "refused",
    "hang": "hang",
    "slow_first_token": "slow_first_token",
    "slow_tokens": "slow_tokens",
    "bad_body": "bad_bodies",
}
_BROKEN = ("stall", "stall_pings", "stream_error", "cut", "truncate", "malformed_chunk")
_ALIASES = {
    **_OF_FAULT,
    **dict.fromkeys(_BROKEN, "broken_streams"),
    "status": "errors",
    "error": "errors",
    "5xx": "errors",
    "429": "rate_limit",
    "timeout": "hang",
    "slow": "slow_first_token",
}

NEAR = {
    frozenset(("errors", "rate_limit")): "both fail at once with a status; only the number differs",
    frozenset(("errors", "refused")): "both fail at once; refused calls are not even in the provider's book",
    frozenset(("errors", "bad_bodies")): "both fail at once; a bad body comes with status 200",
    frozenset(("hang", "slow_first_token")): "both begin too late; what hangs never begins",
    frozenset(("hang", "slow_tokens")): "both run into a time-out; what is slow has sent something by then",
    frozenset(("slow_first_token", "slow_tokens")): "both are slow; the first token's time tells them apart",
    frozenset(("broken_streams", "bad_bodies")): "both come with status 200 and are no answer",
    frozenset(("broken_streams", "slow_tokens")): "both begin well; a broken stream does not come to its end",
}
"""Pairs that look alike, and what tells them apart: the one for the other is half right."""

RIGHT, HALF, WRONG = 1.0, 0.5, 0.0


def kind_of(fault: str, params: Mapping[str, Any]) -> str:
    """The word for one of the simulator's faults."""
    if fault == "status":
        return "rate_limit" if params.get("status") == TOO_MANY else "errors"
    return "broken_streams" if fault in _BROKEN else _OF_FAULT[fault]


def kind_named(word: str) -> str | None:
    """The kind that a player means: its name, or what the simulator calls it; None when there is none."""
    word = word.lower().replace("-", "_")
    if word in KINDS:
        return word
    if word.isdigit() and word.startswith("5"):
        return "errors"
    return _ALIASES.get(word)


def rightness(said: str, true: str) -> float:
    """RIGHT, HALF for a pair of NEAR, or WRONG."""
    return RIGHT if said == true else HALF if frozenset((said, true)) in NEAR else WRONG
