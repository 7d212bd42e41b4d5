"""Personal data, at first sight: the cheap filter in front of everything that keeps text.

It would rather suspect too much: what it takes for an address or a number of a person is only not kept. Its patterns
are those that show by their form (e-mail, telephone, card, account and identity numbers, IBAN, IPv4). Chapter,
section 7 (never in cache or logs). Next: ``../stages/cache.py``.
"""

import re

_HINT = re.compile(r"[@\d]")
_FORMS = re.compile(
    r"""
    [^\s@]@[^\s@]{1,255}\.\w                                # e-mail
    | (?<![\w.\-]) (?!\d{4}-\d\d-\d\d(?!\d)) (?![\da-fA-F]{8}-[\da-fA-F]{4}-)  # neither an ISO date nor a UUID, but
      \+?\(?\d (?:[\s().\-/]{0,2}\d){6,18} (?!\w)           #   seven digits and more
    | (?<!\w) [A-Z]{2}\d\d (?:\x20?[A-Z0-9]{4}){2,7}        # IBAN
    | (?<![\w.]) (?:\d{1,3}\.){3}\d{1,3} (?!\w)             # IPv4
    """,
    re.VERBOSE,
)


def suspected(text: str) -> bool:
    """Whether ``text`` may hold personal data."""
    return _HINT.search(text) is not None and _FORMS.search(text) is not None
