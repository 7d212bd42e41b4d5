"""A user's pseudonym is the service's own, and a pseudonym is its own."""

import pytest

from dashboard.story import pseudonym
from service.observability import pii


@pytest.mark.parametrize("name", ["alice", "Zoë", "jane@example.com", "u-" + "0a" * 8])
def test_it_is_the_one_that_the_service_makes(name: str) -> None:
    assert pseudonym.of_user(name, "a key") == pii.pseudonym_of("a key", pii.safe_name("a key", name))


def test_a_pseudonym_is_its_own_and_depends_on_the_key() -> None:
    made = pseudonym.of_user("alice", "a key")
    assert len(made) == pseudonym.DIGITS
    assert pseudonym.of_user(made, "another") == made
    assert pseudonym.of_user("alice", "another") != made
