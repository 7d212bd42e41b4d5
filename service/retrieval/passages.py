"""Markdown to passages: the pieces that are found, given to the model and cited.

A passage is a section: its headings are its title, GitHub's anchor of the last one says where it stands. A section that
is too long for a prompt is cut between paragraphs, else between sentences. Code fences and front matter are no
headings. Its SHA-256 tells whether it has changed, so that only what is new is embedded. Next: ``terms.py``.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import Unprocessable

MOST_BYTES = 1024 * 1024
"""Of one document. Larger ones are data, not prose; they would fill the index with thousands of passages."""
MOST_WORDS = 220
"""Of one passage: about 300 tokens, so that five of them leave a small model room for the conversation."""
MOST_CHARACTERS = 2_000
"""Of one passage: for languages without spaces, and for what is no language."""
MOST_HEADING = 500
"""Characters of a line that may be a heading: a longer one is no title."""
SEPARATOR = " › "
"""Between the headings of a title."""

_HEADING = re.compile(r" {0,3}(#{1,6})(?![^ \t])")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}+|~{3,}+)([^`]*)")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_NO_PARAGRAPH = re.compile(r" {0,3}(?:[-*+>|]|\d+[.)]|<)| {4}|\t")
"""Beginnings of lines above which an underline makes no heading: lists, quotes, tables, HTML, code."""
_ITEM = re.compile(r"\s*(?:[-*+]\s|\d+[.)]\s|[>|<])")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^)\[]*\)")


@dataclass(slots=True, frozen=True)
class Passage:
    """One piece of a document. ``source`` is the document's path, ``anchor`` the section's, "" above all headings.

    ``part`` counts the pieces of one section from 1.
    """

    source: str
    anchor: str
    title: str
    text: str
    part: int = 1

    @property
    def id(self) -> str:
        """Its name in the corpus: ``path#anchor``, the later pieces of a long section with ``~2`` and so on."""
        return f"{self.source}#{self.anchor}{f'~{self.part}' if self.part > 1 else ''}"

    @property
    def indexed(self) -> str:
        """What is searched: the title says what the text may take for granted."""
        return f"{self.title}\n{self.text}"

    @property
    def sha256(self) -> str:
        """Of what is searched, in hex."""
        return hashlib.sha256(self.indexed.encode()).hexdigest()


def passages_of(source: str, text: str) -> list[Passage]:
    """The passages of one document, in order; none where it has no text but headings and front matter.

    Their ids are unique. Raises Unprocessable for what is too large, or no text at all. Takes time that grows with the
    text's length, whatever is in it.
    """
    size = len(text.encode())
    if size > MOST_BYTES:
        raise Unprocessable(f"{source}: {size} bytes, and a document has at most {MOST_BYTES}; split it into several")
    if "\0" in text:
        raise Unprocessable(f"{source}: it holds NUL characters, so it is no text; leave it out")
    found: list[Passage] = []
    for anchor, title, lines in _sections(text.replace("\r\n", "\n").replace("\r", "\n"), source):
        for part, piece in enumerate(_pieces(lines), 1):
            found.append(Passage(source, anchor, title, piece, part))
    return found


def _sections(text: str, source: str) -> Iterator[tuple[str, str, list[str]]]:
    """Anchor, title and lines of each section."""
    lines = _FRONT_MATTER.sub("", text, count=1).split("\n")
    headings: dict[int, str] = {}
    slugs = {"": 0}  # what is above all headings
    anchor, body, fence = "", list[str](), ""
    name = source.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    for line in lines:
        marker = _FENCE.fullmatch(line)
        if fence:
            if marker and marker[1][0] == fence[0] and len(marker[1]) >= len(fence) and not marker[2].strip():
                fence = ""
            body.append(line)
            continue
        if marker:
            fence = marker[1]
            body.append(line)
            continue
        level, heading = _heading(line, body)
        if not level:
            body.append(line)
            continue
        yield anchor, _title(headings, name), body
        body = []
        headings = {above: said for above, said in headings.items() if above < level}
        headings[level] = heading
        anchor = _slug(heading, slugs)
    yield anchor, _title(headings, name), body


