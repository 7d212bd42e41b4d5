"""Bad input that nobody thought of: generated from the service's own OpenAPI description, and never a server error.

Valid and invalid examples for every operation, few of each and from a fixed seed, so that the run is short and
repeats. Next: ``test_openai_surface.py``.
"""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from tests.stack import Stack

from . import agent

EXAMPLES = 8
"""Per operation and mode."""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, for fuzzing switches stages and fills queues, with every endpoint there is."""
    folder = tmp_path_factory.mktemp("fuzzed")
    stack = Stack.start(folder, toml=agent.settings(), env=agent.checkpoints(folder), worker=1)
    yield stack
    stack.end()


def headers_for(case: Case[Any]) -> dict[str, str]:
    """An admin where one is needed, else a user whose buckets are full."""
    admin = case.path.startswith(("/admin", "/retrieve"))
    return {"Authorization": f"Bearer {'demo-admin' if admin else f'demo-t{uuid.uuid4().hex}-fuzz'}"}


@pytest.mark.parametrize("mode", GenerationMode)
def test_no_generated_request_is_a_server_error(fuzzed: Stack, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json")
    operations = [cast(Ok[Any], found).ok() for found in schema.get_all_operations()]
    assert {"/chat", "/chat/stream", "/v1/chat/completions", "/refund", "/jobs", "/agent", "/retrieve"} <= {
        op.path for op in operations
    }
    statuses: dict[str, set[int]] = {}
    for operation in operations:

        @seed(7)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode))
        def send(case: Case[Any]) -> None:
            response = case.call(headers=headers_for(case))
            case.validate_response(response, checks=[not_a_server_error])
            statuses.setdefault(case.path, set()).add(response.status_code)
            assert "Traceback" not in response.text
            assert response.headers["x-request-id"]

        with suppress(Unsatisfiable):  # what takes nothing cannot be given anything wrong
            send()
    assert 200 in statuses["/chat"] if mode is GenerationMode.POSITIVE else 422 in statuses["/chat"]
    assert fuzzed.service.lines(event="unexpected") == []
