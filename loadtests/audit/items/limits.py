"""Item 3: one user who asks too much is told 429, while another at the same address is served.

Chapter, section 7: a limit per address fails behind NAT, where one flooding user would take everybody's.
"""

import asyncio

from loadtests.audit.claims import Case
from loadtests.audit.scene import Scene
from loadtests.audit.service import LIMITED, Person, Reply

BATCH = 20
BESIDE = 10
LUCK = 0.001
"""So improbable it must be that the other was served by chance, of what a shared limit gave in these rounds."""
MOST_ROUNDS = 15


async def probe(scene: Scene, case: Case) -> None:
    """Flood with one key until it is refused; then ask with another, while the first is still refused."""
    if scene.service.people < 2:
        case.unobservable("Only one user's key is known; a limit needs two to be theirs.", "two keys in [keys] users")
        return
    greedy, modest = scene.service.person(), scene.service.person()
    flood: list[Reply] = []
    while len(flood) < scene.bounds.flood and not _refused(flood):
        flood += await _at_once(scene, greedy, min(BATCH, scene.bounds.flood - len(flood)))
    refused, served = _refused(flood), [reply for reply in flood if reply.is_ok]
    if not refused:
        case.refuted(
            f"One user asked {len(flood)} questions at once, batch by batch, and was never told {LIMITED} "
            f"({len(served)} were answered)."
        )
        return
    told = sum("Retry-After" in reply.headers for reply in refused)
    case.proved(
        f"One user's flood of {len(flood)}: {len(served)} answered, {len(refused)} told {LIMITED}, {told} of them with "
        "Retry-After."
    )
    await _beside(scene, case, greedy, modest, rounds=max(1, min(MOST_ROUNDS, len(served) - 1)))


async def _beside(scene: Scene, case: Case, greedy: Person, modest: Person, rounds: int) -> None:
    """The other asks less than the first was allowed, so that nothing but a shared limit can refuse.

    A shared limit lets some through that come when it has just been filled up again: the other may be among them.
    """
    others: list[Reply] = []
    luck = 1.0
    for _ in range(rounds):
        flood, other = await asyncio.gather(
            _at_once(scene, greedy, BESIDE), scene.service.ask(modest, scene.service.question(), patient=False)
        )
        others += [other]
        if other.status == LIMITED and _refused(flood):
            case.refuted(f"Another user at the same address was told {LIMITED} beside it, at question {len(others)}.")
            return
        if not _refused(flood):
            break  # the first has time to breathe again: what is served now shows nothing
        luck *= (1 + sum(reply.is_ok for reply in flood)) / (1 + BESIDE)
        if luck < LUCK:
            break
    answers = ", ".join(reply.said for reply in others)
    if luck < LUCK and all(reply.is_ok for reply in others):
        case.proved(f"Another user at the same address, beside it: {answers}.")
    elif _refused(flood) and luck >= LUCK:
        case.unobservable(
            f"Another user beside it: {answers}; by chance with a probability of {luck:.1%}.".replace("%.", " %."),
            "a limit that allows more in a row, and fills up slowly",
        )
    elif _refused(flood):
        case.unobservable(f"Another user beside it: {answers}.", "a service that answers under a flood")
    else:
        case.unobservable(
            f"The flood was not refused while another user asked ({answers}).", "a limit that lasts longer than a batch"
        )


async def _at_once(scene: Scene, person: Person, count: int) -> list[Reply]:
    service = scene.service
    return list(await asyncio.gather(*(service.ask(person, service.question(), patient=False) for _ in range(count))))


def _refused(replies: list[Reply]) -> list[Reply]:
    return [reply for reply in replies if reply.status == LIMITED]
