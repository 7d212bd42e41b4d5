"""The passages that an answer cites, as plain text in HTML. Read `passages.py` next."""

from collections.abc import Mapping
from html import escape
from typing import Any


def citations_html(answer: Mapping[str, Any]) -> str:
    """A line for each of `citations`, which is `[{"n", "title", "source", "anchor"}]`; empty where nothing is cited."""
    return "".join(_line(one) for one in answer.get("citations") or ())


def _line(one: Mapping[str, Any]) -> str:
    place = "#".join(str(part) for part in (one.get("source"), one.get("anchor")) if part)
    return (
        f'<div style="font-size:.85rem">[{escape(str(one.get("n")))}] <b>{escape(str(one.get("title") or ""))}</b> '
        f'<span style="opacity:.7">{escape(place)}</span></div>'
    )
