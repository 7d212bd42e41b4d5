"""Item 10: a canary, an address and a telephone number that nobody has, is neither cached nor logged.

Chapter, section 7. Wherever it is looked for, something harmless of the same request must be found: an empty log proves
nothing. What a conversation is made of is in its session by design; the keys of sessions are left out.
"""

import asyncio
import secrets
from dataclasses import dataclass

from loadtests.audit.claims import Case, many
from loadtests.audit.scene import Scene
from loadtests.audit.service import Reply
from loadtests.audit.shape import Source, bare
from loadtests.audit.sources import Unreadable
from loadtests.audit.store import NEEDS_URL, StoreFailed, holding

POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class _Canary:
    address: str
    telephone: str

    @classmethod
    def fresh(cls) -> "_Canary":
        """Of a domain that is reserved for examples (RFC 2606)."""
        digits = str(secrets.randbelow(10**8)).zfill(8)
        return cls(f"canary.{secrets.token_hex(4)}@example.com", f"+49 30 {digits}")

    @property
    def parts(self) -> tuple[str, ...]:
        """What must not be found."""
        return self.address, self.telephone, self.telephone.replace(" ", "")


async def probe(scene: Scene, case: Case) -> None:
    """Ask with the canary twice; then look into ledger, logs and store."""
    canary = _Canary.fresh()
    marker = f"marker{secrets.token_hex(6)}"
    question = f"What is {marker} about? Write to {canary.address} or call {canary.telephone}."
    who, replies, calls = scene.service.person(), [], []
    for _ in range(2):  # each with calls of its own: the first may need two, and the second then none
        since = await scene.provider.mark() if scene.provider else 0
        replies.append(await scene.service.ask(who, question))
        calls.append(len(await scene.calls_of(replies[-1:], since)) if scene.provider else 0)
    if not all(reply.is_ok for reply in replies):
        said = " and ".join(reply.said for reply in replies)
        case.unobservable(
            f"A question with an address in it, asked twice, was answered {said}.",
            "a service that answers such a question",
        )
        return
    if scene.provider is None:
        scene.needs_simulator(case, "Whether the second answer came from a cache")
    elif not calls[0]:
        case.unobservable(
            f"A question with {canary.address} in it made no call.", "a service that asks a provider each new question"
        )
    else:
        case.judge(
            calls[1] > 0,
            f"A question with {canary.address} in it made {many(calls[0], 'call')}, and asked again "
            f"{many(calls[1], 'call')}.",
        )
    await _logs(scene, case, canary, replies[-1])
    await _store(scene, case, canary, marker)


async def _logs(scene: Scene, case: Case, canary: _Canary, reply: Reply) -> None:
    sources = scene.shape.logs
    if not sources:
        case.unobservable("Nobody said where the logs are.", "[[logs]]")
    await asyncio.gather(*(_log(scene, case, canary, reply, n, source) for n, source in enumerate(sources, 1)))


async def _log(scene: Scene, case: Case, canary: _Canary, reply: Reply, number: int, source: Source) -> None:
    line = f"[[logs]] number {number}"
    if missing := scene.sources.missing(source):
        case.unobservable(f"Logs ({_named(scene, source)}) could not be looked at.", f"{missing} for {line}")
        return
    try:
        if not await _is_there(scene, source, reply.request_id):
            case.unobservable(
                f"Logs ({_named(scene, source)}) do not have the request {reply.request_id} either.",
                f"{line} that does",
            )
            return
        found = await _told(scene, source, canary)
    except Unreadable as error:
        case.unobservable(f"Logs ({_named(scene, source)}) cannot be read: {error}.", line)
        return
    case.judge(
        not found,
        f"Logs ({_named(scene, source)}) have that request, and {' and '.join(found) or 'nothing of the canary'}.",
    )


async def _is_there(scene: Scene, source: Source, request_id: str) -> bool:
    """Whether the request has arrived there, soon: only then its text would have, too."""
    loop = asyncio.get_running_loop()
    until = loop.time() + scene.bounds.settle_s
    while request_id not in await scene.sources.text(source, request_id):
        if loop.time() > until:
            return False
        await asyncio.sleep(POLL_S)
    return True


async def _told(scene: Scene, source: Source, canary: _Canary) -> list[str]:
    """What of the canary is there: a trace may be told seconds after its record."""
    loop = asyncio.get_running_loop()
    until = loop.time() + scene.bounds.linger_s
    while True:
        found = [part for part in canary.parts if part in await scene.sources.text(source, part)]
        if found or loop.time() > until:
            return found
        await asyncio.sleep(POLL_S)


async def _store(scene: Scene, case: Case, canary: _Canary, marker: str) -> None:
    store = scene.shape.store
    if not store.url:
        case.unobservable("The store could not be searched.", NEEDS_URL)
        return
    try:
        held = await holding(store, canary.parts, marker)
    except StoreFailed as error:
        case.unobservable(f"The store could not be searched: {error}.", "[store] url")
        return
    found = f"the canary is in {', '.join(held.keys)}" if held.keys else "the canary is in none"
    words = f"Of {held.looked - held.sessions} keys of the store ({held.sessions} of sessions left out) {found}."
    if held.keys:
        case.refuted(words)
    elif held.unread:
        case.unobservable(
            f"{words} Of these {held.unread} could not be read.", "a store with keys of Redis's own types"
        )
    elif held.looked == held.sessions:
        case.unobservable(f"{words} Nothing but sessions is in it.", "[store] url of the store that the service uses")
    elif not held.marked:
        case.unobservable(
            f"{words} Nothing else of that question is there either, also not in sessions.",
            "[store] url of the store that the service uses",
        )
    else:
        case.proved(words)


def _named(scene: Scene, source: Source) -> str:
    """Short: whoever wrote the line knows it again."""
    if source.url:
        return bare(str(scene.sources.filled(source.url)))
    files = [str(scene.sources.filled(path)) for path in source.files]
    return "".join(source.command[:1]) or ", ".join("/".join(path.split("/")[-2:]) for path in files)
