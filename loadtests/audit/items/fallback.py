"""Item 6: with the first provider out, an answer comes from another one's call, by the ledger.

Chapter, section 6 (single provider). A friendly text without a call is no second provider.
"""

from loadtests.audit.claims import Case
from loadtests.audit.scene import Scene


async def probe(scene: Scene, case: Case) -> None:
    """One new question while the first provider answers 503 only."""
    provider = scene.provider
    if provider is None:
        scene.needs_simulator(case, "Who answers when the first provider is out")
        return
    async with provider.broken("status", [provider.primary], status=503):
        replies, since = await scene.asked(1)
        calls = await scene.calls_of(replies, since)
    (reply,) = replies
    if not calls:
        case.unobservable(
            f"A new question made no call while {provider.primary} was out ({reply.said}).",
            "a service that asks a provider each new question",
        )
        return
    tried = {target: sum(call.target == target for call in calls) for target in provider.targets}
    told = ", ".join(f"{count} to {target}" for target, count in tried.items() if count) or "none"
    elsewhere = [call for call in calls if call.target != provider.primary and call.status == 200 and call.completed]
    case.judge(
        reply.is_ok and bool(elsewhere),
        f"While {provider.primary} answered 503 a new question was answered {reply.said} after {reply.took_s:.1f} s; "
        f"calls in the ledger: {told}"
        + (f", the answer from {elsewhere[-1].target}." if elsewhere else ", none answered by another provider."),
    )
