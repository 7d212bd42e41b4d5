"""What the cache keeps of an answer, and gives to those who wait for the same one. Next: ``flight.py``."""

from dataclasses import dataclass

import orjson

from .citations import Citation
from .reply import Reply, Source


@dataclass(slots=True, frozen=True)
class CachedAnswer:
    """An answer that others may have: as stored, and as shared between waiters.

    ``citations`` is None where the stage is inside of the search, which alone knows what ``[n]`` means.
    """

    text: str
    provider: str | None
    model: str | None
    finish_reason: str | None
    source: Source = "live"
    degraded: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    retry_after_s: float | None = None
    cost_nano_usd: int | None = None
    citations: tuple[Citation, ...] | None = None
    age_s: float = 0.0

    def reply(self, source: Source) -> Reply:
        """A whole reply with this answer."""
        reply = Reply(
            source=source,
            provider=self.provider,
            model=self.model,
            text=self.text,
            finish_reason=self.finish_reason,
            ignored=self.ignored,
        )
        reply.degraded.extend(self.degraded)
        reply.retry_after_s, reply.cost_nano_usd = self.retry_after_s, self.cost_nano_usd
        reply.sources = self.citations
        return reply

    def encode(self) -> bytes:
        """JSON; the age is the store's business."""
        return orjson.dumps(self, default=list)

    @staticmethod
    def decode(data: bytes, age_s: float = 0.0) -> "CachedAnswer":
        """The inverse of ``encode``. Raises ValueError, KeyError or TypeError for what no version of ours wrote."""
        given = orjson.loads(data)
        given["degraded"], given["ignored"] = tuple(given["degraded"]), tuple(given["ignored"])
        cites = given.get("citations")
        given["citations"] = None if cites is None else tuple(Citation(**one) for one in cites)
        return CachedAnswer(**{**given, "age_s": age_s})
