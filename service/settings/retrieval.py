"""Retrieval: its two dependencies over HTTP, its share of time, and what goes first under pressure.

Next: ``telemetry.py``.
"""

from pydantic import Field

from .section import Count, Seconds, Section, Share, Usd


class EmbeddingsSettings(Section):
    """The embeddings API: any server that speaks OpenAI's `/v1/embeddings` (vLLM, TEI, Ollama, the APIs)."""

    base_url: str | None = Field(
        "http://127.0.0.1:8104/v1", description="with its `/v1`; not set: search by words only"
    )
    api_key_env: str = Field("OPENAI_API_KEY", description="the environment variable that holds its key")
    model: str = Field("text-embedding-3-small", description="vectors of another model are made anew, for all passages")
    dimensions: Count | None = Field(None, description="asked for where set; else the model's own")
    timeout_s: Seconds = Field(0.15, description="for one call: half of retrieval's deadline, so that words are left")
    connect_timeout_s: Seconds = Field(0.1, description="for a connection")
    bulkhead: Count = Field(64, description="calls at once per worker")
    cache_s: Seconds = Field(86_400.0, description="how long a question's vector is kept in Redis")


class RerankSettings(Section):
    """The reranker: any server that speaks `/v1/rerank` as Jina, Cohere, vLLM and TEI's gateways do."""

    base_url: str | None = Field("http://127.0.0.1:8104/v1", description="with its `/v1`; not set: the fused order")
    api_key_env: str = Field("RERANK_API_KEY", description="the environment variable that holds its key")
    model: str = Field("bge-reranker-v2-m3", description="the model there")
    timeout_s: Seconds = Field(0.15, description="for one call: what a slow question's vector leaves of the deadline")
    connect_timeout_s: Seconds = Field(0.1, description="for a connection")
    bulkhead: Count = Field(64, description="calls at once per worker")
    usd_per_mtok: Usd = Field(
        0.0, description="its price; no table of prices lists rerankers, and one's own costs none"
    )


class RetrievalSettings(Section):
    """Layer 3: what a route with `retrieval` does before it asks a model."""

    deadline_s: Seconds = Field(0.3, description="for all of it; at most a quarter of what a request has left")
    passages: int = Field(5, ge=1, le=20, description="given to the model")
    fewer_passages: int = Field(2, ge=1, le=20, description="given to it under pressure")
    candidates: int = Field(20, ge=1, le=100, description="of each search, and after fusion to the reranker")
    rerank_until: Share = Field(0.5, description="pressure from which nothing is reranked: first")
    more_until: Share = Field(0.7, description="and from which the model gets `fewer_passages`: next")
    search_until: Share = Field(0.85, description="and from which nothing is searched")
    handbook: bool = Field(True, description="a store that never had it gets the handbook that ships with the project")
    at_start: bool = Field(False, description="get ready at start, and not when the first question needs it")
    embeddings: EmbeddingsSettings = EmbeddingsSettings()
    rerank: RerankSettings = RerankSettings()
