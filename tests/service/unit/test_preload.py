"""The index's library is imported before workers are forked, by who needs it alone."""

import subprocess
import sys
from multiprocessing.context import ForkServerContext

import pytest

from service.preload import INDEX_LIBRARY, forkserver
from service.settings import Settings, load

PLAIN = {"rungs": [{"provider": "openai", "model": "gpt-5.5"}]}


def plain() -> Settings:
    """Settings of which no route retrieves."""
    routes = {name: {**PLAIN, "retrieval": False} for name in ("default", "economy", "handbook")}
    return load(routes=routes)


@pytest.mark.parametrize(
    ("retrieves", "at_start", "more"), [(True, True, [INDEX_LIBRARY]), (True, False, []), (False, True, [])]
)
def test_the_library_is_imported_where_a_route_retrieves_from_the_start(
    retrieves: bool, at_start: bool, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(ForkServerContext, "set_forkserver_preload", lambda _, names: told.append(names))
    monkeypatch.setenv("GAUNTLET_RETRIEVAL__AT_START", str(at_start))
    settings = load() if retrieves else plain()
    assert settings.retrieves is retrieves
    forkserver(settings, "service.app")
    assert told == [["service.app", *more]]


def test_neither_the_service_nor_its_parts_import_it_themselves() -> None:
    code = (
        "import sys, service.__main__, service.app, service.worker, service.working; "
        f"print({INDEX_LIBRARY!r} in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.split() == ["False"]
