"""The tree of errors: each has a status, and the docstring that shows them is the truth."""

import re
from collections.abc import Iterator

import pytest

from service import errors
from service.errors import GauntletError, NotCalled, ProviderError


def tree(root: type[GauntletError]) -> Iterator[type[GauntletError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


ALL = list(tree(GauntletError))


def test_the_docstring_shows_every_class() -> None:
    shown = set(re.findall(r"\b[A-Z][a-z]+[A-Za-z]*\b", errors.__doc__ or ""))
    assert {error.__name__ for error in ALL} <= shown


def test_the_statuses_that_the_docstring_shows_are_those_of_the_classes() -> None:
    shown = {name: int(status) for name, status in re.findall(r"(\w+) (\d{3})\b", errors.__doc__ or "")}
    statuses = {error.__name__: error.status for error in ALL}
    claimed = {name: status for name, status in shown.items() if name in statuses}
    assert len(claimed) >= 15
    assert claimed == {name: statuses[name] for name in claimed}


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_has_a_code_and_a_title_for_the_problem_document(error: type[GauntletError]) -> None:
    assert re.fullmatch(r"[a-z_]+", error.code)
    assert error.title
    assert 400 <= error.status < 600


def test_what_was_not_called_is_neither_retried_nor_counted() -> None:
    for error in tree(NotCalled):
        assert issubclass(error, ProviderError)
        assert (error.retryable, error.counts) == (False, False)
