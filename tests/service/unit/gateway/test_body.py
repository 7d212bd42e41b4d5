"""Bodies: what is wrong with one is said in words, and in a form that a program can read."""

from typing import Any

import pytest
from starlette.requests import Request

from service.errors import BadRequest, BodyTooLarge, Unprocessable
from service.gateway.body import DRAIN_TIMES, Strict, read


class Item(Strict):
    name: str


class Body(Strict):
    text: str
    count: int | None = None
    items: tuple[Item, ...] = ()


def request(*parts: bytes, declared: str | None = None) -> Request:
    queue = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    queue.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        return queue.pop(0)

    headers = [(b"content-length", declared.encode())] if declared is not None else []
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def test_a_body_in_pieces_is_read_whole() -> None:
    body = await read(request(b'{"text": ', b'"hi", "items": [{"na', b'me": "x"}]}'), Body, most_bytes=100)
    assert body == Body(text="hi", items=(Item(name="x"),))


@pytest.mark.parametrize("data", [b"", b"{", b"text=hi", b'{"text": "\xff"}', b"{'text': 1}", b"[" * 10_000])
async def test_what_is_no_json_is_400(data: bytes) -> None:
    with pytest.raises(BadRequest, match="not JSON in UTF-8") as caught:
        await read(request(data), Body, most_bytes=100_000)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("data", "where", "what"),
    [
        (b"{}", "text", "Field required"),
        (b"[]", "body", "object"),
        (b'"text"', "body", "object"),
        (b'{"text": 7}', "text", "valid string"),
        (b'{"text": "a", "count": "7"}', "count", "valid integer"),
        (b'{"text": "a", "count": 7.5}', "count", "valid integer"),
        (b'{"text": "a", "items": [{"name": "x"}, {}]}', "items.1.name", "Field required"),
        (b'{"text": "a", "tetx": 1}', "tetx", "unknown field; the fields are text, count, items"),
    ],
)
async def test_what_does_not_fit_is_422_and_says_where(data: bytes, where: str, what: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        await read(request(data), Body, most_bytes=1000)
    [fault] = caught.value.extra["errors"]
    assert fault["where"] == where
    assert what in fault["what"]
    assert caught.value.message.startswith(f"{where}: ")
    assert caught.value.extra["param"] == where


async def test_every_fault_is_listed_and_the_summary_stays_short() -> None:
    data = b'{"text": "a", ' + b", ".join(b'"x%d": 1' % n for n in range(50)) + b"}"
    with pytest.raises(Unprocessable) as caught:
        await read(request(data), Body, most_bytes=10_000)
    assert len(caught.value.extra["errors"]) == 50
    assert caught.value.message.count(";") == 9


async def test_what_the_caller_sent_is_not_repeated() -> None:
    with pytest.raises(Unprocessable) as caught:
        await read(request(b'{"text": 1, "count": "secret"}'), Body, most_bytes=1000)
    assert "secret" not in str(caught.value.extra) + caught.value.message


async def test_a_body_of_exactly_the_bound_is_taken_and_one_byte_more_is_not() -> None:
    data = b'{"text": "' + b"x" * 88 + b'"}'
    assert len(data) == 100
    await read(request(data[:50], data[50:], declared="100"), Body, most_bytes=100)
    with pytest.raises(BodyTooLarge, match="larger than 99 bytes"):
        await read(request(data, declared="100"), Body, most_bytes=99)


async def test_an_undeclared_flood_is_not_read_to_its_end() -> None:
    parts = [b"x" * 100] * 1000
    flood = request(*parts)
    with pytest.raises(BodyTooLarge):
        await read(flood, Body, most_bytes=100)
    left = 0
    while (await flood._receive())["more_body"]:
        left += 1
    assert left == 1000 - DRAIN_TIMES - 1


async def test_a_declared_flood_is_not_read_at_all() -> None:
    flood = request(b"x", declared="999999999")
    with pytest.raises(BodyTooLarge):
        await read(flood, Body, most_bytes=100)
    assert (await flood._receive())["body"] == b"x"


@pytest.mark.parametrize("declared", ["lots", "-1", "²"])
async def test_a_length_that_is_no_number_does_not_matter(declared: str) -> None:
    flood = request(b'{"text": "a"}')
    flood.scope["headers"] = [(b"content-length", declared.encode("latin-1"))]
    assert (await read(flood, Body, most_bytes=100)).text == "a"
