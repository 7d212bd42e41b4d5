"""Numbers in a query string, bounded, and explained when they are wrong. Next: a track."""

from starlette.requests import Request

from ..errors import BadRequest

MOST_DIGITS = 9
MOST_SHOWN = 40
"""Characters of what was given that are told back."""


def whole(request: Request, name: str, *, usual: int, most: int) -> int:
    """The parameter, from 1 to ``most`` in at most ``MOST_DIGITS`` digits; ``usual`` where there is none.

    Raises BadRequest.
    """
    given = request.query_params.get(name)
    if given is None:
        return usual
    number = int(given) if given.isascii() and given.isdecimal() and len(given) <= MOST_DIGITS else 0
    if not 1 <= number <= most:
        raise BadRequest(f"{name}: must be a whole number from 1 to {most}, given {given[:MOST_SHOWN]!r}")
    return number
