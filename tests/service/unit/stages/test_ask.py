"""``Ask``: what it notes on its way, and what that comes to."""

from service.llm.provider import Usage
from service.stages.ask import Attempt

from ..fakes import FakeClock, ask


def test_usage_and_cost_are_those_of_all_attempts(clock: FakeClock) -> None:
    asked = ask(clock)
    asked.attempts = [
        Attempt("anthropic", "a", 1, 0, usage=Usage(10, 5, 2), cost_nano_usd=100),
        Attempt("openai", "b", 2, 0, usage=Usage(1, 1, 0), cost_nano_usd=7),
    ]
    assert asked.usage == Usage(11, 6, 2)
    assert asked.cost_nano_usd == 107


def test_one_attempt_without_a_price_leaves_the_request_without_one(clock: FakeClock) -> None:
    asked = ask(clock)
    asked.attempts = [Attempt("a", "a", 1, 0, cost_nano_usd=1), Attempt("a", "new", 2, 0, cost_nano_usd=None)]
    assert asked.cost_nano_usd is None


def test_a_decision_is_reported_with_the_time_since_the_request_began(clock: FakeClock) -> None:
    asked = ask(clock)
    clock.advance(0.25)
    asked.report("retry", "wait", wait_s=1)
    assert asked.path == [("retry", "wait", 0.25, {"wait_s": 1})]
    assert asked.left_s == 4.75
