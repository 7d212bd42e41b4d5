"""All seven as processes, shortened: that before has its flaw by the provider's ledger, and after has not."""

import asyncio
import shutil
from pathlib import Path

import pytest

from door.part import PartFailed
from notebooks.pitfalls import Pitfall, Result, named, run_pitfall
from notebooks.pitfalls.result import Verdict

pytestmark = pytest.mark.alone


def shown(number: int) -> dict[str, dict[str, float]]:
    """The numbers of a shortened run, in which the pitfall showed itself."""
    result = run_pitfall(number, short=True)
    assert result.verdict is Verdict.SHOWN, result.document()
    numbers = {key: {form: value for form, value in row.items() if value is not None} for key, row in told(result)}
    assert all(numbers.values())
    return numbers


def told(result: Result) -> list[tuple[str, dict[str, float | None]]]:
    return list(result.numbers.items())


def test_synchronous_code_bounds_what_is_under_way_and_health_waits_with_it() -> None:
    numbers = shown(1)
    assert numbers["at_once"]["blocking"] == 1
    assert 1 < numbers["at_once"]["before"] <= 40 < numbers["at_once"]["after"]
    assert numbers["answers_per_s"]["after"] >= 10 * numbers["answers_per_s"]["blocking"] > 0
    assert numbers["health_p50_ms"]["blocking"] >= 10 * numbers["health_p50_ms"]["after"]


def test_without_a_cache_every_question_is_paid_for() -> None:
    numbers = shown(2)
    assert numbers["calls_per_1000"]["before"] == 1000
    assert numbers["calls_per_1000"]["after"] <= 500
    assert 0 < numbers["usd_per_1000"]["after"] <= 0.5 * numbers["usd_per_1000"]["before"]
    assert numbers["answered_percent"] == {"before": 100, "after": 100}


def test_blind_retries_multiply_calls_and_try_what_is_wrong_again() -> None:
    numbers = shown(3)
    assert numbers["calls_per_question"]["before"] >= 2
    assert 1 <= numbers["calls_per_question"]["after"] <= 1.6
    assert numbers["calls_per_400"]["before"] >= 2
    assert numbers["calls_per_400"]["after"] == 1
    assert numbers["wave_per_s"]["before"] > numbers["wave_per_s"]["after"]


async def test_a_single_provider_takes_the_service_down_with_it_also_when_run_from_a_notebook() -> None:
    assert asyncio.get_running_loop().is_running()  # as in a notebook's cell
    numbers = shown(4)
    assert numbers["availability_percent"]["before"] <= 50
    assert numbers["availability_percent"]["after"] >= 95
    assert numbers["elsewhere"]["before"] == 0 < numbers["elsewhere"]["after"]


def test_a_session_in_memory_is_lost_on_the_other_replica_and_over_a_restart() -> None:
    numbers = shown(5)
    assert numbers["lost_replicas_percent"]["before"] >= 20
    assert numbers["lost_restart_percent"]["before"] >= 95
    assert numbers["lost_replicas_percent"]["after"] == numbers["lost_restart_percent"]["after"] == 0
    assert numbers["input_tokens"]["after"] > numbers["input_tokens"]["before"]


def test_a_health_check_that_calls_the_llm_costs_money_and_restarts_what_is_well() -> None:
    numbers = shown(7)
    assert numbers["calls_per_hour"]["before"] > 0 == numbers["calls_per_hour"]["after"]
    assert numbers["usd_per_month"]["before"] > 0 == numbers["usd_per_month"]["after"]
    assert numbers["restarts"]["before"] >= 1 > numbers["restarts"]["after"]
    assert numbers["answered_percent"]["before"] < numbers["answered_percent"]["after"]


def test_a_before_without_the_flaw_shows_nothing(tmp_path: Path) -> None:
    pitfall = copied(4, tmp_path)
    shutil.copy(pitfall.folder / "after.py", pitfall.folder / "before.py")
    result = run_pitfall(pitfall, short=True)
    assert result.verdict is Verdict.NOT_SHOWN
    assert [check.holds for check in result.findings.checks] == [False, True, False]


def test_a_program_that_does_not_start_is_told_with_what_it_said(tmp_path: Path) -> None:
    pitfall = copied(4, tmp_path)
    (pitfall.folder / "before.py").write_text("import nowhere_at_all\n")
    with pytest.raises(PartFailed, match="nowhere_at_all"):
        run_pitfall(pitfall, short=True)


def copied(number: int, folder: Path) -> Pitfall:
    """The same pitfall with programs that a test may change."""
    original = named(number)
    where = folder / original.folder.name
    shutil.copytree(original.folder, where, ignore=shutil.ignore_patterns("__pycache__"))
    return original.model_copy(update={"folder": where})
