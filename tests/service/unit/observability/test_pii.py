"""Personal data at first sight: what shows by its form is found, our own ids and everyday text are left alone."""

import time
import uuid

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from service.observability.pii import masked, pseudonym, pseudonym_of, safe_name, suspected

CANARIES = {
    "email": [
        "jane.doe@example.com",
        "JANE+tag@Example.CO.UK",
        "jane%40example.com",
        "jane%2Edoe%40example.com",
        "x%40y%40example.com",
        '"jane doe"@example.com',
        "jane@[192.0.2.17]",
        "müller@münchen.de",
        "4bf92f3577b34da6a3ce929d0e0e4736@example.com",
        "5550101234@example.com",
        "4bf92f35-77b3-4da6-a3ce-929d0e0e4736@example.com",
    ],
    "number": [
        "+1 (555) 010-1234",
        "+15550101234",
        "(555) 010-1234",
        "555-010-1234",
        "555.010.1234",
        "555 010 1234",
        "555\u2013010\u20131234",
        "5550101234",
        "0170/1234567",
        "+49 (170) 123-4567",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111111111111111",
        "378282246310005",
        "078-05-1120",
        "078 05 1120",
        "078051120",
    ],
    "iban": [
        "DE89 3704 0044 0532 0130 00",
        "DE89-3704-0044-0532-0130-00",
        "DE89370400440532013000",
        "de89370400440532013000",
        "GB29NWBK60161331926819",
        "GB29 NWBK 6016 1331 9268 19",
        "NO9386011117947",
    ],
    "ip": [
        "192.0.2.17",
        "10.0.0.1",
        "2001:db8::1",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "fe80::1",
        "FD12:3456:789a::1",
    ],
}
SPELLINGS = [(kind, canary) for kind, canaries in CANARIES.items() for canary in canaries]
ATTACHED = ["4111111111111111", "4111 1111 1111 1111", "555-010-1234", "(555) 010-1234", "078-05-1120"]
"""Forms that are found even in the middle of a word."""
WORDS = st.text("abcdefghijklmnop ,.;'\"()<>\n", max_size=20)
IDS = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda given: str(given).upper()),
    st.uuids().map(lambda given: given.hex),
    st.binary(min_size=20, max_size=20).map(bytes.hex),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    # One of 1,800 has no letter; of those a card's number is one of twenty, and is masked.
    st.binary(min_size=8, max_size=8).map(bytes.hex).filter(lambda given: not given.isdecimal()),
    st.datetimes().filter(lambda t: 1900 <= t.year < 2100).map(lambda t: t.isoformat() + "Z"),
    st.datetimes().filter(lambda t: 1900 <= t.year < 2100).map(lambda t: f"{t:%Y-%m-%d %H:%M}+00:00"),
    st.dates().filter(lambda t: 1900 <= t.year < 2100).map(str),
    st.times().map(str),
    st.integers(0, 999_999).map(str),
    st.floats(0, 99_999).map(lambda s: f"{s:.9f} s"),
    st.sampled_from(["0000000000000000", "127.0.0.1:8101", "v1.2.3", "p99 of 1.5 s @ 3 workers"]),
)


@pytest.mark.parametrize(("kind", "canary"), SPELLINGS)
@pytest.mark.parametrize(
    "around", ["{}", "call {} now", '{{"to": "{}"}}', "<{}>", "'{}'", "(at {})", "to={}&x=1", "{}."]
)
def test_a_canary_is_suspected_and_masked_whole(kind: str, canary: str, around: str) -> None:
    text = around.format(canary)
    assert suspected(text)
    assert masked(text) == around.format(f"[{kind}]")


@pytest.mark.parametrize("canary", ATTACHED)
@pytest.mark.parametrize("around", ["card_{}", "ch-{}", "user{}x", "run-{}x"])
def test_some_forms_are_found_wherever_they_stand(canary: str, around: str) -> None:
    assert suspected(around.format(canary))
    assert masked(around.format(canary)) == around.format("[number]")


