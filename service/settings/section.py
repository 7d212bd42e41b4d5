"""What every section of the settings is made of: types with their bounds, and the names that sections share.

Next: ``stages.py``.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Usd = Annotated[float, Field(ge=0, le=900_000)]
NAME = r"^[A-Za-z0-9_.@-]{1,64}$"
"""Tenants and users: no character that separates the parts of a key in Redis."""
STAGES = ("cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead")
SWITCHES = (*STAGES, "retrieval", "rerank")
"""What an operator may switch off: the stages, and what a route with retrieval does before it asks a model."""
PAYMENTS = "payments"
"""The payments provider's name among the circuits and bulkheads."""
EMBEDDINGS, RERANK = "embeddings", "rerank"
"""The names of retrieval's two dependencies there."""
SEARCHERS = frozenset({EMBEDDINGS, RERANK})
INDEX = "index"
"""The name of its index there, where a server holds it."""


class Section(BaseModel):
    """A table of the TOML file: no unknown key, and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
