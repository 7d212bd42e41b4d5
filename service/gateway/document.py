"""JSON out, and how the endpoints are described in OpenAPI although they read their bodies themselves (``body.py``)."""

from typing import Any

import orjson
from pydantic import BaseModel
from starlette.responses import Response


def json_response(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(value), status_code=status, media_type="application/json", headers=headers)


def asked_by(**schemas: dict[str, Any]) -> dict[str, Any]:
    """``openapi_extra`` of an endpoint with these optional parameters in its query."""
    return {"parameters": [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]}


def from_one_to(most: int, usual: int) -> dict[str, Any]:
    """The schema of a whole number, such as ``query.py`` reads."""
    return {"type": "integer", "minimum": 1, "maximum": most, "default": usual}


def takes(model: type[BaseModel], *headers: str) -> dict[str, Any]:
    """``openapi_extra`` of an endpoint with a JSON body and required ``headers``."""
    extra: dict[str, Any] = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}
    }
    if headers:
        extra["parameters"] = [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string", "maxLength": 255}}
            for name in headers
        ]
    return extra
