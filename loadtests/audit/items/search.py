"""Item 9: the request that was just made is found by its id, and by its user; and what never was is not.

Chapter, section 7. A page that echoes what is looked for would "find" anything, so an id that nobody had is looked for,
too.
"""

import asyncio
import hashlib
import hmac
import uuid

from loadtests.audit.claims import Case
from loadtests.audit.scene import Scene
from loadtests.audit.shape import Source
from loadtests.audit.sources import Unreadable

POLL_S = 0.25
DIGITS = 16


async def probe(scene: Scene, case: Case) -> None:
    """One question, then both searches until they find it."""
    named = scene.shape.chat.request_id_header
    if not named:
        case.unobservable("Nobody said how a request's id is told.", "[chat] request_id_header")
        return
    who = scene.service.person()
    reply = await scene.service.ask(who, scene.service.question())
    if named not in reply.headers:
        case.refuted(f"The answer ({reply.said}) has no {named}: whoever asks cannot name their request.")
        return
    shape = scene.shape.search
    await _find(scene, case, "its id", shape.by_request, reply.request_id, reply.request_id, "by_request")
    user = _known_as(who.name, shape.pseudonym_key)
    await _find(scene, case, _user(who.name, user), shape.by_user, user, reply.request_id, "by_user")


async def _find(scene: Scene, case: Case, by: str, source: Source, value: str, request_id: str, line: str) -> None:
    if missing := scene.sources.missing(source):
        case.unobservable(f"Nobody said where a request is looked for by {by}.", f"{missing} for [search] {line}")
        return
    never = str(uuid.uuid4()) if value == request_id else f"nobody{uuid.uuid4().hex[:12]}"
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        while request_id not in await scene.sources.text(source, value):
            if loop.time() - began > scene.bounds.settle_s:
                case.refuted(f"The request {request_id} is not found by {by} within {scene.bounds.settle_s:g} s.")
                return
            await asyncio.sleep(POLL_S)
        took_s = loop.time() - began
        other = await scene.sources.text(source, never)  # now, for before it might not have been there yet
    except Unreadable as error:
        case.unobservable(f"The search by {by} does not answer: {error}.", f"[search] {line}")
        return
    if request_id in other or (value == request_id and never in other):
        case.unobservable(
            f"The search by {by} finds it, and what never was as well: it shows nothing.",
            f"[search] {line} that does not",
        )
        return
    case.proved(f"The request {request_id} is found by {by} after {took_s:.1f} s; one that never was is not.")


def _user(name: str, known_as: str) -> str:
    return f"its user {name}" + (f" (known as {known_as})" if known_as != name else "")


def _known_as(name: str, key: str) -> str:
    return hmac.new(key.encode(), name.encode(), hashlib.sha256).hexdigest()[:DIGITS] if key else name