def _heading(line: str, body: list[str]) -> tuple[int, str]:
    """Level and words of the heading that ``line`` is, or makes of the line above it; level 0 where it is none."""
    if len(line) > MOST_HEADING:
        return 0, ""
    match = _HEADING.match(line)
    if match:
        return len(match[1]), _LINK.sub(r"\1", _unclosed(line[match.end() :])).strip()
    under = _UNDERLINE.fullmatch(line)
    if under and body and _may_be_underlined(body[-1]):
        if len(body) > 1 and body[-2].strip():  # a paragraph of several lines: rather a rule than so long a heading
            return 0, ""
        return (1 if under[1][0] == "=" else 2), _LINK.sub(r"\1", body.pop()).strip()
    return 0, ""


def _unclosed(heading: str) -> str:
    """The words of a heading without the ``#`` signs that may close it, which stand apart from them."""
    heading = heading.strip(" \t")
    words = heading.rstrip("#")
    return words if not words or words[-1] in " \t" else heading


def _may_be_underlined(line: str) -> bool:
    return len(line) <= MOST_HEADING and bool(line.strip()) and not _NO_PARAGRAPH.match(line)


def _title(headings: dict[int, str], name: str) -> str:
    return SEPARATOR.join(headings[level] for level in sorted(headings) if headings[level]) or name


def _slug(heading: str, seen: dict[str, int]) -> str:
    """GitHub's anchor of a heading; the second of the same name ends with -1, or the next number that is not taken."""
    slug = unused = _NOT_IN_SLUG.sub("", heading.lower()).strip().replace(" ", "-")
    while unused in seen:
        seen[slug] += 1
        unused = f"{slug}-{seen[slug]}"
    seen[unused] = 0
    return unused


def _pieces(lines: list[str]) -> Iterator[str]:
    """The section's text, in pieces of at most ``MOST_WORDS`` words and ``MOST_CHARACTERS``."""
    piece: list[str] = []
    words = characters = 0
    for block in _blocks(lines):
        count, length = len(block.split()), len(block) + 2
        if piece and not _fits(words + count, characters + length):
            yield "\n\n".join(piece)
            piece, words, characters = [], 0, 0
        piece.append(block)
        words += count
        characters += length
    if piece:
        yield "\n\n".join(piece)


def _blocks(lines: list[str]) -> Iterator[str]:
    """Paragraphs, a code fence with its blank lines as one; those that are too long in parts."""
    block: list[str] = []
    fence = ""
    for line in [*lines, ""]:
        marker = _FENCE.fullmatch(line)
        if marker:
            if not fence:
                fence = marker[1]
            elif marker[1][0] == fence[0] and len(marker[1]) >= len(fence):
                fence = ""
        if line.strip() or fence:
            block.append(line.rstrip())
            continue
        if block:
            yield from _cut(_unwrapped(block))
            block = []
    if block:  # a fence that nobody closed
        yield from _cut(_unwrapped(block))


def _unwrapped(lines: list[str]) -> str:
    """A paragraph as one line, as it was meant; lists, tables and quotes a line for each item; code as it is."""
    if lines[0].startswith(("    ", "\t")) or any(_FENCE.fullmatch(line) for line in lines):
        return "\n".join(lines)
    items = [lines[:1]]
    for line in lines[1:]:
        if _ITEM.match(line):
            items.append([line])
        else:
            items[-1].append(line.strip())
    return "\n".join(" ".join(item) for item in items).strip()


def _fits(words: int, characters: int) -> bool:
    return words <= MOST_WORDS and characters <= MOST_CHARACTERS


def _cut(block: str) -> Iterator[str]:
    """A paragraph that is too long between its sentences, a sentence between words, a word anywhere."""
    if _fits(len(block.split()), len(block)):
        if block:
            yield block
        return
    part: list[str] = []
    characters = 0
    for sentence in _SENTENCE_END.split(block):
        words = [
            word[at : at + MOST_CHARACTERS] for word in sentence.split() for at in range(0, len(word), MOST_CHARACTERS)
        ]
        together = sum(len(word) + 1 for word in words)
        if part and not _fits(len(part) + len(words), characters + together):
            yield " ".join(part)
            part, characters = [], 0
        for word in words:
            if part and not _fits(len(part) + 1, characters + len(word)):
                yield " ".join(part)
                part, characters = [], 0
            part.append(word)
            characters += len(word) + 1
    if part:
        yield " ".join(part)
