"""Personal data, at first sight: the cheap filter in front of everything that keeps text, and the quick mask.

Its patterns are those that show by their form: e-mail, telephone, card, account and identity numbers, IBAN, IP
addresses. ``suspected`` would rather suspect too much: what it takes for a person's is only not kept. ``masked`` is
for what is told all the same, a log line or a span's text, and leaves our own ids and times as they are. Both take
microseconds and linear time. What no form betrays (names, places) neither finds; the thorough look off the request
path is ``masking.py``. Chapter, section 7 (never in cache or logs). Next: ``masking.py``.
"""

import hmac
import re

_HINT = re.compile(
    r"""
    [@%\d] (?:                                      # one look at most characters, and no more
        (?<=@)
      | (?<=%)40
      | (?:[\s().\-/\u2010-\u2015]{0,2}\d){6}        # seven digits
      | \d{0,2}\.\d{1,3}\.\d                        # three parts of an IPv4 address
      | (?<=[A-Za-z]{2}\d) \d[\x20\-]?[A-Za-z0-9]{4} # the begin of an IBAN
      | [0-9a-fA-F]{0,3}:[0-9a-fA-F]{0,4}:           # two parts of an IPv6 address
    )
    """,
    re.VERBOSE,
)
"""What every form has: most text has nothing of it and need not be looked at any closer."""

_FORMS = re.compile(
    r"""
    (?<![0-9A-Za-z]) (?:
        (?P<email>
            (?: "[^"\n]{1,64}" | (?<![^\s@"'<>()\[\]{},;:|\\/=&?\#]) [^\s@"'<>()\[\]{},;:|\\/=&?\#]++ ) @
              (?: [\w\-]++(?:\.[\w\-]++)++ | \[[^\]\s]{1,255}\] )
          | (?<![^\s@"'<>()\[\]{},;:|\\/=&?\#])
              (?: (?: [^\s@"'<>()\[\]{},;:|\\/=&?\#%] | %(?!40)[0-9a-fA-F]{2} )++ %40 )++ [\w\-]++(?:\.[\w\-]++)++
        )
      | (?P<ours>                           # ids and times: nothing then looks for numbers in the middle of them
            [0-9a-fA-F]{8} - (?:[0-9a-fA-F]{4}-){3} [0-9a-fA-F]{12} (?![0-9A-Za-z])                       # UUID
          | [0-9a-fA-F]{16} (?:[0-9a-fA-F]{16} (?:[0-9a-fA-F]{8}(?:[0-9a-fA-F]{24})?)?)? (?![0-9A-Za-z])  # hex
          | (?<!\.) (?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]) (?!\d)                       # date
            (?:[T\x20]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+\-]\d\d:?\d\d)?(?!\d))?
          | (?<![:.]) \d\d?:\d\d(?::\d\d(?:[.,]\d{1,9})?)? (?![\d:])                                    # time
          | (?<![\w.+\-]) (?:0|[1-9]\d{0,5})\.\d{1,20} (?![\w.\-(/] | \x20\(?\d)                        # decimal
        )
      | (?P<iban> [A-Z]{2}\d\d (?:[\x20\-]?[A-Z0-9]{4}){2,7} (?:[\x20\-]?[A-Z0-9]{1,3})? (?![0-9A-Za-z]) )
      | (?P<compact> [A-Za-z]{2}\d\d[A-Za-z0-9]{11,30} (?![0-9A-Za-z]) )         # an IBAN if its check digits say so
      | (?P<ip>
            (?<![\w.]) (?:\d{1,3}\.){3}\d{1,3} (?!\w)
          | (?<![\w:]) (?=[0-9a-fA-F:]{0,34}:: | (?:[0-9a-fA-F]{1,4}:){7})       # abbreviated, or all of it
            (?:[23][0-9a-fA-F]{3} | [fF][c-eC-E][0-9a-fA-F]{2}) (?::[0-9a-fA-F]{0,4}){2,7} (?!\w)
        )
      | (?P<digits> (?<![\w.\-]) \+?\(?\d (?:[\s().\-/\u2010-\u2015]{0,2}\d){6,18} (?!\w) )    # seven and more
    )
    | (?<!\d) (?=[\d(]) (?:                 # wherever they stand: the usual ways to write
        (?P<number> \(?\d{3}\)?[\x20.\-]{1,2}\d{3}[\x20.\-]\d{4} (?!\d) | \d{3}-\d\d-\d{4} (?!\d) )  # telephone, SSN
      | (?P<card> [2-6](?:[\x20\-]?\d){12,18} (?!\d) )                                                 # and cards
    )
    """,
    re.VERBOSE,
)


