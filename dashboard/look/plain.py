"""Words of others in a page's Markdown: shown as they are, never as markup. Read `states.py` next."""

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]#!|<>~$]|:(?=[a-z]))")
"""A colon before a letter may begin an icon or a colour of Streamlit's."""


def plain(text: str) -> str:
    """The text with all that Markdown would act upon escaped: no link, no picture, no formula comes of it."""
    return _MARKUP.sub(r"\\\1", text)
