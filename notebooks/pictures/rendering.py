"""How a picture gets into a cell: as Vega-Lite for those who can draw it, as PNG for all others. Read `look.py` next.

Altair's own default is a page that fetches its scripts from elsewhere, so nothing is seen offline. Here each output has
both forms, and a front end takes the richer one that it knows: JupyterLab draws it with tooltips, VS Code, Colab and a
printout show the picture.
"""

from __future__ import annotations

import base64
from typing import Any

import altair as alt
import vl_convert

NAME = "gauntlet"
VEGALITE = "application/vnd.vegalite.v6+json"
"""What front ends know it by. (Altair 6.3 itself says `v6.json`, which the form of notebooks does not allow.)"""
PNG = "image/png"
SCALE = 2.0
"""Pixels per pixel: sharp on a projector."""


def png(spec: dict[str, Any]) -> bytes:
    """A Vega-Lite specification as a picture, drawn here."""
    return bytes(vl_convert.vegalite_to_png(spec, scale=SCALE))


def _bundle(spec: dict[str, Any], **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    picture = base64.b64encode(png(spec)).decode()
    return {VEGALITE: spec, PNG: picture, "text/plain": "<a picture>"}, {}


def enable() -> None:
    """Let altair show its charts so, in this kernel."""
    alt.renderers.register(NAME, _bundle)
    alt.renderers.enable(NAME)
