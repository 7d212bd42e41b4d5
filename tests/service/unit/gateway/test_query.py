"""Numbers in a query string."""

import pytest
from starlette.requests import Request

from service.errors import BadRequest
from service.gateway.query import whole


def limit_of(query: bytes) -> int:
    return whole(Request({"type": "http", "query_string": query, "headers": []}), "limit", usual=20, most=100)


def test_a_number_within_its_bounds_counts_and_without_one_the_usual() -> None:
    assert [limit_of(query) for query in (b"limit=1", b"limit=100", b"limit=007", b"", b"other=3")] == [
        1,
        100,
        7,
        20,
        20,
    ]


@pytest.mark.parametrize(
    "given", ["0", "-1", "101", "x", "", "1.5", "+3", "%D9%A3", "%C2%B2", "000000001000000", "9" * 5000]
)
def test_anything_else_is_told_with_the_bounds(given: str) -> None:
    with pytest.raises(BadRequest, match=r"^limit: must be a whole number from 1 to 100, given '") as refused:
        limit_of(f"limit={given}".encode())
    assert len(str(refused.value)) < 120
