"""Tiles: one figure or one circuit at a glance, as small pieces of HTML. Read `states.py` next.

Text is escaped here, once. Their style is in `style.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from .glossary import explained
from .palette import ATTEMPTS, BREAKER, GREY, Meaning

STATE_ICONS = {"closed": "●", "half_open": "◐", "open": "○", "paused": "‖"}
"""Beside the colour: a circuit that is closed lets through, an open one does not."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure with its unit; `term` is its entry in the glossary, `more` a line beneath."""

    name: str
    value: str
    unit: str
    term: str
    more: str = ""


def tiles(given: Sequence[Tile]) -> str:
    """A row of tiles."""
    return f'<div class="g-tiles">{"".join(map(_tile, given))}</div>'


def _tile(tile: Tile) -> str:
    return (
        f'<div class="g-tile" title="{escape(explained(tile.term))}"><div class="name">{escape(tile.name)}</div>'
        f'<div class="value">{escape(tile.value)} <small>{escape(tile.unit)}</small></div>'
        f'<div class="more">{escape(tile.more)}</div></div>'
    )


def circuit(name: str, state: str, more: str, calls: Mapping[str, int]) -> str:
    """A provider: its circuit's state, a line about it, and how its calls ended."""
    meaning = next((one for one in BREAKER if one.key == state), Meaning(state, state, GREY))
    return (
        f'<div class="g-circuit" style="--state: {meaning.colour}"><span class="state" title="{_hint(meaning.term)}">'
        f'{STATE_ICONS.get(state, "")} {escape(meaning.words)}</span><span class="name">{escape(name)}</span>'
        f'<div class="more" title="{_hint("probe" if state == "open" else "")}">{escape(more)}</div>'
        f"{shares(calls, ATTEMPTS)}</div>"
    )


def shares(counts: Mapping[str, int], meanings: Sequence[Meaning]) -> str:
    """A bar divided by counts, with each count in words beneath."""
    known = [(meaning, counts[meaning.key]) for meaning in meanings if counts.get(meaning.key)]
    if not known:
        return '<div class="g-bar"></div><div class="more">no calls in this time</div>'
    parts = "".join(f'<div style="flex: {n}; background: {meaning.colour}"></div>' for meaning, n in known)
    keys = "".join(_key(meaning, f"{n:,} ") for meaning, n in known)
    return f'<div class="g-bar">{parts}</div><div class="more">{keys}</div>'


def legend(meanings: Sequence[Meaning]) -> str:
    """What the colours of a chart mean, in one line; each explained where the mouse rests."""
    return f'<div class="g-legend">{"".join(map(_key, meanings))}</div>'


def _key(meaning: Meaning, before: str = "") -> str:
    return (
        f'<span class="g-meaning"><span class="g-key" style="background: {meaning.colour}"></span>'
        f'<span title="{_hint(meaning.term)}">{before}{escape(meaning.words)}</span></span> '
    )


def _hint(term: str) -> str:
    return escape(explained(term)) if term else ""


def terms(names: Sequence[str]) -> str:
    """A line of terms, each explained where the mouse rests."""
    said = (f'<abbr title="{_hint(name)}">{escape(name)}</abbr>' for name in names)
    return f'<div class="g-legend">{" · ".join(said)}</div>'


def level(name: str, share: float, shown: str, colour: str) -> str:
    """A bucket: how much of it is left."""
    filled = max(0.0, min(1.0, share)) * 100
    return (
        f'<div class="g-level"><span>{escape(name)}</span><div class="g-bar"><div style="width: {filled:.0f}%; '
        f'background: {colour}"></div></div><span>{escape(shown)}</span></div>'
    )


def number(value: Any, form: str, none: str = "–") -> str:
    """A figure as text; a dash where there is nothing to measure."""
    return none if value is None else format(value, form)
