"""`GET /v1/models`, as work to send: a list that is made without any model (DESIGN section 5).

Read `anthropic_wire.py` next: it fills the list in its own form.
"""

from __future__ import annotations

from typing import Any

import orjson

from .call import Work


class Document(Work):
    """A JSON document that is sent as it is; `empty` is what an empty result looks like."""

    def __init__(self, document: dict[str, Any], empty: dict[str, Any], status: int = 200) -> None:
        self._document = document
        self._empty = empty
        self.status = status

    def body(self) -> bytes:
        """Return the document."""
        return orjson.dumps(self._document)

    def missing_fields(self) -> bytes:
        """Return an object without any field."""
        return b"{}"

    def empty_content(self) -> bytes:
        """Return the document with its content emptied."""
        return orjson.dumps({**self._document, **self._empty})


class ModelList(Document):
    """The list of models, in the form of either provider."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(document, {"data": []})
