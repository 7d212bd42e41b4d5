"""A seed makes the same requests in every run: ids, bodies and times; another seed makes others."""

from __future__ import annotations

import hashlib
import json
import random
import re
import uuid
from collections import Counter
from itertools import islice, pairwise
from typing import Any

import pytest

from loadtests.scenario import Arrival, Arrivals, Scenario, named, names, people, questions
from loadtests.scenario.arrivals import BURST, BURSTS
from loadtests.scenario.people import new_mark
from loadtests.scenario.timing import lasting
from service.observability.pii import safe_name, suspected
from tests.loadtests.small import crowd, phase, scenario

MADE = {
    "black-friday": "04d0a3f3340c54a5",
    "both-down": "990b4d631724a401",
    "broken-streams": "0416cc70c39b51cc",
    "demo": "9dc0ceaabd9245cb",
    "double-refunds": "8facd11bdd6f73a3",
    "faq": "1ce3bcac51b7e6c3",
    "flapping": "f25524457fe10b0f",
    "hang": "e9b50ab52342aa72",
    "herd": "727d7f7e67d673ba",
    "noisy-neighbour": "19d1309ce338c5b4",
    "outage": "61e4b1c94dec4984",
    "rate-limits": "60317919239ae738",
    "slow": "973401db25f9840e",
    "spike": "3b9ed7dfcef3af90",
    "steady": "adb9b99027a001c4",
    "store-down": "b46ce3c27369c5c4",
}
"""What their seed has made since they were written: a digest of every request, so that runs of before compare."""

LATER = {"handbook": 0.4, "job": 0.3, "agent": 0.3, "faq": 0, "unique": 0, "copies": 2, "approve_share": 0.6}
MIXED = {"faq": 0.3, "unique": 0.3, "thread": 0.2, "refund": 0.2, "copies": 3}


def told(arrival: Arrival) -> Any:
    """All that goes out of one arrival, and when."""
    ids = [arrival.request_id(copy) for copy in range(arrival.copies)]
    return arrival.due_s, arrival.path, arrival.body, arrival.key, arrival.caller, ids, arrival.stream


def ids_of(arrivals: list[Arrival]) -> list[str]:
    return [arrival.request_id(copy) for arrival in arrivals for copy in range(arrival.copies)]


@pytest.mark.parametrize("name", names())
def test_the_same_seed_makes_the_same_requests_and_another_one_others(name: str) -> None:
    whole = lasting(named(name), named(name).short_s)
    first, again, other = (Arrivals(whole, seed).open() for seed in (7, 7, 8))
    assert [told(one) for one in first] == [told(one) for one in again]
    assert not set(ids_of(first)) & set(ids_of(other))
    assert [one.due_s for one in first] == sorted(one.due_s for one in first)


def test_what_the_handbook_is_asked_bears_the_runs_mark_and_nothing_else_does() -> None:
    """A question's vector is kept for all tenants: the run before must not have asked for it."""
    whole = scenario(phase(for_s=60, rate_per_s=10), mix={"faq": 0.3, "unique": 0.3, "handbook": 0.4})
    first, second = (Arrivals(whole, 7, mark).open() for mark in ("abcd", "wxyz"))
    asked = [(one, other) for one, other in zip(first, second, strict=True) if one.kind == "handbook"]
    assert len(asked) > 100
    assert all("abcd" in str(one.body) and "wxyz" in str(other.body) for one, other in asked)
    assert [told(one) for one in first if one.kind != "handbook"] == [
        told(one) for one in second if one.kind != "handbook"
    ]
    assert ids_of(first) == ids_of(second)


@pytest.mark.parametrize("name", MADE)
def test_a_seed_makes_what_it_made_before_there_were_other_kinds(name: str) -> None:
    arrivals = Arrivals(lasting(named(name), named(name).short_s), 7)
    closed = named(name).arrivals == "closed"
    made = [arrivals.of_user(user, n) for user in range(10) for n in range(10)] if closed else arrivals.open()
    rows = [
        [
            *(one.number, round(one.due_s, 9), one.caller.name, one.kind, one.path, one.body, one.stream, one.copies),
            *(one.key, [one.request_id(copy) for copy in range(one.copies)]),
        ]
        for one in made
    ]
    assert hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16] == MADE[name]


