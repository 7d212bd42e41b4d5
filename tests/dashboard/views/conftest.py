"""What the tests of several pages need: nothing kept of another test, and a collector of one's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from tests.collector import Collector


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    """What was kept for other pages is of other tests."""
    st.cache_data.clear()
    yield
    st.cache_data.clear()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Collector]:
    """A collector that holds what this test tells."""
    collector = Collector.start(tmp_path / "own")
    yield collector
    collector.end()
