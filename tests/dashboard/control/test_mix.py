"""Questions and callers of the warm-up client."""

from collections import Counter

import pytest

from dashboard.control.mix import FAQ, FAQ_SHARE, Chat, Mix
from service.gateway.auth import Auth
from service.observability.pii import suspected
from service.settings import Settings


def text_of(chat: Chat) -> str:
    said: str = chat.body["text"] if "text" in chat.body else chat.body["messages"][0]["content"]
    return said


def test_the_same_seed_asks_the_same() -> None:
    one, other = Mix(7), Mix(7)
    assert [one.next(5) for _ in range(50)] == [other.next(5) for _ in range(50)]


def test_about_half_are_frequent_questions_and_all_others_are_asked_once() -> None:
    mix = Mix(7)
    asked = Counter(text_of(mix.next(20)) for _ in range(4000))
    frequent = sum(asked[question] for question in FAQ)
    assert frequent / 4000 == pytest.approx(FAQ_SHARE, abs=0.04)
    assert asked[FAQ[0]] > asked[FAQ[1]] > asked[FAQ[3]] > 0
    assert {count for question, count in asked.items() if question not in FAQ} == {1}


def test_none_looks_like_personal_data_which_the_cache_would_pass_by() -> None:
    mix = Mix(7)
    assert not [text for text in (text_of(mix.next(20)) for _ in range(20_000)) if suspected(text)]


@pytest.mark.parametrize("rate_per_s", [1, 5, 50])
def test_no_bucket_has_to_bear_more_than_its_refill(rate_per_s: int) -> None:
    mix, auth, minutes = Mix(7), Auth(Settings()), 2
    callers = [auth.caller(f"Bearer {mix.next(rate_per_s).key}") for _ in range(rate_per_s * 60 * minutes)]
    limits = Settings().rate_limit
    assert max(Counter((c.tenant, c.user) for c in callers).values()) <= limits.user.requests_per_min * minutes
    assert max(Counter(c.tenant for c in callers).values()) <= limits.tenant.requests_per_min * minutes
    assert len({c.tenant for c in callers}) <= 6
