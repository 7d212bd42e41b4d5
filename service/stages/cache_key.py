"""The cache's key: two questions of a tenant are the same when it is.

It is the SHA-256 of canonical JSON of tenant, route, every parameter that changes the answer and all messages, on a
route with retrieval of the corpus' version, too. Next: ``cached_answer.py``.
"""

import hashlib
from typing import Any

import orjson

from .ask import Ask

KNOWLEDGE = frozenset({"retrieval", "rerank"})
"""Switches that change what a model is given to answer from."""


def key_of(ask: Ask, searched: str = "") -> str:
    """Hex SHA-256 of everything that changes the answer, and of whose it is; ``searched`` names what a search finds."""
    parts: list[Any] = [
        ask.tenant,
        ask.route.alias,
        ask.system,
        ask.max_tokens,
        ask.temperature,
        ask.seed,
        [[rung.provider, rung.model] for rung in ask.route.rungs],
        ask.messages,
    ]
    if ask.route.retrieval:
        parts.append([searched, *sorted(ask.off & KNOWLEDGE)])
    return hashlib.sha256(orjson.dumps(parts, default=tuple)).hexdigest()
