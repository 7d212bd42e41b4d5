"""Any single alteration of a balanced world is found under its request, or is by rule not comparable.

What is not comparable is listed here, with its reason; everything else must be found, so that no rule sleeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from loadtests.books.attempts import ENDED_BY_US
from loadtests.books.client import Entry
from loadtests.books.ledger import Call, Charge
from loadtests.books.service import Attempt, Record

from .world import World, balanced, rid

CLOCKS = {"t", "duration_ms", "first_token_ms", "duration_s", "seq"}
"""Each book has its own; only whether a request belongs to the time, or to a kill, depends on them."""

KEPT_FOR_READERS = {
    *("endpoint", "stream", "tenant", "user", "kind", "callers"),
    *("cited", "subject_id", "state", "created", "decision"),
}
"""Not told by another book in the same form."""

NOT_COMPARED: dict[type, set[str]] = {
    Entry: {*CLOCKS, *KEPT_FOR_READERS, "key"},
    Record: {*CLOCKS, *KEPT_FOR_READERS, "attempts", "max_tokens", "step"},
    Attempt: {"status", "exact", "most_nano_usd"},
    Call: {*CLOCKS, "completed"},
    Charge: {"t", "amount", "currency"},
}
"""`key` groups refunds, `step` a job's records; `max_tokens`, `exact` and `most_nano_usd` are bounds; `status` and
`completed` only excuse."""

NUMBERS = ("status", "upstream_status", "input_tokens", "output_tokens", "cost_nano_usd", "unpriced", "attempt", "n")


@dataclass(frozen=True)
class Place:
    """One line of one book: where it is, and whose request it is."""

    book: str
    index: int
    attempt: int | None = None

    def read(self, world: World) -> Any:
        line = getattr(world, self.book)[self.index]
        return line if self.attempt is None else line.attempts[self.attempt]

    def request_id(self, world: World) -> str | None:
        request_id: str | None = getattr(getattr(world, self.book)[self.index], "request_id", None)
        return request_id

    def write(self, world: World, new: Any) -> None:
        lines = getattr(world, self.book)
        if self.attempt is not None:
            attempts = list(lines[self.index].attempts)
            attempts[self.attempt] = new
            new = replace(lines[self.index], attempts=tuple(attempts))
        lines[self.index] = new


def places(world: World, books: Sequence[str] = ("entries", "records", "calls", "charges")) -> list[Place]:
    whole = [Place(book, index) for book in books for index in range(len(getattr(world, book)))]
    parts = [
        Place("records", index, n) for index, record in enumerate(world.records) for n in range(len(record.attempts))
    ]
    return whole + (parts if "records" in books else [])


def altered(name: str, value: Any) -> Any:
    """Another value of the same kind: the smallest step that must not go unseen."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, tuple):
        return (*value, "another")
    if name == "request_id":
        return rid(f"not {value}")
    if isinstance(value, str):
        return "broken" if name == "outcome" and value != "broken" else "refused" if name == "outcome" else f"x{value}"
    return 1 if name in NUMBERS else "another"


def excused(world: World, place: Place, name: str) -> bool:
    """Whether this field of this line has nothing to be compared with."""
    line = place.read(world)
    if name in NOT_COMPARED[type(line)]:
        return True
    if isinstance(line, Entry):
        return _entry_excused(line, name)
    if isinstance(line, Record):
        client = next((entry for entry in world.entries if entry.request_id == line.request_id), None)
        return _record_excused(line, client, name)
    if isinstance(line, Attempt):
        unseen = line.upstream_status is None and line.status in (*ENDED_BY_US, "connection_failed")
        return (name in ("target", "n") and unseen) or (name == "model" and (unseen or line.target == "payments"))
    if isinstance(line, Call):
        return _call_excused(world, line, name)
    return bool(line.idempotency_key == "b" * 64)


def _entry_excused(entry: Entry, name: str) -> bool:
    if entry.request_id in (rid("killed"), rid("in vain")):
        return True  # no other book knows of them
    told = ("source", "degraded", "input_tokens", "output_tokens", "cost_nano_usd")
    if name == "degraded":
        return entry.source is None
    if name == "outcome":
        return entry.outcome == "left"
    return (name == "replayed" and entry.status is None) or (
        name in told and getattr(entry, name) is None and name != "source"
    )


def _record_excused(record: Record, client: Entry | None, name: str) -> bool:
    adds_up = name in ("input_tokens", "output_tokens", "cost_nano_usd", "unpriced", "request_id")
    if client is None:  # a stranger: nobody says what it was told
        return not adds_up
    if name == "outcome":
        return client.outcome == "left"
    if name in ("status", "replayed"):
        return client.status is None
    if name == "instance":
        return client.worker is None
    if name in ("source", "degraded"):
        return client.source is None
    return name == "charge_key" and (record.charge_key is None or record.status != 200)


