"""What a kill explains: the work of the process that was killed, and of no other kind of process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.books import losses
from loadtests.books.ledger import Charge
from loadtests.books.service import Instance

from .world import BEGAN, GPT, KILLED, NOW, WORK_KILLED, World, balanced, call

OWN = "00000000-0000-8000-8000-000000000009"
ANOTHERS = "00000000-0000-5000-8000-000000000009"


def orphaned(request_id: str, killed: float, target: str = "openai") -> World:
    """A call just before a process was killed, and no record of whose it is."""
    w = balanced()
    w.add("orphan", killed - BEGAN - 1, request_id=request_id, calls=[replace(call(1, GPT), target=target)])
    return w


@pytest.mark.parametrize(
    ("request_id", "killed", "explained"),
    [(OWN, WORK_KILLED, True), (OWN, KILLED, False), (ANOTHERS, KILLED, True), (ANOTHERS, WORK_KILLED, False)],
    ids=["its own work", "another's work", "its request", "another's request"],
)
def test_calls_are_explained_by_the_kill_of_who_made_them(request_id: str, killed: float, explained: bool) -> None:
    found = orphaned(request_id, killed).judged()
    assert [one.request_id for one in found.differences] == ([] if explained else [request_id])


def test_vectors_of_a_corpus_are_made_by_whoever_needs_them() -> None:
    for killed in (KILLED, WORK_KILLED):
        assert orphaned(OWN, killed, "embeddings").judged().balanced


def test_a_request_without_a_record_is_not_explained_by_the_kill_of_who_works() -> None:
    w = balanced()
    w.add("gone", WORK_KILLED - BEGAN - 1, entry={"outcome": "lost", "worker": None})
    assert [one.what for one in w.judged().differences] == ["record"]


@pytest.mark.parametrize(
    ("request_id", "explained"), [(OWN, True), (ANOTHERS, False), (None, True)], ids=["work", "request", "nobody's"]
)
def test_a_charge_is_explained_by_the_kill_of_who_asked_for_it(request_id: str | None, explained: bool) -> None:
    w = balanced()
    t = WORK_KILLED - 1
    w.charges.append(Charge(t, "f" * 64, 100, "usd"))
    if request_id is not None:
        paying = replace(call(1, ("payments", None)), t=t - 0.1, duration_s=0.5, request_id=request_id)
        w.calls.append(replace(paying, seq=len(w.calls) + 1))
    found = [one.what for one in w.judged().differences]
    assert ("charge" not in found) is explained


def test_only_its_like_replaces_a_process() -> None:
    living = Instance("1-a", BEGAN, None, NOW - 3, NOW - 3, works=True)
    for works, dead in ((True, ["1-a"]), (False, []), (None, ["1-a"])):
        other = Instance("2-b", NOW - 1, NOW, NOW, NOW, works=works)
        assert [death.instance for death in losses.deaths([living, other], NOW)] == dead
