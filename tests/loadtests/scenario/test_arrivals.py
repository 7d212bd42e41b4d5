"""A seed makes the same requests in every run: ids, bodies and times; another seed makes others."""

from __future__ import annotations

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
    mix = {"faq": 0.3, "unique": 0.3, "thread": 0.3, "refund": 0.1}
    asked = [one for one in _everything(scenario(mix=mix)) if one.kind != "refund"]
    strange = {_text(one) for one in asked if suspected(_text(one)) or suspected(json.dumps(one.body))}
    assert strange == set()
    assert {one.kind for one in asked} == {"faq", "unique", "thread"}


def test_numbers_in_letters_are_all_different() -> None:
    assert [questions.lettered(number) for number in (0, 25, 26, 27, 675, 676)] == ["a", "z", "ba", "bb", "zz", "baa"]
    assert len({questions.lettered(number) for number in range(20_000)}) == 20_000


def _text(arrival: Arrival) -> str:
    body = arrival.body
    text: str = body["messages"][0]["content"] if "messages" in body else body.get("text", "")
    return text
