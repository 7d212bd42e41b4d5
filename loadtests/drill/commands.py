"""The player's lines: what they mean, and what is wrong with them.

A line is parsed first, and acted on by whoever plays (`drill.py`). Read `operator.py` next: what acting is.
"""

from dataclasses import dataclass

from loadtests.drill.kinds import KINDS, PROVIDERS, kind_named

HELP = """\
alarm              you see that something is wrong
diagnose P F [S]   provider P (anthropic, openai) has fault F, since S seconds: diagnose openai hang 20
faults             the names of the faults
status             what the load sees: rate, success, p95
stage NAME on|off  switch a stage for the whole fleet; `stages` lists them
route NAME         what the load asks for from now on; `routes` lists them
close              close all circuits
hint               (practice) where to look next
done, give up      end the drill now, and see the score"""

_ALONE = {
    "alarm": "alarm",
    "faults": "faults",
    "status": "status",
    "stages": "stages",
    "routes": "routes",
    "close": "close",
    "hint": "hint",
    "help": "help",
    "?": "help",
    "done": "done",
    "give up": "done",
    "quit": "done",
    "exit": "done",
}
MOST_AGO_S = 3600.0


class NotUnderstood(Exception):
    """A line that means nothing; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Command:
    """A word, and what belongs to it: provider, kind and seconds of `diagnose`, name of `stage` and `route`, `on`."""

    word: str
    name: str = ""
    kind: str = ""
    ago_s: float | None = None
    on: bool = True


def parse(line: str) -> Command | None:
    """What the line says; None for an empty one. Raises NotUnderstood."""
    words = line.strip().lower().split()
    if not words:
        return None
    if (alone := _ALONE.get(" ".join(words))) is not None:
        return Command(alone)
    first, rest = words[0], words[1:]
    if first in ("diagnose", "diagnosis"):
        return _diagnosis(rest)
    if first == "stage":
        if len(rest) != 2 or rest[1] not in ("on", "off"):
            raise NotUnderstood("expected a stage and on or off, such as: stage fallback on")
        return Command("stage", rest[0].replace("-", "_"), on=rest[1] == "on")
    if first == "route":
        if len(rest) != 1:
            raise NotUnderstood("expected the name of a route, such as: route economy")
        return Command("route", rest[0])
    raise NotUnderstood(f"{line.strip()!r} is nothing that I know; `help` lists what there is")


def _diagnosis(words: list[str]) -> Command:
    usage = "expected a provider and a fault, such as: diagnose openai hang 20"
    if not 2 <= len(words) <= 3:
        raise NotUnderstood(usage)
    provider, kind = words[0], kind_named(words[1])
    if provider not in PROVIDERS:
        raise NotUnderstood(f"{provider!r} is no provider; there are {' and '.join(PROVIDERS)}")
    if kind is None:
        raise NotUnderstood(f"{words[1]!r} is no fault; there are {', '.join(KINDS)}")
    return Command("diagnose", provider, kind, None if len(words) == 2 else _seconds(words[2]))


def _seconds(word: str) -> float:
    try:
        ago_s = float(word.removesuffix("s"))
    except ValueError:
        ago_s = -1.0
    if not 0 <= ago_s <= MOST_AGO_S:
        raise NotUnderstood(f"{word!r}: expected how many seconds ago it began, such as 20")
    return ago_s
