"""The simulated model: it answers by extraction from what the prompt brings (DESIGN section 5).

Order of preference: sentences of the system prompt, of the context in the last message and of earlier turns that share
words with the question, those of numbered sources with their number behind them, as such prompts ask; else the notes
of `notes.py`; else it says what it was asked and that nothing was given. So an
answer shows whether retrieval and memory reached the prompt. Deterministic in the prompt; with a temperature above 0
also in the seed. A prompt that asks for one JSON object gets that (`forms.py`). Read `generation.py` next: it holds the
prompt and the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html import unescape

from .chance import unit
from .forms import filled
from .notes import NOTES
from .wording import rarity, sentences, words

MAX_SENTENCES = 3
"""An answer quotes at most this many sentences."""

_NOTE_WORDS = [frozenset(words(note)) for note in NOTES]
_NOTE_TOPICS = [frozenset(words(" ".join(note.split()[:4]))) for note in NOTES]
_NOTE_WEIGHT = rarity(_NOTE_WORDS)
_SAID = "You said: "
_ASKED = "You asked: "
_WROTE = "You wrote: "
_NO_CONTEXT = "No context about this was given to me, so I cannot answer it from what I know."

_RETRIEVED = re.compile(r"<retrieved>.*?</retrieved>", re.DOTALL)
_SOURCE = re.compile(r'<source n="(\d+)"[^>]*>\n(.*?)\n</source>', re.DOTALL)
_MARK = re.compile(r" ?\[\d+\]")
_LEADS = ("", "In short: ", "Put briefly: ", "Here is what matters: ")


def answer(system: str, turns: Sequence[tuple[str, str]], temperature: float = 0.0, seed: object = None) -> str:
    """Answer the last user turn of `turns`, (role, text) pairs, from `system` and from the turns themselves."""
    last = turns[-1][1] if turns else ""
    if (form := filled(system, last)) is not None:
        return form
    question, aside = _question(last)
    asked = frozenset(word for _, found in sentences(question) for word in found)
    pool = [*_given(system), *((sentence, found, "") for sentence, found in aside)]
    for role, text in turns[:-1]:
        source = "user" if role == "user" else ""
        plain = _MARK.sub("", text)  # the numbers of earlier turns mean other sources
        pool += [(said, found, source) for said, found in sentences(plain) if _is_statement(said)]
    text = _extract(asked, tuple(pool)) or _from_notes(asked) or _nothing(question)
    if temperature > 0:
        text = _LEADS[int(unit(seed, question) * len(_LEADS))] + text
    return text


def _given(system: str) -> list[tuple[str, frozenset[str], str]]:
    """Sentences of the system prompt; of what was retrieved only the numbered sources, with their numbers."""
    pool = [(sentence, found, "") for sentence, found in sentences(_RETRIEVED.sub("", system))]
    for block in _RETRIEVED.findall(system):
        for number, text in _SOURCE.findall(block):
            pool += [(sentence, found, f"[{number}]") for sentence, found in sentences(unescape(text))]
    return pool


def _question(text: str) -> tuple[str, tuple[tuple[str, frozenset[str]], ...]]:
    """Split the last message into its question (the last sentence that asks, else the last one) and the rest."""
    found = sentences(text)
    if len(found) < 2:
        return text, ()
    asking = [i for i, (sentence, _) in enumerate(found) if sentence.rstrip("\"')]").endswith("?")]
    chosen = asking[-1] if asking else len(found) - 1
    rest = tuple(part for i, part in enumerate(found) if i != chosen and i not in asking)
    return found[chosen][0], rest


def _extract(asked: frozenset[str], pool: tuple[tuple[str, frozenset[str], str], ...]) -> str:
    """Quote the sentences of `pool` (sentence, words, who said it) that overlap most with `asked`; "" when none do."""
    relevant = [(i, entry) for i, entry in enumerate(pool) if not asked.isdisjoint(entry[1])]
    if not relevant:
        return ""
    weight = rarity([found for _, found, _ in pool])
    scored = []
    for i, (sentence, found, source) in relevant:
        shared = sum(weight[word] for word in asked & found)
        scored.append((shared / (4 + len(found)) ** 0.5, i, sentence, source))
    best = max(score for score, *_ in scored)
    # Later statements win ties: what a user said last is what holds now.
    top = sorted((entry for entry in scored if entry[0] >= 0.6 * best), key=lambda e: (-e[0], -e[1]))[:MAX_SENTENCES]
    chosen: dict[str, str] = {}
    for _, _, sentence, source in sorted(top, key=lambda e: e[1]):
        cites = f" {source}" if source.startswith("[") else ""
        chosen.setdefault(sentence, f"{_SAID}{sentence}" if source == "user" else f"{sentence}{cites}")
    return " ".join(chosen.values())


@lru_cache(maxsize=4096)
def _from_notes(asked: frozenset[str]) -> str:
    """Return the note that covers the question best, or "" when no note shares a word with it."""
    best, chosen = 0.0, ""
    for note, found, topic in zip(NOTES, _NOTE_WORDS, _NOTE_TOPICS, strict=True):
        on_topic = _weight(asked & topic) / _weight(topic)
        score = _weight(asked & found) * (1 + on_topic) / (8 + len(found)) ** 0.5
        if score > best:
            best, chosen = score, note
    return chosen


def _is_statement(sentence: str) -> bool:
    """Whether an earlier sentence can answer anything: it asks nothing, and does not only quote what was said."""
    return not sentence.endswith("?") and not sentence.startswith((_SAID, _ASKED, _WROTE, _NO_CONTEXT))


def _weight(found: frozenset[str]) -> float:
    return sum(_NOTE_WEIGHT[word] for word in found)


def _nothing(question: str) -> str:
    """Say honestly that there is nothing to answer from; what was asked is shortened to its first 200 characters."""
    shown = question.strip()
    shown = shown if len(shown) <= 200 else shown[:200].rstrip() + "…"
    if shown.rstrip("\"')]").endswith("?"):
        return f"{_ASKED}“{shown}” {_NO_CONTEXT}"
    return f"{_WROTE}“{shown}” I will keep it in mind in this conversation."
