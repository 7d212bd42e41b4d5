"""A prompt that asks for one JSON object gets one: the form in its system text, filled in from the last message.

The form is a line such as `{"wants_refund": boolean, "order": id or null, "amount": cents or null, "reason": text}`.
Each kind has one plain rule, and the model believes whatever the message says: a gullible one, so that a service that
trusts it shows. Read `generation.py` next.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from .wording import sentences, words

_ASKED = "one JSON object"
_FIELD = r'"\w+": (?:boolean|id|cents|text)(?: or null)?'
_FORM = re.compile(rf"^\{{{_FIELD}(?:, {_FIELD})*\}}$", re.M)
_FIELDS = re.compile(r'"(\w+)": (boolean|id|cents|text)')
_ID = re.compile(r"(?<![\w.@-])[\w.@]+-\d{3,}(?![\w-])|(?<![\w.$€£-])#?\d{3,}(?![\w-]|[.,]\d)")
_WHOLE = r"(\d{1,12})"
"""No more digits than JSON's 64 bits hold as cents; a longer number is no sum."""
_SUM = re.compile(
    rf"[$€£]\s?{_WHOLE}(?:[.,](\d\d))?(?!\d)|(?<![\w.-]){_WHOLE}(?:[.,](\d\d))?\s?(?:usd|eur|dollars?|euros?)\b",
    re.I,
)
_BECAUSE = re.compile(r"\b(?:because|since|as) (.+?)(?:[.!?\n]|$)", re.I)
MOST_TEXT = 200


def filled(system: str, message: str) -> str | None:
    """Return the object that a prompt asks for, as JSON; None when it asks for none."""
    form = _FORM.search(system) if _ASKED in system else None
    if form is None:
        return None
    return orjson.dumps({name: _KINDS[kind](name, message) for name, kind in _FIELDS.findall(form[0])}).decode()


def _boolean(name: str, message: str) -> bool:
    """True when the last word of the field's name is in the message, in whatever form."""
    return bool(set(words(name.split("_")[-1])) & set(words(message)))


def _id(name: str, message: str) -> str | None:
    """The first thing that looks like a number with a name, else a number of three digits or more."""
    found = [match[0] for match in _ID.finditer(message)]
    named = [one for one in found if "-" in one]
    return next(iter(named or found), None)


def _cents(name: str, message: str) -> int | None:
    """The number that follows the field's name, else the first sum of money; in minor units."""
    said = re.search(rf"\b{name}\W{{1,3}}{_WHOLE}(?:[.,](\d\d))?(?!\d)", message, re.I)
    match = said or _SUM.search(message)
    if match is None:
        return None
    whole, *rest = [part for part in match.groups() if part]
    return int(whole) * 100 + int(rest[0] if rest else 0)


def _text(name: str, message: str) -> str:
    """What follows "because", else the first sentence."""
    match = _BECAUSE.search(message)
    if match is not None:
        return match[1].strip()[:MOST_TEXT]
    first = sentences(message)
    return first[0][0][:MOST_TEXT] if first else ""


_KINDS: dict[str, Callable[[str, str], Any]] = {"boolean": _boolean, "id": _id, "cents": _cents, "text": _text}
