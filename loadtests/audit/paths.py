"""Fields of JSON by their paths: `answer`, `choices.0.message.content`. Read `service.py` next: who needs them."""

import copy
from collections.abc import Mapping
from itertools import pairwise
from typing import Any


def found(document: Any, path: str) -> Any:
    """What is at the path; None where there is nothing."""
    for step in path.split("."):
        if isinstance(document, Mapping):
            document = document.get(step)
        elif isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document


def placed(document: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the value at the path; missing objects and lists on the way are made."""
    copied: Any = copy.deepcopy(dict(document))
    steps = path.split(".")
    here, last = copied, steps[-1]
    for step, following in pairwise(steps):
        here = _child(here, step, [] if following.isdigit() else {})
    if isinstance(here, list):
        _child(here, last, None)
        here[int(last)] = value
    else:
        here[last] = value
    return dict(copied)


def _child(parent: Any, step: str, empty: Any) -> Any:
    if isinstance(parent, dict):
        return parent.setdefault(step, empty)
    while len(parent) <= int(step):
        parent.append(copy.deepcopy(empty))
    return parent[int(step)]
