"""A link in HTML to the page of a request, by its own id or by that of its trace. Read `request.py` next."""

from html import escape
from urllib.parse import quote


def request_link(id_: str, words: str, *, title: str = "", here: bool = False) -> str:
    """The link; whatever its parts hold is text. It opens a tab of its own, or `here` takes this one's place."""
    hover = f' title="{escape(title)}"' if title else ""
    target = "_self" if here else "_blank"
    return f'<a href="request?request={quote(id_, safe="")}" target="{target}"{hover}>{escape(words)}</a>'
