"""The runs of load that the selected tests are about: begun together, each once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from loadtests.conduct import Finished

from .lanes import Case, Lanes


@pytest.fixture(scope="session")
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Case], Finished]]:
    """The run of a case, when it has ended. All cases of the session are submitted with the first."""
    wanted = {
        value
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "finished" in item.fixturenames
        for value in item.callspec.params.values()
        if isinstance(value, Case)
    }
    lanes = Lanes(tmp_path_factory.mktemp("lanes"))
    futures: dict[Case, Future[Finished]] = lanes.submit(sorted(wanted, key=lambda case: case.label))
    try:
        yield lambda case: futures[case].result()
    finally:
        lanes.end()
