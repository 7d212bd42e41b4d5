"""Problem documents (RFC 9457), and OpenAI's form on OpenAI's surface."""

import orjson
import pytest

from service.errors import (
    AllMisconfigured,
    GauntletError,
    NotFound,
    Overloaded,
    RateLimited,
    Unauthorized,
    Unprocessable,
)
from service.gateway.problems import document, openai_document, response, retry_after


def test_a_problem_has_the_members_of_the_rfc_and_ours() -> None:
    error = Unprocessable("text: Field required", errors=[{"where": "text", "what": "Field required"}])
    assert document("r-1", error) == {
        "type": "urn:gauntlet:problem:unprocessable",
        "title": "Unprocessable content",
        "status": 422,
        "code": "unprocessable",
        "detail": "text: Field required",
        "request_id": "r-1",
        "errors": [{"where": "text", "what": "Field required"}],
    }


def test_a_response_is_a_problem_with_its_status_and_when_to_return() -> None:
    answer = response("/chat", "r-1", RateLimited("empty", retry_after_s=2.1, bucket="user_tokens"))
    assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
    assert answer.headers["retry-after"] == "3"
    assert orjson.loads(answer.body)["bucket"] == "user_tokens"


def test_no_retry_after_where_returning_does_not_help() -> None:
    assert "retry-after" not in response("/chat", "r", NotFound("no")).headers


def test_a_401_says_which_scheme_it_wants() -> None:
    assert response("/chat", "r", Unauthorized("no key")).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unauthorized("no"), "authentication_error"),
        (RateLimited("no"), "rate_limit_error"),
        (Unprocessable("no", param="n"), "invalid_request_error"),
        (NotFound("no"), "invalid_request_error"),
        (Overloaded("no"), "server_error"),
        (AllMisconfigured("no"), "server_error"),
        (GauntletError("no"), "server_error"),
    ],
)
def test_openais_clients_get_openais_form(error: GauntletError, kind: str) -> None:
    answer = response("/v1/chat/completions", "r-1", error)
    assert answer.headers["content-type"] == "application/json"
    assert answer.status_code == error.status
    assert orjson.loads(answer.body) == openai_document("r-1", error)
    assert orjson.loads(answer.body)["error"] == {
        "message": "no",
        "type": kind,
        "param": error.extra.get("param"),
        "code": error.code,
        "request_id": "r-1",
    }


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (30.0, "30")])
def test_retry_after_is_whole_seconds_rounded_up(seconds: float, text: str) -> None:
    assert retry_after(seconds) == text
