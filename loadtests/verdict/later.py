"""What is done after the answer, as the two ends of the wire saw it: jobs, runs of the agent, their webhooks.

The client's book has a line for each time that somebody asked how a job stood; the ledger has each webhook that came.
Read `later_measures.py` next: what is measured with it.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from loadtests.books.client import Entry
from loadtests.books.ledger import Charge, Webhook
from loadtests.scenario.model import ASKED_AT

END_EVENTS = ("job.completed", "job.failed", "job.cancelled", "agent.completed")
APPROVE = "approve"


def asked(entries: Sequence[Entry], kind: str, counts: Callable[[Entry], bool]) -> dict[str | None, set[str]]:
    """By Idempotency-Key: what was taken with it; nothing where it never was. `counts` says which requests do."""
    found: dict[str | None, set[str]] = {}
    for entry in entries:
        if entry.endpoint != ASKED_AT[kind] or entry.kind != kind:
            continue
        if entry.key in found or counts(entry):
            subjects_of_key = found.setdefault(entry.key, set())
            if entry.subject_id is not None:
                subjects_of_key.add(entry.subject_id)
    return found


def subjects(entries: Iterable[Entry]) -> set[str]:
    """The jobs and runs that were taken by these requests."""
    return {
        entry.subject_id
        for entry in entries
        if entry.subject_id is not None and entry.kind in ASKED_AT and entry.endpoint == ASKED_AT[entry.kind]
    }


def told(entries: Iterable[Entry], states: Collection[str]) -> set[str]:
    """The jobs and runs that somebody was told to stand so."""
    return {entry.subject_id for entry in entries if entry.subject_id is not None and entry.state in states}


def tells_end(webhook: Webhook) -> bool:
    """Whether it says that something has ended."""
    return webhook.event in END_EVENTS


def message_ids(webhooks: Iterable[Webhook]) -> Mapping[tuple[str, str | None], set[str | None]]:
    """By job or run, and event: the ids of all genuine messages that came, whatever they were answered."""
    found: dict[tuple[str, str | None], set[str | None]] = defaultdict(set)
    for webhook in webhooks:
        if webhook.subject_id is not None and webhook.verified:
            found[webhook.subject_id, webhook.event].add(webhook.message_id)
    return found


def decisions(entries: Iterable[Entry]) -> Mapping[str, Sequence[str]]:
    """By run: what came of each request that decides; a repetition with the same key is none."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.decision is not None and entry.subject_id is not None and not entry.replayed:
            found[entry.subject_id].append(entry.outcome)
    return found


def approvals(entries: Iterable[Entry]) -> Counter[str]:
    """By run: how often somebody was told that their approval counts."""
    return Counter(
        entry.subject_id
        for entry in entries
        if entry.subject_id is not None
        and entry.decision == APPROVE
        and entry.outcome == "answered"
        and not entry.replayed
    )


def charged(charges: Iterable[Charge]) -> Counter[str | None]:
    """By Idempotency-Key: how often money moved."""
    return Counter(charge.idempotency_key for charge in charges)


def charge_keys(entries: Iterable[Entry]) -> Mapping[str, str]:
    """By the key with which it pays (docs/telemetry.md): the run. One that nobody was told about is not there."""
    return {
        hashlib.sha256(f"agent\0{entry.subject_id}\0{entry.created:.3f}".encode()).hexdigest(): entry.subject_id
        for entry in entries
        if entry.kind == "agent" and entry.subject_id is not None and entry.created is not None
    }
