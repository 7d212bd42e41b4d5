"""What retrieval did before a model was asked, as one strip in HTML above the stages. Read `passages.py` next."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..look.glossary import explained
from ..look.palette import BLUE, GREY, ORANGE, YELLOW
from ..story import words
from .chip import STYLE as CHIP_STYLE
from .chip import chip
from .passages import SEARCH

_LESS = ("words_only", "not_reranked", "fewer")
_STYLE = f"""<style>
.g-search{{border:1px solid rgba(128,128,128,.4);border-left-width:4px;border-radius:6px;padding:5px 8px;margin:0 0 6px;
font-size:.78rem;line-height:1.4;overflow-wrap:anywhere}}
.g-search abbr{{text-decoration:underline dotted;text-underline-offset:3px;cursor:help;font-weight:600}}
.g-search .g-chip{{margin:0 4px}}
.g-search ul{{font-size:inherit;margin:3px 0 0;padding-left:18px}}
.g-search li{{font-size:inherit;margin:0}}
{CHIP_STYLE}</style>"""


def search_html(path: Sequence[Mapping[str, Any]]) -> str:
    """The strip, a line for each call and decision as they came; empty for a path without a search."""
    last = max((at for at, event in enumerate(path) if event["stage"] == SEARCH), default=-1)
    if last < 0:
        return ""
    told = [event for event in path[: last + 1] if event["stage"] in (SEARCH, "call")]
    said = [words.sentence(event["stage"], event["decision"], event["inputs"]) for event in told]
    sign, word, colour = _state({event["decision"] for event in told if event["stage"] == SEARCH})
    name = f'<abbr title="{escape(explained(SEARCH))}">{SEARCH}</abbr>'
    return (
        f'{_STYLE}<div class="g-search" style="border-left-color:{colour}">{name} {chip(sign, word, colour)} '
        f"done at {path[last]['t_ms']:,.0f} ms<ul>{''.join(f'<li>{escape(one)}</li>' for one in said)}</ul></div>"
    )


def _state(decisions: set[str]) -> tuple[str, str, str]:
    if "none" in decisions:
        return "■", "nothing searched", ORANGE
    if decisions & set(_LESS):
        return "→", "less than wished", YELLOW
    return ("○", "switched off", GREY) if "off" in decisions else ("→", "found", BLUE)
