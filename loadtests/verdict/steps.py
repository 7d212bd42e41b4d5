"""The steps of jobs in the providers' ledger: which calls were made for which step, and when work went on after a kill.

A step's call carries a request id that is a UUID of version 8, made from the job, the step's name and how often the job
had been begun (docs/telemetry.md). So from the job ids that the client was told, every call finds its step without the
service's word. Read `later_measures.py` next.
"""

import hashlib
import math
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, pairwise

from loadtests.books.ledger import Call
from loadtests.verdict.evidence import Band

OWN_WORK = 8
"""The version of the UUID."""

MOST_BEGUN = 64
"""A job is begun once, and again after each kill and each wait for a provider."""

LOOKS_AHEAD = 8
"""Steps of one kind are numbered from 1; where so many in a row were never called there are no more."""

LEVELS = 3
CLOCKS_S = 0.5
"""A step that ended so shortly before a kill may not have been written down."""


def of_jobs(jobs: Iterable[str], calls: Sequence[Call]) -> dict[str, dict[str, list[Call]]]:
    """Job -> step -> its calls to models, in order of start."""
    own: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.request_id is not None and _is_own(call.request_id):
            own[call.request_id].append(call)
    found: dict[str, dict[str, list[Call]]] = {}
    for job in jobs:
        steps = dict(_steps(job, own))
        if steps:
            found[job] = steps
    return found


def paid_again(steps: Iterable[Sequence[Call]], kills: Sequence[float]) -> int:
    """Calls that were answered well although the step had been, but for those that a kill cut off from being noted."""
    again = 0
    for calls in steps:
        well = [call for call in calls if call.status == 200 and call.completed]
        again += sum(not any(call.t <= kill <= call.ended + CLOCKS_S for kill in kills) for call in well[:-1])
    return again


def went_on_after(calls: Sequence[Call], kills: Sequence[float], *, ended: bool) -> Iterator[float]:
    """Seconds from a kill that met a job at work to its next call; infinity where it had none and did not end.

    Of several kills without a call in between the first counts: a job that is killed again before it could go on has
    waited since then.
    """
    for call_t, next_t in pairwise([*sorted(call.t for call in calls), math.inf]):
        first = next((kill for kill in kills if call_t < kill <= next_t), None)
        if first is not None and not (ended and next_t == math.inf):
            yield next_t - first


def kills(bands: Iterable[Band], target: str) -> list[float]:
    """When a process was killed, Unix seconds."""
    return sorted(band.since for band in bands if band.target == target and "killed" in band.label)


def request_id(step: str, begun: int) -> str:
    """The id of a step's calls when its job was begun for the n-th time: UUID version 8 of both."""
    raw = bytearray(hashlib.sha256(f"{step}\0{begun}".encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | OWN_WORK << 4
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def _steps(job: str, own: dict[str, list[Call]]) -> Iterator[tuple[str, list[Call]]]:
    for kind in ("map", *(f"reduce/{level}" for level in range(1, LEVELS + 1))):
        missed = 0
        for number in count(1):
            step = f"{job}/{kind}/{number}"
            ids = (request_id(step, begun) for begun in range(1, MOST_BEGUN + 1))
            calls = [call for one in ids for call in own.get(one, ())]
            if calls:
                yield step, sorted(calls, key=lambda call: call.t)
            missed = 0 if calls else missed + 1
            if missed >= LOOKS_AHEAD:
                break


def _is_own(name: str) -> bool:
    try:
        return uuid.UUID(name).version == OWN_WORK
    except ValueError:
        return False
