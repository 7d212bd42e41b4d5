"""Personal data at first sight: what shows by its form is suspected, what is everyday in questions is not."""

import time
import uuid

import pytest

from service.observability.pii import suspected


@pytest.mark.parametrize(
    "text",
    [
        "write to a.b@example.org, please",
        "call +49 (170) 123-4567",
        "0170/1234567",
        "my card is 4111 1111 1111 1111",
        "4111111111111111",
        "SSN 123-45-6789",
        "DE89 3704 0044 0532 0130 00",
        "GB29NWBK60161331926819",
        "from 10.0.0.1 at noon",
        "customer 1234567.",
    ],
)
def test_it_is_suspected(text: str) -> None:
    assert suspected(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "why do retries need jitter?",
        "on 2026-11-25 at 12:30",
        "ports 8000, 8100 and 8101",
        "24,000 of 100,000 tokens",
        "v1.2.3 of 10 - 20 - 30",
        "p99 of 1.5 s @ 3 workers",
        "HTTP/1.1 503",
        "question 17 of run-123456789012",
    ],
)
def test_it_is_not(text: str) -> None:
    assert not suspected(text)


def test_our_own_ids_are_nobodys_numbers() -> None:
    for _ in range(2000):
        assert not suspected(f"request {uuid.uuid4()}")
    assert not suspected("request 12345678-1234-4234-8234-123456789012")


@pytest.mark.parametrize("text", ["1 2 ", "@", "a", "aa@", "A1", "1.", "1-", "12 34 56 a ", "+(", "1234567a", "AB12"])
def test_no_text_makes_it_slow(text: str) -> None:
    """A bound far above what it takes (a few milliseconds), and far below what backtracking would."""
    began_s = time.process_time()
    suspected(text * (200_000 // len(text)))
    assert time.process_time() - began_s < 2
