"""One rig for all tests of a file: a simulator, and a Valkey."""

from collections.abc import Iterator

import pytest

from notebooks.grader.rig import Rig, rig


@pytest.fixture(scope="module")
def made_rig() -> Iterator[Rig]:
    """Ended with the file."""
    with rig(store=True) as made:
        yield made
