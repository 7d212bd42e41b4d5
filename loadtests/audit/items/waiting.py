"""Item 7: many questions wait at a slow provider together, and /health is quick meanwhile.

Chapter, section 2: four synchronous workers at 5 s a call are 0.8 requests per second. What a blocking service cannot
do even once shows that this one does not block; so the best of a few rounds counts, not a busy machine's worst. Both
are judged by the same round: few questions leave /health quick.
"""

import asyncio
import math
import time
from dataclasses import dataclass

from loadtests.audit.claims import Case
from loadtests.audit.provider import Provider, most_at_once
from loadtests.audit.scene import Scene
from loadtests.audit.service import LIMITED, Person, Reply

ROUNDS = 3
MORE = 4 / 3
"""So many times the questions that shall wait together are sent: not all arrive in the same moment."""
PER_PERSON = 10
EVERY_S = 0.05
LEAST_LOOKS = 5


@dataclass(frozen=True, slots=True)
class _Round:
    sent: int
    limited: int
    calls: int
    at_once: int
    looks: int
    slowest_s: float


async def probe(scene: Scene, case: Case) -> None:
    """Send more at once than workers and threads could take, and look at /health while they wait."""
    provider = scene.provider
    if provider is None:
        scene.needs_simulator(case, "How many calls wait at a provider together")
        return
    bounds = scene.bounds
    quick_s = bounds.wait_s / 2
    rounds: list[_Round] = []
    for _ in range(ROUNDS):
        rounds.append(await _round(scene, provider))
        holds = rounds[-1].at_once >= bounds.at_once and rounds[-1].slowest_s < quick_s
        if holds or rounds[-1].at_once < bounds.at_once / 2:  # or it is nowhere near
            break
    most = max(rounds, key=lambda one: (min(one.at_once, bounds.at_once), -one.slowest_s))
    words = (
        f"Of {most.sent} questions at once at a provider that takes {bounds.wait_s:g} s, {most.at_once} waited together"
    )
    if most.at_once >= bounds.at_once:
        case.proved(f"{words} (at least {bounds.at_once} were expected).")
    elif most.limited and most.sent - most.limited < bounds.at_once:
        case.unobservable(f"{words}, and {most.limited} were told {LIMITED}.", "more keys in [keys] users")
    elif not most.calls:
        case.unobservable(f"{words}.", "a service that asks a provider each new question")
    else:
        case.refuted(f"{words}; expected {bounds.at_once}, more than workers or threads would take.")
    words = f"{scene.shape.health} was asked {most.looks} times meanwhile, the slowest answer after "
    words += f"{most.slowest_s * 1000:.0f} ms (a blocked process takes {bounds.wait_s * 1000:.0f})."
    if most.looks < LEAST_LOOKS and most.slowest_s < quick_s:
        case.unobservable(f"{words} That is too few.", "questions that are answered by the provider")
    else:
        case.judge(most.slowest_s < quick_s, words)


async def _round(scene: Scene, provider: Provider) -> _Round:
    count = math.ceil(scene.bounds.at_once * MORE)
    people = [scene.service.person() for _ in range(min(scene.service.people, math.ceil(count / PER_PERSON)))]
    async with provider.broken("slow_first_token", delay_ms=scene.bounds.wait_s * 1000):
        since = await provider.mark()
        asking = asyncio.ensure_future(_all(scene, people, count))
        try:
            slowest_s, looks = await _look(scene, asking)
            replies = await asking
        finally:
            asking.cancel()
        calls = await scene.calls_of(replies, since)
    limited = sum(reply.status == LIMITED for reply in replies)
    return _Round(count, limited, len(calls), most_at_once(calls, time.time()), looks, slowest_s)


async def _all(scene: Scene, people: list[Person], count: int) -> list[Reply]:
    service, within_s = scene.service, scene.bounds.answer_within_s
    asks = (
        service.ask(people[n % len(people)], service.question(), patient=False, within_s=within_s) for n in range(count)
    )
    return list(await asyncio.gather(*asks))


async def _look(scene: Scene, asking: asyncio.Future[list[Reply]]) -> tuple[float, int]:
    """The slowest of the answers of /health while questions wait, and how many there were."""
    slowest_s, looks = 0.0, 0
    while not asking.done():
        reply = await scene.service.get(scene.shape.health, within_s=scene.bounds.answer_within_s)
        looks += 1
        slowest_s = max(slowest_s, reply.took_s if reply.is_ok else math.inf)
        await asyncio.sleep(EVERY_S)
    return slowest_s, looks
