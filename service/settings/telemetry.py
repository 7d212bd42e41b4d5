"""Telemetry: what is told of requests, and how much of it. Next: ``profiles.py``."""

from pydantic import Field

from .section import Seconds, Section

PSEUDONYM_KEY = "workbench"
"""The workbench's; anybody can undo its hashes by trying names."""


class TelemetrySettings(Section):
    """What is told of requests; where to, `OTEL_*` variables say."""

    pseudonym_key: str = Field(
        PSEUDONYM_KEY, min_length=8, description="keys the hash that stands for a user; live needs one of its own"
    )
    ordinary_per_s: float = Field(10.0, ge=0, description="traces of requests without incident kept per worker")
    notable_per_s: float = Field(50.0, ge=0, description="and of each kind with one: errors, degraded, slow and so on")
    slow_s: Seconds = Field(2.0, description="a request (a stream's first token) that takes longer is slow")