def _call_excused(world: World, call: Call, name: str) -> bool:
    own = {record.request_id: record for record in world.records}.get(call.request_id or "")
    if own is None:  # lost by the kill, or nobody's
        return True
    attempt = next(one for one in own.attempts if (one.target, one.n) == (call.target, call.attempt))
    if name == "model":
        return call.model is None
    if name == "request_id":
        return False
    if attempt.exact:
        return name == "billed_nano_usd" and attempt.cost_nano_usd is None
    # Ended early: inside the bound anything goes; a status that we did not see is the provider's own.
    unseen = attempt.upstream_status is None
    return name in ("input_tokens", "output_tokens", "billed_nano_usd") or (name == "status" and unseen)


def judge(world: World, *request_ids: str | None) -> bool:
    """Whether something differs, and all of it is about these requests."""
    result = world.judged()
    named = {difference.request_id for difference in result.differences}
    assert named <= {*request_ids, None}, result.differences
    return bool(result.differences)


def every_compared_field() -> list[tuple[Place, str]]:
    world = balanced()
    named = [(place, field.name) for place in places(world) for field in fields(place.read(world))]
    return [(place, name) for place, name in named if not excused(world, place, name)]


COMPARED = every_compared_field()
NUMBERS_COMPARED = [(place, name) for place, name in COMPARED if type(getattr(place.read(balanced()), name)) is int]


def test_every_field_altered_by_the_smallest_step_is_found() -> None:
    for place, name in COMPARED:
        world = balanced()
        assert alter(world, place, name, altered(name, getattr(place.read(world), name))), (place, name)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NUMBERS_COMPARED), st.integers(-(10**12), 10**12))
def test_every_number_altered_at_all_is_found(where: tuple[Place, str], new: int) -> None:
    world = balanced()
    place, name = where
    assume(getattr(place.read(world), name) != new)
    assert alter(world, place, name, new), (place, name)


def alter(world: World, place: Place, name: str, new: Any) -> bool:
    """Alter one field; whether that is found under its request (or under the refund that another key belongs to)."""
    line, before = place.read(world), place.request_id(world)
    place.write(world, replace(line, **{name: new}))
    return judge(world, before, place.request_id(world), rid("refund"))


def test_what_is_only_kept_for_readers_raises_no_alarm() -> None:
    for place in places(balanced()):
        for name in KEPT_FOR_READERS:
            world = balanced()
            line = place.read(world)
            if hasattr(line, name):
                place.write(world, replace(line, **{name: altered(name, getattr(line, name))}))
                assert world.judged().balanced, (place, name)


def gone(world: World, place: Place) -> bool:
    """Whether by rule a line may be missing."""
    line = place.read(world)
    if isinstance(line, Entry):
        return line.request_id in (rid("killed"), rid("in vain"))
    if isinstance(line, Charge):
        return line.idempotency_key == "b" * 64  # the refund ended in doubt: it may have moved nothing
    if isinstance(line, Call):
        own = {record.request_id: record for record in world.records}.get(line.request_id or "")
        if own is None:
            return True
        attempt = next(one for one in own.attempts if (one.target, one.n) == (line.target, line.attempt))
        return attempt.upstream_status is None  # then it ended before the provider had read it, or was refused
    return bool(line.request_id == rid("unread"))  # its client left with no answer, and no provider knows of it


def whole_lines() -> list[Place]:
    return [place for place in places(balanced()) if place.attempt is None]


def test_every_missing_line_is_found() -> None:
    for place in whole_lines():
        world = balanced()
        if gone(world, place):
            continue
        whose = place.request_id(world) or rid("refund")
        del getattr(world, place.book)[place.index]
        assert judge(world, whose), place


def test_every_line_that_is_there_twice_is_found() -> None:
    for place in whole_lines():
        world = balanced()
        line = place.read(world)
        known = {record.request_id for record in world.records}
        if isinstance(line, Entry | Call) and line.request_id not in known:
            continue  # it is lost once more, or nobody's once more
        if isinstance(line, Entry) and line.request_id == rid("unread"):
            continue  # it left once more, before the service had read it
        getattr(world, place.book).append(line)
        assert judge(world, place.request_id(world), rid("refund"), rid("doubt")), place


def test_every_missing_attempt_is_found() -> None:
    for place in places(balanced(), ["records"]):
        world = balanced()
        record, attempt = world.records[place.index], place.read(world)
        known = {(row.request_id, row.target, row.attempt) for row in world.calls}
        if isinstance(attempt, Attempt) and (record.request_id, attempt.target, attempt.n) in known:
            attempts = tuple(one for one in record.attempts if one != attempt)
            world.records[place.index] = replace(record, attempts=attempts)
            assert judge(world, record.request_id), place
