"""Routes: an alias that clients name, and the ladder of rungs behind it. Next: ``../stages/fallback.py``."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import NotFound
from ..settings import BrokenStream, Settings


@dataclass(slots=True, frozen=True)
class Rung:
    """One step of a ladder."""

    provider: str
    model: str
    smaller: bool = False
    context_tokens: int | None = None


@dataclass(slots=True, frozen=True)
class Route:
    """``broken_stream`` is the policy on our own stream; the OpenAI surface uses ``error`` instead of ``restart``."""

    alias: str
    rungs: tuple[Rung, ...]
    broken_stream: BrokenStream
    deadline_s: float
    max_tokens: int
    retrieval: bool = False


def routes_of(settings: Settings) -> Mapping[str, Route]:
    """The configured routes by alias."""
    return {
        alias: Route(
            alias=alias,
            rungs=tuple(Rung(r.provider, r.model, r.smaller, r.context_tokens) for r in given.rungs),
            broken_stream=given.broken_stream,
            deadline_s=given.deadline_s,
            max_tokens=given.max_tokens,
            retrieval=given.retrieval,
        )
        for alias, given in settings.routes.items()
    }


def route_named(routes: Mapping[str, Route], alias: str) -> Route:
    """The route; raises NotFound with the known ones."""
    try:
        return routes[alias]
    except KeyError:
        raise NotFound(f"no route is called {alias!r}; the routes are {', '.join(routes)}") from None
