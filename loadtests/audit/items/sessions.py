"""Item 5: what was said to one process is known by another, and the other way round.

Chapter, section 6: a session in a dict is lost on two workers. One process that remembers shows nothing, so either a
replica is named, or the service says which worker answered.
"""

import secrets

from loadtests.audit.claims import Case
from loadtests.audit.scene import Scene
from loadtests.audit.service import Person, Reply

TURNS_AT_MOST = 16
LEAST_TURNS = 4


async def probe(scene: Scene, case: Case) -> None:
    """Tell a word here, ask for it there."""
    if scene.shape.chat.thread_sent and not scene.shape.chat.thread_told:
        case.unobservable("Conversations are named in what is sent, but never told.", "[chat] thread_told")
        return
    who, word = scene.service.person(), _word()
    began = await scene.service.ask(who, f"My codename is {word}.")
    thread = scene.service.thread(began)
    if scene.shape.chat.thread_sent and thread is None:
        case.refuted(f"The answer to a first message names no conversation to go on with ({began.said}).")
        return
    if scene.shape.replicas:
        for url in scene.away:
            case.unobservable(f"The replica {url} does not answer.", "--replica URL of one that does")
        for url in scene.replicas:
            await _on_replica(scene, case, who, thread, word, url)
        return
    await _over_workers(scene, case, who, thread, word)


async def _on_replica(scene: Scene, case: Case, who: Person, thread: str | None, word: str, url: str) -> None:
    """There and back again; the ledger shows how much of the conversation the provider received."""
    control, control_tokens = await _asked(scene, who, "What is my codename?", None, scene.service.url)
    there, tokens = await _asked(scene, who, "What is my codename?", thread, url)
    if there.status is None:
        case.unobservable(f"The replica {url} gave {there.said}.", "--replica URL of one that answers")
        return
    received = ""
    if tokens and control_tokens and thread:
        received = f" The provider received {tokens} tokens of it, {control_tokens} of the question alone."
    knows = word in scene.service.answer(there)
    if thread and word in scene.service.answer(control):
        case.unobservable("The word is known without the conversation, too: nothing is shown by it.", "a new user")
        return
    case.judge(knows, f"At the replica {url} what was said at {scene.service.url} {_known(knows, there)}.{received}")
    back = _word()
    await scene.service.ask(who, f"My harbour is {back}.", thread=thread, url=url)
    here, _ = await _asked(scene, who, "What is my harbour?", thread, scene.service.url)
    knows = back in scene.service.answer(here)
    case.judge(knows, f"And back: what was said at the replica {_known(knows, here)}.")


async def _over_workers(scene: Scene, case: Case, who: Person, thread: str | None, word: str) -> None:
    header = scene.shape.chat.worker_header
    workers: set[str] = set()
    for turn in range(1, TURNS_AT_MOST + 1):
        reply = await scene.service.ask(who, f"What is my codename (turn {turn})?", thread=thread)
        if header and header in reply.headers:
            workers.add(reply.headers[header])
        if word not in scene.service.answer(reply):
            case.refuted(f"On connection {turn} what was said before {_known(False, reply)}.")
            return
        if turn >= LEAST_TURNS and len(workers) > 1:
            break
    if len(workers) > 1:
        case.proved(
            f"{turn} turns on connections of their own were answered by {len(workers)} worker processes ({header}), "
            "and each knew the first."
        )
    else:
        case.unobservable(
            f"{turn} turns on connections of their own knew the first, all perhaps in one process.",
            "--replica URL of a second process, or [chat] worker_header of a service with several workers",
        )


async def _asked(scene: Scene, who: Person, question: str, thread: str | None, url: str) -> tuple[Reply, int]:
    """The answer, and how many tokens the provider received for it."""
    since = await scene.provider.mark() if scene.provider else 0
    reply = await scene.service.ask(who, question, thread=thread, url=url)
    calls = await scene.calls_of([reply], since) if scene.provider else []
    return reply, max((call.input_tokens for call in calls), default=0)


def _known(knows: bool, reply: Reply) -> str:
    return "is known" if knows else f"is not known ({reply.said})"


def _word() -> str:
    return f"quill{secrets.token_hex(4)}"