_MANY_DIGITS = re.compile(r"\d{9}")
_PSEUDONYM = re.compile(r"u-[0-9a-f]{16}")


def suspected(text: str) -> bool:
    """Whether ``text`` may hold personal data."""
    if _HINT.search(text) is None:
        return False
    # An id of sixteen digits may as well be a card's number: it is not worth the difference where nothing is lost.
    return any(_is_personal(found) or found[0].isdecimal() for found in _FORMS.finditer(text))


def masked(text: str) -> str:
    """``text`` with ``[email]``, ``[number]``, ``[iban]`` and ``[ip]`` in the place of what is suspected.

    Left as they are: UUIDs, ids of 16, 32, 40 and 64 hex digits (but a card's number is one, even where it might be an
    id), dates and times, decimal numbers, addresses of this machine itself.
    """
    return text if _HINT.search(text) is None else _FORMS.sub(_mask, text)


def own_spans(text: str) -> list[tuple[int, int]]:
    """Begin and end of each id, time and decimal number of ours in ``text``: nobody else's finds in there count."""
    return [found.span() for found in _FORMS.finditer(text) if found.lastgroup == "ours" and not _is_personal(found)]


def pseudonym(key: str, name: str) -> str:
    """Another name for ``name``, always the same: 16 hex digits that only who has ``key`` can make."""
    return hmac.new(key.encode(), name.encode(), "sha256").hexdigest()[:16]


def pseudonym_of(key: str, name: str) -> str:
    """The pseudonym of a name that may have been replaced by ``safe_name`` already."""
    return name[2:] if _PSEUDONYM.fullmatch(name) else pseudonym(key, name)


def safe_name(key: str, name: str) -> str:
    """``name``, or ``u-`` and its pseudonym where it may be personal data: an e-mail address, a number of a card."""
    # In a name an underscore stands for whatever separates elsewhere, and many digits are suspicious anywhere.
    personal = any(suspected(name.replace("_", other)) for other in " .")
    if personal or (_MANY_DIGITS.search(name) and not _PSEUDONYM.fullmatch(name)):
        return f"u-{pseudonym(key, name)}"
    return name


def _mask(found: re.Match[str]) -> str:
    return f"[{_kind(found)}]" if _is_personal(found) else found[0]


def _kind(found: re.Match[str]) -> str:
    kind = found.lastgroup
    return kind if kind in ("email", "ip") else "iban" if kind in ("iban", "compact") else "number"


def _is_personal(found: re.Match[str]) -> bool:
    """What the form alone does not tell: check digits, and whose address it is."""
    kind, text = found.lastgroup, found[0]
    if kind == "ours":
        return len(text) == 16 and text.isdecimal() and text[0] in "23456" and _luhn(text)
    if kind == "card":
        return _luhn(text)
    if kind == "compact":
        return _mod_97(text)
    return kind != "ip" or not (text.startswith("127.") or text == "0.0.0.0")  # noqa: S104 - read, not bound


def _luhn(text: str) -> bool:
    """The check digit of cards (ISO/IEC 7812)."""
    digits = [int(c) for c in reversed(text) if c.isdecimal()]
    return sum(digits[::2] + [d * 2 - 9 * (d > 4) for d in digits[1::2]]) % 10 == 0


def _mod_97(text: str) -> bool:
    """The check digits of an IBAN (ISO 13616)."""
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1
