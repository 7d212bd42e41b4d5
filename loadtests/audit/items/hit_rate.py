"""Item 2: the same question several times is one call, and the service's own figures say so.

Chapter, section 7: the hit rate is tracked. A figure that does not move with hits that we know of tracks nothing, nor
does one that moves with new questions.
"""

import asyncio
from dataclasses import dataclass

from loadtests.audit.claims import Case, many
from loadtests.audit.scene import Scene
from loadtests.audit.service import Reply
from loadtests.audit.sources import Unreadable, number

NEW, ASKED = 2, 4
POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class _Told:
    """What the service tells: hits, and all answers."""

    hits: float
    asked: float

    def since(self, before: "_Told") -> "_Told":
        """How much it rose."""
        return _Told(self.hits - before.hits, self.asked - before.asked)

    def __str__(self) -> str:
        return f"{self.hits:g} hits of {self.asked:g} answers"


async def probe(scene: Scene, case: Case) -> None:
    """New questions, then one several times: calls are counted, and both times what the tracked figures rise by."""
    try:
        before, why_not = await _read(scene), ""
    except Unreadable as error:
        before, why_not = None, str(error)
    replies, new_saved = await _asked(scene, scene.service.questions(NEW))
    after_new = before and await _risen(scene, case, before, 0, NEW)
    again, saved = await _asked(scene, [scene.service.question()] * ASKED)
    if not all(reply.is_ok for reply in (*replies, *again)):
        said = ", ".join(reply.said for reply in (*replies, *again))
        case.refuted(f"{NEW} new questions, and another one {ASKED} times, were answered {said}.")
        return
    if saved is None:
        scene.needs_simulator(case, "Whether a repeated question is a call again")
    else:
        made = many(ASKED - saved, "call")
        case.judge(saved > 0, f"The same question {ASKED} times made {made}; {max(saved, 0)} came from a cache.")
        if saved <= 0:
            return
    if missing := scene.sources.missing(scene.shape.hit_rate.source):
        case.unobservable("Where the hit rate is told is not known.", f"{missing} for [hit_rate] source")
    elif before is None:
        case.unobservable(f"The hit rate cannot be read: {why_not}.", "[hit_rate] source, hits and asked")
    elif after_new is not None:
        await _judge(scene, case, after_new.since(before), max(new_saved or 0, 0), after_new, saved or ASKED - 1)


async def _judge(scene: Scene, case: Case, new: _Told, new_saved: int, before: _Told, saved: int) -> None:
    settle_s = scene.bounds.settle_s
    if new.asked < NEW or new.hits > new_saved:
        case.refuted(
            f"What it tells rose by {new} within {settle_s:g} s of {NEW} new questions; {new_saved} came from a cache."
        )
        return
    now = await _risen(scene, case, before, saved, ASKED)
    if now is None:
        return
    rise = now.since(before)
    words = f"What it tells rose by {new} with {NEW} new questions, then by {rise}"
    if rise.hits >= saved and rise.asked >= ASKED:
        case.proved(f"{words}; the rate over all it remembers is {100 * now.hits / now.asked:.0f} %.")
    else:
        case.refuted(f"{words} within {settle_s:g} s; expected {saved} of {ASKED}.")


async def _asked(scene: Scene, questions: list[str]) -> tuple[list[Reply], int | None]:
    """One after the other, and how many made no call; None where nobody counts them."""
    who, since = scene.service.person(), await scene.provider.mark() if scene.provider else 0
    replies = [await scene.service.ask(who, question) for question in questions]
    return replies, len(questions) - len(await scene.calls_of(replies, since)) if scene.provider else None


async def _risen(scene: Scene, case: Case, before: _Told, hits: float, asked: float) -> _Told | None:
    """What it tells as soon as it rose by so much, or at last; None where it cannot be read any more, as is claimed."""
    loop = asyncio.get_running_loop()
    until = loop.time() + scene.bounds.settle_s
    while True:
        try:
            now = await _read(scene)
        except Unreadable as error:
            case.unobservable(f"The hit rate cannot be read any more: {error}.", "[hit_rate] source, hits and asked")
            return None
        rise = now.since(before)
        if (rise.hits >= hits and rise.asked >= asked) or loop.time() > until:
            return now
        await asyncio.sleep(POLL_S)


async def _read(scene: Scene) -> _Told:
    """Raises Unreadable."""
    shape = scene.shape.hit_rate
    if missing := scene.sources.missing(shape.source):
        raise Unreadable(f"there is no {missing}")
    text = await scene.sources.text(shape.source)
    return _Told(number(text, shape.hits), number(text, shape.asked))
