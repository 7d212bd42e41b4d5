"""A small coloured label with a sign and a word, in HTML: how a stage's state is told.

Black or white ink, whichever reads better on its colour, so that it looks the same on a light and on a dark page.
"""

from html import escape

STYLE = (
    ".g-chip{display:inline-block;border-radius:4px;padding:1px 5px;font-size:.75rem;font-weight:600;line-height:1.35;"
    "overflow-wrap:anywhere}"
)


def chip(sign: str, word: str, colour: str, *, hover: str = "") -> str:
    """The label; `hover` is what shows where the mouse rests on it."""
    title = f' title="{escape(hover)}"' if hover else ""
    words = escape(f"{sign} {word}".strip())
    return f'<span class="g-chip" style="background:{colour};color:{_ink(colour)}"{title}>{words}</span>'


def _ink(colour: str) -> str:
    """By relative luminance (WCAG 2.2): where black and white contrast alike it is 0.18."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 else "#FFFFFF"
