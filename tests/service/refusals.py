"""What every refusal owes its reader, checked in one place: RFC 9457 on our surface, OpenAI's form on OpenAI's.

Used by the tests of bad input, of the callers' faults and of the limits. Next: ``test_bad_input.py``.
"""

from typing import Any

from tests.answer import Answer

OPENAI_KINDS = {401: "authentication_error", 429: "rate_limit_error"}


def problem(answer: Answer, status: int) -> dict[str, Any]:
    """The problem document of an answer that must be one with this status."""
    assert answer.status == status, (answer.status, answer.body[:500])
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"] == f"urn:gauntlet:problem:{document['code']}"
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
    assert b"Traceback" not in answer.body
    return document


def openai_error(answer: Answer, status: int) -> dict[str, Any]:
    """The ``error`` object of an answer on OpenAI's surface that must be one with this status."""
    assert answer.status == status, (answer.status, answer.body[:500])
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    assert error["message"]
    assert error["type"] == OPENAI_KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"]
    assert b"Traceback" not in answer.body
    return error
