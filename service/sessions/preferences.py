"""A user's preferences: the route to take and the style to answer in.

The style is rendered into the system message, hence into the cache's key. Preferences have no end, so a style in which
personal data is suspected is refused (``endpoints.py``): a thread is the place for that. Next: ``idempotency.py``.
"""

from dataclasses import dataclass

SYSTEM = "You are a helpful assistant. Answer from the conversation and the context given; say when you do not know."


@dataclass(slots=True, frozen=True)
class Preferences:
    """Both optional: ``route`` is an alias of the configuration, ``style`` free text."""

    route: str | None = None
    style: str | None = None

    @staticmethod
    def of(flat: list[bytes]) -> "Preferences":
        """From a Redis hash as a flat list of fields and values."""
        given = dict(zip(flat[::2], flat[1::2], strict=True))
        route, style = given.get(b"route"), given.get(b"style")
        return Preferences(route.decode() if route else None, style.decode() if style else None)

    def pairs(self) -> list[str]:
        """As a Redis hash; an unset field is an empty string, so that one HSET replaces both."""
        return ["route", self.route or "", "style", self.style or ""]

    def system(self) -> str:
        """The system message."""
        return f"{SYSTEM} Answer in this style: {self.style}" if self.style else SYSTEM
