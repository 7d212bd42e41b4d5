"""Item 8: while the store hangs /ready is 503 and /health 200; while providers are out /health is 200 and calls nobody.

Chapter, section 6 (health check calls the LLM): an outage of the provider would become one of the service, restarted
by whoever believes its health check.
"""

import asyncio

from loadtests.audit.claims import Case, many
from loadtests.audit.provider import Provider
from loadtests.audit.scene import Scene
from loadtests.audit.store import NEEDS_PAUSE, StoreFailed, can_pause, paused

LOOKS = 10
QUIET_S = 0.5
ANSWERS_WITHIN_S = 10.0
POLL_S = 0.1


async def probe(scene: Scene, case: Case) -> None:
    """First what is left alone, then with providers out, then with the store paused."""
    since = await _quiet(scene, case)  # before the first look: it might call, and remember what it heard
    health, ready = await _statuses(scene)
    if health != "200" or ready != "200":
        case.refuted(f"With everything well {scene.shape.health} is {health} and {scene.shape.ready} {ready}.")
        return
    if scene.provider is not None and since is not None:
        await _providers_out(scene, case, scene.provider, since)
    if scene.service.costs:
        case.unobservable("Its profile is live: its store is not paused.", "a workbench profile")
    elif can_pause(scene.shape.store):
        await _store_paused(scene, case)
    else:
        case.unobservable("What they say while the store is away is not known.", NEEDS_PAUSE)


async def _quiet(scene: Scene, case: Case) -> int | None:
    """The mark after which all calls are those of our looks; None where there is none."""
    provider = scene.provider
    if provider is None:
        scene.needs_simulator(case, "Whether they call a provider")
        return None
    since = await provider.mark()
    await asyncio.sleep(QUIET_S)
    if noise := len(await provider.calls(since)):
        case.unobservable(f"Somebody else made {many(noise, 'call')} meanwhile.", "a service that nobody else asks")
        return None
    return since


async def _providers_out(scene: Scene, case: Case, provider: Provider, since: int) -> None:
    async with provider.broken("status", status=503):
        looks = [await _statuses(scene) for _ in range(LOOKS)]
        calls = len(await provider.calls(since))
    well = all(health == "200" for health, _ in looks)
    case.judge(
        well and not calls,
        f"With all providers out, asked {LOOKS} times each: {scene.shape.health} {_all(looks, 0)}, {scene.shape.ready} "
        f"{_all(looks, 1)}; with one look before, they made {many(calls, 'call')} to a provider.",
    )


async def _store_paused(scene: Scene, case: Case) -> None:
    try:
        async with paused(scene.shape.store):
            during = await _until(scene, "503")
    except StoreFailed as error:
        case.unobservable(f"The store could not be paused for a moment: {error}.", NEEDS_PAUSE)
        return
    after = await _until(scene, "200")
    case.judge(
        during == ("200", "503") and after == ("200", "200"),
        f"While the store hung {scene.shape.health} was {during[0]} and {scene.shape.ready} {during[1]}; when it went "
        f"on, {after[0]} and {after[1]}.",
    )


async def _until(scene: Scene, wanted: str) -> tuple[str, str]:
    """What both say as soon as readiness is as wanted, or at last."""
    loop = asyncio.get_running_loop()
    until = loop.time() + scene.bounds.settle_s
    while True:
        said = await _statuses(scene)
        if said == ("200", wanted) or loop.time() > until:
            return said
        await asyncio.sleep(POLL_S)


async def _statuses(scene: Scene) -> tuple[str, str]:
    health, ready = await asyncio.gather(
        *(scene.service.get(path, within_s=ANSWERS_WITHIN_S) for path in (scene.shape.health, scene.shape.ready))
    )
    return health.said, ready.said


def _all(looks: list[tuple[str, str]], which: int) -> str:
    return " or ".join(sorted({look[which] for look in looks}))
