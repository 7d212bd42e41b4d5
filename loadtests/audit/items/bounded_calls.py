"""Item 1: a hang is ended, a 503 is tried again and a 400 is not, and a dead provider is soon left alone.

Chapter, section 7, and section 5 for what each of the three is. All providers are broken alike, so that nothing but a
time limit, a bound on attempts and a circuit can explain what the ledger shows. The circuit comes last: it stays open.
"""

from collections import Counter
from collections.abc import Sequence

from loadtests.audit.claims import Case, many
from loadtests.audit.provider import Provider
from loadtests.audit.scene import Scene
from loadtests.audit.shape import FAILING_AT_ONCE
from loadtests.books.ledger import Call

LEFT_WITHIN_S = 3.0
"""A call that was given up has ended in the ledger by then."""
MEASURED = 8


async def probe(scene: Scene, case: Case) -> None:
    """Four faults, one after the other."""
    provider = scene.provider
    if provider is None:
        scene.needs_simulator(case, "How calls end, how often they are tried, and when they stop")
        return
    await _hang(scene, case, provider)
    await _callers_fault(scene, case, provider)
    await scene.recover()
    await _failing(scene, case, provider)
    await _dead(scene, case, provider)


async def _hang(scene: Scene, case: Case, provider: Provider) -> None:
    async with provider.broken("hang"):
        (reply,), since = await scene.asked(scene.service.question())
        calls = await scene.calls_of([reply], since, within_s=LEFT_WITHIN_S if reply.status else 0.0)
    running = sum(call.duration_s is None for call in calls)
    words = f"Providers that never answer: {reply.said} after {reply.took_s:.1f} s"
    if not calls:
        _none(case, "a hang", reply.said)
    elif reply.status is None:
        case.refuted(f"{words}; {running} of {many(len(calls), 'call')} still waiting.")
    else:
        longest = max((call.duration_s or 0.0 for call in calls), default=0.0)
        case.judge(
            not running,
            f"{words}; {many(len(calls), 'call')}, {running} still running, the longest of the others {longest:.1f} s.",
        )


async def _callers_fault(scene: Scene, case: Case, provider: Provider) -> None:
    async with provider.broken("status", status=400):
        replies, since = await scene.asked(scene.service.question())
        calls = await scene.calls_of(replies, since)
    if not calls:
        _none(case, "a 400", replies[0].said)
        return
    most = max(_by_target(calls).values())
    again = "not tried again" if most == 1 else "tried again"
    case.judge(most == 1, f"400: {_told(calls)}; what is the caller's fault was {again}.")


async def _failing(scene: Scene, case: Case, provider: Provider) -> None:
    """One question that every attempt fails of."""
    async with provider.broken("status", status=503):
        replies, since = await scene.asked(scene.service.question())
        calls = await scene.calls_of(replies, since)
    (reply,) = replies
    most, total = max(_by_target(calls).values(), default=0), len(calls)
    words = f"503 from all: {_told(calls)} for one question, {reply.said} after {reply.took_s:.1f} s"
    if not calls:
        _none(case, "a 503", reply.said)
    elif most < 2:
        case.refuted(f"{words}: nobody is asked a second time.")
    else:
        case.judge(
            total <= scene.bounds.most_calls and reply.status is not None,
            f"{words} (at most {scene.bounds.most_calls} calls were expected).",
        )


async def _dead(scene: Scene, case: Case, provider: Provider) -> None:
    """Failures until every circuit had reason to open; then so many more questions, of which calls are counted."""
    batches = max(1, scene.bounds.failing // FAILING_AT_ONCE)
    async with provider.broken("status", status=503):
        before = 0
        for _ in range(batches):
            replies, since = await scene.asked(*scene.service.questions(FAILING_AT_ONCE))
            before += len(await scene.calls_of(replies, since))
        replies, since = await scene.asked(*scene.service.questions(MEASURED))
        after = await scene.calls_of(replies, since)
    most = max(_by_target(after).values(), default=0)
    asked = batches * FAILING_AT_ONCE
    words = f"Dead providers: the first {asked} questions made {many(before, 'call')}"
    words += f", the next {MEASURED} made {_told(after)}"
    if before == 0:
        _none(case, "a dead provider", replies[0].said)
    else:
        case.judge(most <= MEASURED // 2, f"{words}; with an open circuit at most a probe goes through.")


def _none(case: Case, what: str, said: str) -> None:
    case.unobservable(
        f"A new question made no call that could meet {what} ({said}).",
        "a service that asks a provider each new question",
    )


def _by_target(calls: Sequence[Call]) -> Counter[str]:
    return Counter(call.target for call in calls)


def _told(calls: Sequence[Call]) -> str:
    counts = _by_target(calls)
    return ", ".join(f"{many(count, 'call')} to {target}" for target, count in counts.items()) or "no call"
