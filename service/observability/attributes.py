"""What the spans of a kept request say, as attributes; their names are those of ``names.py``.

What has no value is left out; money is in nano-USD but for the attempt's, which is in USD. Next: ``traces.py``.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from ..settings import EMBEDDINGS, PAYMENTS, RERANK, SEARCHERS
from ..stages.ask import Attempt
from . import names
from .kept import Content, Kept


def operation_of(provider: str) -> str:
    """What a call to this provider is, in the conventions' words where they have one."""
    others = {
        PAYMENTS: names.PAYMENT_OPERATION,
        EMBEDDINGS: names.EMBEDDINGS_OPERATION,
        RERANK: names.RERANK_OPERATION,
    }
    return others.get(provider, names.CHAT_OPERATION)


def server_attributes(kept: Kept) -> dict[str, Any]:
    """Of the server's span: what was asked, and what came of it."""
    record = kept.record
    given = {
        names.METHOD: record["method"],
        names.ENDPOINT: record["endpoint"],
        names.STATUS: record["status"],
        names.ERROR: record["error"],
        names.USER: record["user"],
        names.REQUEST_ID: record["request_id"],
        names.TENANT: record["tenant"],
        names.ROUTE: record["route"],
        names.STREAM: record["stream"] if record["route"] else None,
        names.OUTCOME: record["outcome"],
        names.SOURCE: record["source"],
        names.DEGRADED: record["degraded"] or None,
        names.DEADLINE: kept.deadline_s,
        names.FIRST_TOKEN: record["first_token_ms"],
        names.COST: record["cost_nano_usd"],
        names.CONVERSATION: kept.thread_id,
        names.KEPT: record["kept"],
        names.WEIGHT: record["weight"],
    }
    return {name: value for name, value in given.items() if value is not None}


def attempt_attributes(kept: Kept, attempt: Attempt) -> dict[str, Any]:
    """Of an attempt's span: who was called for which model, how that ended, what it used and cost."""
    usage, cost = attempt.usage, attempt.cost_nano_usd
    given = {
        names.PROVIDER: attempt.provider,
        names.MODEL: attempt.model,
        names.ATTEMPT: attempt.number,
        names.ATTEMPT_STATUS: attempt.status,
        names.STATUS: attempt.upstream_status,
        names.EXACT: attempt.exact,
    }
    if attempt.provider != PAYMENTS:
        given |= {
            names.RESPONSE_MODEL: attempt.response_model,
            names.RESPONSE_ID: attempt.response_id,
            names.FINISH_REASONS: [attempt.finish_reason] if attempt.finish_reason else None,
            names.INPUT_TOKENS: usage.input_tokens,
            names.CACHED_TOKENS: usage.cached_tokens or None,
            names.CACHE_WRITE_TOKENS: usage.cache_write_tokens or None,
            names.ATTEMPT_FIRST_TOKEN: None if attempt.first_token_s is None else round(attempt.first_token_s * 1e3, 3),
            names.COST_USD: None if cost is None else cost / 1e9,
            names.UNPRICED: True if cost is None else None,
        }
        if attempt.provider not in SEARCHERS:
            given |= {
                names.OUTPUT_TOKENS: usage.output_tokens,
                names.STREAMED: kept.record["stream"],
                names.MAX_TOKENS: kept.record["max_tokens"],
            }
    return {name: value for name, value in given.items() if value is not None}


def content_attributes(content: Content, answer: str | None, finish_reason: str | None) -> dict[str, Any]:
    """Question and answer in the form of the conventions for generative AI, as JSON."""
    asked = [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in content.messages]
    given = {names.INPUT_MESSAGES: as_json(asked)}
    if content.system:
        given[names.SYSTEM] = as_json([{"type": "text", "content": content.system}])
    if answer is not None:
        said = {"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": finish_reason}
        given[names.OUTPUT_MESSAGES] = as_json([said])
    return given


def as_json(value: object) -> str:
    """As a string of JSON, which is how attributes hold what is nested."""
    return orjson.dumps(value).decode()


def plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as attribute values: numbers, strings, lists of them."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in inputs.items() if value is not None
    }