def later(seed: int = 7) -> dict[str, list[Arrival]]:
    """Arrivals of the kinds whose work is done later, and of the handbook, by kind."""
    found: dict[str, list[Arrival]] = {"handbook": [], "job": [], "agent": []}
    for one in Arrivals(scenario(phase(for_s=60, rate_per_s=10), mix=LATER), seed).open():
        found[one.kind].append(one)
    return found


def test_what_has_an_effect_has_a_key_of_its_own_the_same_in_every_run() -> None:
    made, again = later(), later()
    keys = [one.key for kind in ("job", "agent") for one in made[kind]]
    assert keys == [one.key for kind in ("job", "agent") for one in again[kind]]
    assert len(set(keys)) == len(keys) > 200
    assert {uuid.UUID(str(key)).version for key in keys} == {5}
    assert not set(keys) & set(ids_of([*made["job"], *made["agent"]]))
    assert {one.copies for kind in ("job", "agent") for one in made[kind]} == {2}
    assert {one.key for one in made["handbook"]} == {None}


def test_a_job_is_a_long_document_of_its_own() -> None:
    texts = [one.body["text"] for one in later()["job"]]
    assert {one.path for one in later()["job"]} == {"/jobs"}
    assert all(30_000 < len(text) < 60_000 for text in texts)
    assert len(set(texts)) == len(texts)
    paragraphs = [part for text in texts[:20] for part in text.split("\n\n")]
    assert max(map(len, paragraphs)) < 2_000, "parts end where paragraphs do"


def test_an_agent_is_asked_for_an_order_of_the_callers_own_and_the_seed_decides() -> None:
    asked = later()["agent"]
    orders = [re.search(r"u\d+-100[34]\b", one.body["text"]) for one in asked]
    for one, order in zip(asked, orders, strict=True):
        assert order is not None
        assert order[0].rpartition("-")[0] == one.caller.user
    decisions = Counter(one.decision for one in asked)
    assert set(decisions) == {"approve", "reject"}
    assert decisions["approve"] / len(asked) == pytest.approx(0.6, abs=0.15)
    assert [one.decision for one in asked] == [one.decision for one in later()["agent"]]


def test_questions_of_the_handbook_go_to_its_route_and_no_cache_knows_them() -> None:
    asked = later()["handbook"]
    assert {one.body.get("route") or one.body.get("model") for one in asked} == {"handbook"}
    texts = [_text(one) for one in asked]
    assert len(set(texts)) == len(texts) > 100
    assert {question for question in questions.HANDBOOK if any(question in text for text in texts)} == set(
        questions.HANDBOOK
    )


def test_ids_are_made_by_name_and_no_two_are_the_same() -> None:
    arrivals = Arrivals(scenario(phase(for_s=60, at_once=40), mix=MIXED), 7).open()
    ids = ids_of(arrivals)
    assert {uuid.UUID(one).version for one in ids} == {5}
    assert all(str(uuid.UUID(one)) == one for one in ids)
    assert len(set(ids)) == len(ids) > 1200


def test_asked_again_is_another_request_with_the_same_key() -> None:
    refund = next(one for one in Arrivals(scenario(mix=MIXED), 7).open() if one.kind == "refund")
    assert refund.key == f"order-{refund.request_id()}"
    assert len({refund.request_id(copy) for copy in (0, 1, 2, 100, 101)}) == 5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_arrivals_come_at_the_planned_rate_and_like_a_poisson_process(seed: int) -> None:
    arrivals = Arrivals(scenario(phase(for_s=200, rate_per_s=50)), seed).open()
    assert len(arrivals) == pytest.approx(10_000, abs=4 * 100)  # its deviation is the root of what is expected
    gaps = [late.due_s - early.due_s for early, late in pairwise(arrivals)]
    mean = sum(gaps) / len(gaps)
    assert sum((gap - mean) ** 2 for gap in gaps) / len(gaps) == pytest.approx(mean**2, rel=0.15)
    a_second = Counter(int(one.due_s) for one in arrivals)
    counts = [a_second[second] for second in range(200)]
    spread = sum((count - 50) ** 2 for count in counts) / 200
    assert 30 < spread < 75, "evenly spaced arrivals have none, clustered ones more"


