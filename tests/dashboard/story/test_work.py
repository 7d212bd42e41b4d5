"""Jobs, runs and messages in words."""

from typing import Any

from dashboard.story.work import age, amount, of_job, of_message, of_run

NOW = 1000.0
PROPOSAL = {"order": "a-1003", "item": "headphones", "amount": 12_900, "currency": "usd", "needs_approval": True}


def step(name: str, *, ended: float | None = 990.0, **more: Any) -> dict[str, Any]:
    return {"step": name, "began": 980.0, "ended": ended, **more}


def test_a_run_that_waits_says_for_what_and_how_long_and_how_often_it_was_taken_up() -> None:
    run = {
        "status": "waiting",
        "steps": [step("understand"), step("look_up"), step("propose"), step("approve", paused=True)],
        "proposal": PROPOSAL,
        "waiting_since": 986.0,
        "deliveries": 2,
        "cost_usd": 0.001745,
    }
    assert of_run(run, NOW) == (
        "understood → order looked up → proposed; 129.00 USD for a-1003 (headphones); "
        "has waited for an approval for 14 s; taken up 2 times; $0.001745."
    )


def test_a_run_that_was_approved_names_who_did() -> None:
    run = {
        "status": "completed",
        "steps": [step("propose"), step("approve", paused=True), step("approve"), step("execute"), step("tell")],
        "proposal": PROPOSAL,
        "decision": "approve",
        "approver": {"tenant": "ops", "user": "admin"},
        "outcome": "refunded",
        "ended_at": 999.0,
        "deliveries": 1,
    }
    told = of_run(run, NOW)
    assert told.startswith("proposed → approved → paid → told; 129.00 USD")
    assert told.endswith("approved by ops/admin; refunded.")


def test_a_run_that_was_not_approved_is_never_called_approved() -> None:
    run = {
        "status": "rejected",
        "steps": [step("propose"), step("approve", paused=True), step("approve"), step("tell")],
        "proposal": PROPOSAL,
        "approver": {"tenant": "acme", "user": "alice"},
        "ended_at": 999.0,
    }
    for decision, outcome, said in (
        ("reject", "rejected", "rejected by acme/alice; rejected, nothing was paid."),
        ("withdraw", "withdrawn", "withdrawn by the customer."),
        ("expired", "expired", "nobody approved it in time."),
    ):
        told = of_run({**run, "decision": decision, "outcome": outcome}, NOW)
        assert told == f"proposed → told; 129.00 USD for a-1003 (headphones); {said}"


def test_below_the_limit_nobody_approved_anything() -> None:
    run = {"status": "completed", "steps": [step("propose"), step("approve"), step("execute")], "outcome": "refunded"}
    assert "approved" not in of_run({**run, "proposal": {**PROPOSAL, "needs_approval": False}}, NOW)


def test_a_step_that_runs_and_one_that_failed_say_so() -> None:
    run = {"status": "running", "steps": [step("understand"), step("execute", ended=None)], "trouble": "no_provider"}
    assert of_run(run, NOW) == "understood → pays; held up by no provider."
    assert "pays: timed out" in of_run({**run, "steps": [step("execute", error="timed_out")]}, NOW)


def test_a_job_says_how_far_it_is_and_what_holds_it_up() -> None:
    job = {"status": "queued", "created_at": 990.0, "progress": {"done": 0, "total": 0}}
    assert of_job(job, NOW) == "has waited for a worker for 10 s."
    job |= {"status": "running", "started_at": 992.0, "progress": {"done": 3, "total": 12}}
    job |= {"waits_for": "no_provider", "next_try_at": 1004.0, "attempts": 3, "cost_usd": 0.25}
    assert of_job(job, NOW) == (
        "3 of 12 steps done; waited 2.0 s; runs for 8.0 s; held up by no provider, again in 4.0 s; begun 3 times; "
        "$0.250000."
    )


def test_a_job_that_failed_names_its_error() -> None:
    job = {"status": "failed", "created_at": 900.0, "started_at": 901.0, "ended_at": 961.0}
    assert of_job({**job, "error": {"code": "too_late", "detail": "…"}}, NOW) == "waited 1.0 s; ran 60 s; too late."


def test_a_dead_message_says_what_its_last_try_met() -> None:
    message = {"tries": 15, "last_status": 500, "last_error": "bad_status", "created_at": 0.0}
    assert of_message(message, NOW) == "15 tries in vain; status 500, bad status; created 16 min ago."


def test_times_and_sums_are_as_people_write_them() -> None:
    assert [age(s) for s in (0.04, 9.96, 75, 7199, 7260)] == ["0.0 s", "10.0 s", "75 s", "119 min", "2 h 1 min"]
    assert amount(123_456, "eur") == "1,234.56 EUR"
