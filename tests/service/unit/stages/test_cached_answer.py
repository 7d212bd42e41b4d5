"""What the cache keeps of an answer."""

import json
from dataclasses import replace
from typing import Any

import pytest

from service.stages.cached_answer import CachedAnswer


@pytest.mark.parametrize("source", ["live", "message"])
def test_an_answer_survives_its_encoding(source: Any) -> None:
    answer = CachedAnswer("4ä2", None, "m", "stop", source, ("a:b",), ("seed",), 3.0)
    assert json.loads(answer.encode())["text"] == "4ä2"
    assert CachedAnswer.decode(answer.encode(), 7.0) == replace(answer, age_s=7.0)