def test_a_ramp_comes_as_it_rises() -> None:
    arrivals = Arrivals(scenario(phase(for_s=100, rate_per_s=(0, 100))), 7).open()
    quarters = Counter(int(one.due_s // 25) for one in arrivals)
    expected = [312.5, 937.5, 1562.5, 2187.5]
    for quarter, count in enumerate(expected):
        assert quarters[quarter] == pytest.approx(count, abs=4 * count**0.5)


def test_those_who_come_together_come_when_their_phase_begins() -> None:
    whole = scenario(phase("a", 5, None, at_once=30), phase("b", 5, 10), phase("c", 5, None, at_once=20))
    arrivals = Arrivals(whole, 7)
    assert Counter(due_s for due_s, _ in arrivals.bursts()) == {0: 30, 10: 20}
    numbers = [number for _, number in arrivals.bursts()]
    assert numbers == [*range(BURSTS, BURSTS + 30), *range(BURSTS + 2 * BURST, BURSTS + 2 * BURST + 20)]
    made = arrivals.open()
    assert [one.due_s for one in made[:30]] == [0] * 30
    assert len(set(ids_of(made))) == len(made)


def test_the_nth_arrival_does_not_depend_on_how_many_there_are() -> None:
    quiet, loud = (Arrivals(scenario(phase(rate_per_s=rate)), 7) for rate in (5, 50))
    assert [told(quiet.arrival(n, 0)) for n in range(50)] == [told(loud.arrival(n, 0)) for n in range(50)]
    assert list(islice(quiet.works(), 50)) == list(islice(loud.works(), 50))


def test_callers_come_by_the_weight_of_their_groups() -> None:
    groups = [{"name": "quiet", "tenants": 6, "users": 15}, {"name": "noisy", "tenants": 1, "users": 60, "weight": 4}]
    arrivals = Arrivals(scenario(phase(for_s=100, rate_per_s=50), callers=groups), 7).open()
    seen = Counter(one.caller.group for one in arrivals)
    assert seen["noisy"] / len(arrivals) == pytest.approx(0.8, abs=0.03)
    tenants = Counter(one.caller.tenant for one in arrivals if one.caller.group == "quiet")
    assert set(tenants) == {f"quiet{number}" for number in range(1, 7)}
    assert min(tenants.values()) > 0.7 * max(tenants.values())
    assert len({one.caller.name for one in arrivals}) == 6 * 15 + 60


def test_kinds_come_in_the_shares_of_the_mix() -> None:
    mix = {**MIXED, "stream_share": 0.25, "openai_share": 0.5}
    arrivals = Arrivals(scenario(phase(for_s=200, rate_per_s=50), mix=mix), 7).open()
    kinds = Counter(one.kind for one in arrivals)
    for kind in ("faq", "unique", "thread", "refund"):
        assert kinds[kind] / len(arrivals) == pytest.approx(float(MIXED[kind]), abs=0.03)
    asked = [one for one in arrivals if one.kind != "refund"]
    assert sum(one.stream for one in asked) / len(asked) == pytest.approx(0.25, abs=0.03)
    short = [one for one in asked if one.kind != "thread"]
    assert sum(one.path.startswith("/v1") for one in short) / len(short) == pytest.approx(0.5, abs=0.03)
    for one in asked:
        assert one.stream == (one.path == "/chat/stream" or one.body.get("stream", False))
    assert {one.copies for one in arrivals if one.kind == "refund"} == {3}
    assert {one.copies for one in asked} == {1}


def test_popular_questions_come_by_zipfs_law() -> None:
    chance = random.Random(7)  # noqa: S311 - a seed, no secret
    asked = Counter(questions.often_asked(20, 1.0, chance) for _ in range(20_000))
    first, second, third, *rest = (count for _, count in asked.most_common())
    assert first / second == pytest.approx(2, rel=0.15)
    assert first / third == pytest.approx(3, rel=0.2)
    assert len(rest) == 17
    assert asked.most_common(1)[0][0] == questions.popular(20)[0]


def test_a_question_of_its_own_is_asked_once() -> None:
    texts = [_text(one) for one in Arrivals(scenario(phase(for_s=100), mix={"faq": 0, "unique": 1}), 7).open()]
    assert len(set(texts)) == len(texts) > 1000


CROWDED = {"arrivals": "closed", "callers": [{"name": "acme", "tenants": 2, "users": 3}], "mix": MIXED}


def test_users_of_one_name_do_not_share_request_ids_or_questions_of_their_own() -> None:
    arrivals = Arrivals(scenario(crowd(users=50), **CROWDED), 7)
    made = [arrivals.of_user(user, number) for user in range(50) for number in range(40)]
    assert len({one.caller.name for one in made}) == 6 < 50
    ids = ids_of(made)
    assert len(set(ids)) == len(ids)
    own = [_text(one) for one in made if one.kind == "unique"]
    assert len(set(own)) == len(own)


def test_closed_users_ask_the_same_in_every_run() -> None:
    first, again, other = (Arrivals(scenario(crowd(users=5), **CROWDED), seed) for seed in (7, 7, 8))
    for user in range(5):
        for number in range(20):
            assert told(first.of_user(user, number)) == told(again.of_user(user, number))
            assert first.of_user(user, number).request_id() != other.of_user(user, number).request_id()


def test_closed_users_are_spread_over_groups_tenants_and_users() -> None:
    groups = scenario(
        callers=[{"name": "quiet", "tenants": 4, "users": 5}, {"name": "noisy", "tenants": 1, "users": 5, "weight": 3}]
    ).callers
    seen = Counter(people.numbered(groups, number).group for number in range(400))
    assert seen["noisy"] / 400 == pytest.approx(0.75, abs=0.05)
    assert len({people.numbered(groups, number) for number in range(400)}) == 4 * 5 + 5


def test_keys_stay_the_same_in_another_run_and_tenants_do_not() -> None:
    refund = next(one for one in Arrivals(scenario(mix=MIXED), 7).open() if one.kind == "refund")
    assert refund.key == next(one for one in Arrivals(scenario(mix=MIXED), 7).open() if one.kind == "refund").key
    marks = {new_mark() for _ in range(50)}
    assert len(marks) > 40
    assert len({refund.caller.key(mark) for mark in marks}) == len(marks)


def test_the_name_of_a_tenant_is_the_services_and_nobody_takes_it_for_a_number() -> None:
    caller = people.numbered(named("noisy-neighbour").callers, 3)
    for _ in range(200):
        key = caller.key(new_mark())
        assert re.fullmatch(r"demo-[a-z]+\d+_[a-z]{4}-u\d+", key)
        _, tenant, user = key.split("-")
        assert (safe_name("secret", tenant), safe_name("secret", user)) == (tenant, user)


def _everything(whole: Scenario) -> list[Arrival]:
    arrivals = Arrivals(whole, 7)
    numbers = [*range(4000), *range(BURSTS, BURSTS + 300), *range(999_000, 999_300)]
    return [
        *(arrivals.arrival(number, 0.0) for number in numbers),
        *(arrivals.of_user(user, number) for user in range(60) for number in range(60)),
    ]


def test_no_question_is_suspected_to_be_personal_data() -> None:
    """What is suspected is not cached, and the cache would seem to do nothing."""
    mix = {"faq": 0.2, "unique": 0.2, "thread": 0.3, "handbook": 0.2, "refund": 0.1}
    asked = [one for one in _everything(scenario(mix=mix)) if one.kind != "refund"]
    strange = {_text(one) for one in asked if suspected(_text(one)) or suspected(json.dumps(one.body))}
    assert strange == set()
    assert {one.kind for one in asked} == {"faq", "unique", "thread", "handbook"}


def test_numbers_in_letters_are_all_different() -> None:
    assert [questions.lettered(number) for number in (0, 25, 26, 27, 675, 676)] == ["a", "z", "ba", "bb", "zz", "baa"]
    assert len({questions.lettered(number) for number in range(20_000)}) == 20_000


def _text(arrival: Arrival) -> str:
    body = arrival.body
    text: str = body["messages"][0]["content"] if "messages" in body else body.get("text", "")
    return text
