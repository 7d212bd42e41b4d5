"""Fields by their paths, in what is sent and in what comes."""

from typing import Any

import pytest

from loadtests.audit.paths import found, placed

CHOICES = {"choices": [{"message": {"content": "Yes."}}]}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("choices.0.message.content", "Yes."),
        ("choices.1.message", None),
        ("choices.x", None),
        ("answer", None),
        ("choices.0.message.content.more", None),
    ],
)
def test_what_is_there_is_found(path: str, value: Any) -> None:
    assert found(CHOICES, path) == value


@pytest.mark.parametrize(
    ("given", "path", "made"),
    [
        ({}, "text", {"text": "Hi"}),
        ({"model": "m"}, "prompt.text", {"model": "m", "prompt": {"text": "Hi"}}),
        ({}, "messages.0.content", {"messages": [{"content": "Hi"}]}),
        (
            {"messages": [{"role": "system"}, {"role": "user"}]},
            "messages.1.content",
            {"messages": [{"role": "system"}, {"role": "user", "content": "Hi"}]},
        ),
        ({}, "inputs.0", {"inputs": ["Hi"]}),
    ],
)
def test_what_is_not_there_is_made(given: dict[str, Any], path: str, made: dict[str, Any]) -> None:
    before = repr(given)
    assert placed(given, path, "Hi") == made
    assert repr(given) == before
