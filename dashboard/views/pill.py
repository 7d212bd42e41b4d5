"""A state as a sign, a word and a colour, for the rows of the Checklist page. Read `checklist.py` next."""

from html import escape

_PILL = (
    '<div style="border: 1px solid rgba(128,128,128,.4); border-left: .45rem solid {colour}; border-radius: .4rem; '
    'padding: .2rem .6rem; font-weight: 600; white-space: nowrap; font-size: .95rem">{icon}&ensp;{words}</div>'
)


def pill(colour: str, icon: str, words: str) -> str:
    """Its HTML."""
    return _PILL.format(colour=colour, icon=icon, words=escape(words))
