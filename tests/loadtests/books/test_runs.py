"""The agent's refunds in the books: each rule of `runs.py` holds in a true world and fails in an altered one."""

from dataclasses import replace

import pytest

from loadtests.books.ends import AgentRun
from loadtests.books.ledger import Charge

from .world import BEGAN, ENDED, KILLED, NOW, PAYMENTS, World, attempt, balanced, call

KEY, DEAR, LOST = "c" * 64, "d" * 64, "e" * 64


def run(name: str, at: float, **more: object) -> AgentRun:
    made = AgentRun(name, "refunded", False, None, 4_999, KEY, BEGAN + at, BEGAN + at + 1)
    return replace(made, **more)  # type: ignore[arg-type]


def world() -> World:
    """A refund below the limit, one that was approved, one that was rejected, one whose end a kill took along."""
    w = balanced()
    for name, at, key, amount in (("cheap", 20, KEY, 4_999), ("dear", 21, DEAR, 12_900), ("gone", 71, LOST, 1_999)):
        w.add(
            name, at, request_id=f"00000000-0000-8000-8000-{at:012d}",
            record={"endpoint": "/agent", "charge_key": key},
            attempts=[attempt(1, PAYMENTS)],
            calls=[call(1, ("payments", None))],
        )  # fmt: skip
        w.charges.append(Charge(BEGAN + at + 0.015, key, amount, "usd"))
    w.runs = [
        run("run_cheap", 20),
        run("run_dear", 21, needed_approval=True, approved_by="admin", amount=12_900, charge_key=DEAR),
        run("run_rejected", 22, outcome="rejected", needed_approval=True, amount=None, charge_key=None),
    ]
    return w


def whats(w: World) -> list[str]:
    return [one.what for one in w.judged().differences]


def test_a_true_world_balances_and_what_a_kill_took_is_explained() -> None:
    found = world().judged()
    assert found.differences == []
    (line,) = (one for one in found.lines if one.what == "refunds of the agent and charges")
    assert (line.kind, line.service, line.ledger) == ("exact", 2, 2)
    assert any("the run's end lost by the kill" in one.what for one in found.lines)


def test_a_kill_of_who_answers_requests_explains_no_lost_end_of_a_run() -> None:
    w = world()
    w.charges = [replace(one, t=BEGAN + 61) if one.idempotency_key == LOST else one for one in w.charges]
    assert whats(w) == ["charge"]


def test_a_second_charge_of_a_run_shows() -> None:
    w = world()
    w.charges.append(Charge(BEGAN + 20.5, KEY, 4_999, "usd"))
    assert whats(w) == ["run run_cheap: charges"]


def test_a_refund_that_moved_nothing_shows() -> None:
    w = world()
    w.charges = [charge for charge in w.charges if charge.idempotency_key != KEY]
    assert whats(w) == ["run run_cheap: charges"]


def test_another_amount_than_the_runs_shows() -> None:
    w = world()
    w.runs[0] = replace(w.runs[0], amount=5_000)
    assert whats(w) == ["run run_cheap: amount"]


def test_a_refund_above_the_limit_that_nobody_approved_shows() -> None:
    w = world()
    w.runs[1] = replace(w.runs[1], approved_by=None)
    assert whats(w) == ["run run_dear: approval"]


def test_money_that_moved_for_a_rejected_run_shows() -> None:
    w = world()
    w.runs[1] = replace(w.runs[1], outcome="rejected", charge_key=None, amount=None)
    assert whats(w) == ["charge"]


def test_money_that_moved_for_no_run_shows_once_it_is_no_longer_fresh() -> None:
    w = world()
    del w.runs[0]
    assert whats(w) == ["charge"]
    assert not w.judged().open
    w.now = BEGAN + 25
    assert w.judged().open


def ended_in_doubt() -> World:
    """The payment of the first run ended without an answer."""
    w = world()
    w.records = [replace(one, status=504, outcome="failed") if one.charge_key == KEY else one for one in w.records]
    w.calls = [replace(one, status=None) if one.t == pytest.approx(BEGAN + 20.01) else one for one in w.calls]
    return w


def test_a_run_that_was_given_up_in_doubt_explains_its_charge_but_not_a_second_one() -> None:
    w = ended_in_doubt()
    w.runs[0] = replace(w.runs[0], outcome="gave_up_in_doubt", amount=None)
    assert "charge" not in whats(w)
    assert any(one.rule == "ambiguous" and one.what == "runs given up in doubt" for one in w.judged().lines)
    w.charges.append(Charge(BEGAN + 20.5, KEY, 4_999, "usd"))
    assert "run run_cheap: charges" in whats(w)


def test_a_charge_whose_run_never_ended_shows_also_where_its_payment_ended_in_doubt() -> None:
    w = ended_in_doubt()
    del w.runs[0]
    assert "charge" in whats(w)


def test_a_refund_above_the_limit_that_its_owner_approved_shows() -> None:
    w = world()
    w.runs[1] = replace(w.runs[1], user="admin")
    assert whats(w) == ["run run_dear: approval"]


def test_a_run_that_reaches_beyond_the_time_is_not_judged() -> None:
    w = world()
    w.runs.append(run("run_early", -5, charge_key="f" * 64))
    w.runs.append(replace(run("run_late", 99), ended=ENDED + 5, charge_key="a" * 63 + "b"))
    assert w.judged().differences == []
    assert KILLED < NOW
