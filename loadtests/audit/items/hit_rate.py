"""Item 2: the same question several times is one call, and the service's own figures say so.

Chapter, section 7: the hit rate is tracked. A figure that does not move with hits that we know of tracks nothing.
"""

import asyncio

from loadtests.audit.claims import Case, many
from loadtests.audit.scene import Scene
from loadtests.audit.sources import Unreadable, number

ASKED = 4
POLL_S = 0.25


async def probe(scene: Scene, case: Case) -> None:
    """Count the calls of one question, and look whether the tracked hits rise by what was saved."""
    try:
        before, why_not = await _read(scene), ""
    except Unreadable as error:
        before, why_not = None, str(error)
    since = await scene.provider.mark() if scene.provider else 0
    who, question = scene.service.person(), scene.service.question()
    replies = [await scene.service.ask(who, question) for _ in range(ASKED)]
    saved = ASKED - 1
    if not all(reply.is_ok for reply in replies):
        case.refuted(f"The same question {ASKED} times was answered {', '.join(r.said for r in replies)}.")
        return
    if scene.provider is None:
        scene.needs_simulator(case, "Whether a repeated question is a call again")
    else:
        calls = len(await scene.calls_of(replies, since))
        saved = ASKED - calls
        case.judge(
            saved > 0, f"The same question {ASKED} times made {many(calls, 'call')}; {max(saved, 0)} came from a cache."
        )
        if saved <= 0:
            return
    if missing := scene.sources.missing(scene.shape.hit_rate.source):
        case.unobservable("Where the hit rate is told is not known.", f"{missing} for [hit_rate] source")
    elif before is None:
        case.unobservable(f"The hit rate cannot be read: {why_not}.", "[hit_rate] source, hits and asked")
    else:
        await _watch(scene, case, before, saved)


async def _watch(scene: Scene, case: Case, before: tuple[float, float], saved: int) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + scene.bounds.settle_s
    while True:
        hits, asked = (now - then for now, then in zip(await _read(scene), before, strict=True))
        tracked = hits >= saved and asked >= ASKED
        if tracked or loop.time() > until:
            break
        await asyncio.sleep(POLL_S)
    words = f"What it tells rose by {hits:g} hits of {asked:g} answers"
    if tracked:
        total_hits, total = (before[0] + hits), (before[1] + asked)
        case.proved(f"{words}; the rate over all it remembers is {total_hits / total:.0%}.".replace("%.", " %."))
    else:
        case.refuted(f"{words} within {scene.bounds.settle_s:g} s; expected {saved} of {ASKED}.")


async def _read(scene: Scene) -> tuple[float, float]:
    """Hits, and all answers. Raises Unreadable."""
    shape = scene.shape.hit_rate
    if missing := scene.sources.missing(shape.source):
        raise Unreadable(f"there is no {missing}")
    text = await scene.sources.text(shape.source)
    return number(text, shape.hits), number(text, shape.asked)
