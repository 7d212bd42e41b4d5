"""A stand-in for Langfuse's server that takes what its SDK posts, checks the way it came, and decodes it."""

from __future__ import annotations

import base64
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PUBLIC, SECRET = "pk-lf-test", "sk-lf-test"


@dataclass
class Langfuse:
    """What arrived: each observation as a dictionary of its attributes, with its ids, name and times."""

    url: str = ""
    observations: list[dict[str, Any]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Settings for a service that is to use it."""
        return {"LANGFUSE_PUBLIC_KEY": PUBLIC, "LANGFUSE_SECRET_KEY": SECRET, "LANGFUSE_BASE_URL": self.url}

    async def take(self, request: web.Request) -> web.Response:
        """Any request."""
        expected = "Basic " + base64.b64encode(f"{PUBLIC}:{SECRET}".encode()).decode()
        if (request.method, request.path) != ("POST", "/api/public/otel/v1/traces"):
            self.wrong.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != expected:
            self.wrong.append("authorization")
        if request.content_type != "application/x-protobuf":
            self.wrong.append(request.content_type)
        body = await request.read()  # inflated by aiohttp
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.observations += [_observation(span) for span in scope.spans]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    def of(self, trace_id: str) -> list[dict[str, Any]]:
        """A trace's observations, in order of their start."""
        found = [observation for observation in self.observations if observation["trace_id"] == trace_id]
        return sorted(found, key=lambda observation: observation["start_ns"])


def _observation(span: Any) -> dict[str, Any]:
    attributes = {a.key: _value(a.value) for a in span.attributes}
    return {
        **attributes,
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "name": span.name,
        "start_ns": span.start_time_unix_nano,
        "end_ns": span.end_time_unix_nano,
    }


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


@asynccontextmanager
async def langfuse() -> AsyncIterator[Langfuse]:
    """It serves on a free port of loopback while this is open."""
    server = Langfuse()
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{path:.*}", server.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