@hypothesis(max_examples=300, deadline=None)
@given(st.lists(st.tuples(WORDS, st.sampled_from(SPELLINGS), WORDS), min_size=1, max_size=4))
def test_no_canary_is_left_in_any_text(parts: list[tuple[str, tuple[str, str], str]]) -> None:
    text = " | ".join(f"{before} {canary} {after}" for before, (_, canary), after in parts)
    left = masked(text)
    assert not [canary for _, (_, canary), _ in parts if canary in left]
    assert masked(left) == left
    assert suspected(text)


@hypothesis(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "request ", "t=", '"', "x: ", "/"]), IDS), min_size=1, max_size=4))
@example([("00-", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")])
@example([("request ", "12345678-1234-4234-8234-123456789012")])
def test_our_own_ids_times_and_durations_are_never_masked(parts: list[tuple[str, str]]) -> None:
    text = ", ".join(before + given for before, given in parts)
    assert masked(text) == text


def test_an_id_of_digits_only_is_masked_where_it_is_a_cards_number_and_suspected_anyway() -> None:
    assert masked("span 4111111111111111") == "span [number]"
    assert masked("span 4111111111111112") == "span 4111111111111112"
    assert suspected("4111111111111112")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "why do retries need jitter?",
        "on 2026-11-25 at 12:30",
        "at 2026-11-25T12:30:45.123456+00:00",
        "ports 8000, 8100 and 8101",
        "24,000 of 100,000 tokens",
        "v1.2.3 of 10 - 20 - 30",
        "p99 of 1.5 s @ 3 workers",
        "HTTP/1.1 503",
        "question 17 of run-123456789012",
        "std::vector and 12::ab",
        "ab12cdef3456ghij7",
        "pi is 3.14159265",
    ],
)
def test_everyday_text_is_neither_suspected_nor_changed(text: str) -> None:
    assert not suspected(text)
    assert masked(text) == text


def test_our_own_ids_are_nobodys_numbers() -> None:
    for _ in range(2000):
        assert not suspected(f"request {uuid.uuid4()}")
    assert not suspected("request 12345678-1234-4234-8234-123456789012")


HOSTILE = [
    *("1 2 ", "@", "a", "aa@", "A1", "1.", "1-", "12 34 56 a ", "+(", "1234567a", "AB12", "ab12", "a%40", "%4", "%40"),
    *(
        '"a',
        '"',
        "2001:",
        "f:",
        ":",
        "0-9",
        "4111 ",
        "a.@b.",
        "a@b",
        "1",
        "1:1",
        "20-",
        "2026-11-25T",
        "(",
        "a@[",
        "\n",
    ),
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("look", [suspected, masked])
def test_a_megabyte_of_no_text_makes_it_slow(look: object, text: str) -> None:
    """A bound far above what it takes (under a second), and far below what backtracking would."""
    assert callable(look)
    began_s = time.process_time()
    look(text * (1_000_000 // len(text)))
    assert time.process_time() - began_s < 10


def test_a_pseudonym_is_always_the_same_and_depends_on_the_key() -> None:
    assert pseudonym("key", "alice") == pseudonym("key", "alice")
    assert len({pseudonym(key, name) for key in ("key", "other") for name in ("alice", "bob")}) == 4
    assert len(pseudonym("key", "")) == 16
    assert int(pseudonym("key", "alice"), 16) >= 0


@pytest.mark.parametrize(
    "name",
    [
        "jane.doe@example.com",
        "4111111111111111",
        "4111_1111_1111_1111",
        "u4111111111111111",
        "a_078051120",
        "555-010-1234",
        "192.0.2.17",
        "192_0_2_17",
        "DE89370400440532013000",
    ],
)
def test_a_name_that_may_be_a_persons_is_replaced_by_one_that_is_not(name: str) -> None:
    safe = safe_name("key", name)
    assert safe == f"u-{pseudonym('key', name)}"
    assert safe_name("key", safe) == safe, "once is enough"
    assert not suspected(safe)


@pytest.mark.parametrize("name", ["alice", "acme", "A_1", "t17x12345678", "svc.eu-west-1", "2026-11-25"])
def test_any_other_name_stays(name: str) -> None:
    assert safe_name("key", name) == name


def test_whoever_is_searched_by_name_is_found_by_the_name_that_stands_for_it() -> None:
    for name in ("alice", "jane.doe@example.com"):
        assert pseudonym_of("key", safe_name("key", name)) == pseudonym("key", name)
