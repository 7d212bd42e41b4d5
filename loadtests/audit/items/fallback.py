"""Item 6: with the first provider out, an answer comes from another one's call, by the ledger.

Chapter, section 6 (single provider). A friendly text without a call is no second provider, nor is one beside a call,
which would be the same for every question.
"""

import secrets

from loadtests.audit.claims import Case
from loadtests.audit.scene import Scene

ASKED = 2


async def probe(scene: Scene, case: Case) -> None:
    """Two new questions while the first provider answers 503 only."""
    provider = scene.provider
    if provider is None:
        scene.needs_simulator(case, "Who answers when the first provider is out")
        return
    async with provider.broken("status", [provider.primary], status=503):
        replies, since = await scene.asked(*(_about(secrets.token_hex(4)) for _ in range(ASKED)))
        calls = await scene.calls_of(replies, since)
    said = " and ".join(reply.said for reply in replies)
    if not calls:
        case.unobservable(
            f"New questions made no call while {provider.primary} was out ({said}).",
            "a service that asks a provider each new question",
        )
        return
    tried = {target: sum(call.target == target for call in calls) for target in provider.targets}
    told = ", ".join(f"{count} to {target}" for target, count in tried.items() if count) or "none"
    elsewhere = [call for call in calls if call.target != provider.primary and call.status == 200 and call.completed]
    words = f"While {provider.primary} answered 503 two new questions were answered {said}, the slower after "
    words += f"{max(reply.took_s for reply in replies):.1f} s; calls in the ledger: {told}"
    if len(elsewhere) < ASKED:
        case.refuted(f"{words}, {len(elsewhere) or 'none'} answered by another provider.")
        return
    same = len({scene.service.answer(reply) for reply in replies}) < ASKED
    case.judge(
        all(reply.is_ok for reply in replies) and not same,
        f"{words}, the answers from {elsewhere[-1].target}" + (", and both the same text." if same else "."),
    )


def _about(word: str) -> str:
    return f"My codename is {word}. What is my codename?"
