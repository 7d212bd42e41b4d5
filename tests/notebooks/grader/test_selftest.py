"""Starters fail at a promise, solutions pass, every mutant is killed; and it is noticed where one is not."""

from pathlib import Path

import pytest

from notebooks.grader.catalogue import LEVELS, CatalogueError, Exercise, exercises, load
from notebooks.grader.rig import Rig
from notebooks.grader.selftest import SEEDS_SHORT, selftest

from .made import NOTHING, RIGHT, TOML, TWICE, toy

KNOWN = exercises()


@pytest.mark.timeout(400)  # dozens of checks, each a process
@pytest.mark.parametrize("exercise", KNOWN, ids=[one.label for one in KNOWN])
def test_an_exercise_is_as_it_says(exercise: Exercise, made_rig: Rig) -> None:
    verdict = selftest(exercise, made_rig, seeds=SEEDS_SHORT)
    assert verdict.faults == []
    assert verdict.starter_fails_at
    assert set(verdict.killed.values()) == {probe.name for probe in exercise.probes}


def test_exercises_are_numbered_from_one_and_every_probe_has_its_hints() -> None:
    assert [one.number for one in KNOWN] == list(range(1, len(KNOWN) + 1))
    for one in KNOWN:
        assert all(len(one.hints[probe.name]) == len(LEVELS) for probe in one.probes)
        assert (one.folder / "README.md").read_text().startswith(f"# Exercise {one.number}")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"starter": RIGHT}, "the starter passes"),
        ({"starter": "undefined()"}, "the starter does not fail at a promise: answers raised"),
        ({"solution": TWICE}, "the solution fails with seed 7: asks_once broken"),
        ({"asks_twice": RIGHT, "says_nothing": NOTHING}, "the mutant asks_twice lives"),
        ({"asks_twice": NOTHING, "says_nothing": NOTHING}, "the mutant asks_twice is not killed by asks_once"),
        ({"asks_twice": NOTHING, "says_nothing": NOTHING}, "the probe asks_once kills no mutant"),
        ({"asks_twice": TWICE}, "exercise.toml names the mutant says_nothing, which is not there"),
        ({"asks_twice": TWICE, "says_nothing": NOTHING, "more": TWICE}, "the mutant more is in no line"),
        ({"solution": f"import service\n    {RIGHT}"}, "solution.py imports service"),
        ({"toml": TOML.replace('"asks_once"', '"nobody"')}, "is to be killed by nobody, which is no probe"),
    ],
)
def test_an_exercise_that_is_not_as_it_says_is_faulted(
    tmp_path: Path, made_rig: Rig, given: dict[str, str], fault: str
) -> None:
    verdict = selftest(load(toy(tmp_path, **given)), made_rig, seeds=1)
    assert any(fault in one for one in verdict.faults), verdict.faults


def test_a_folder_that_lacks_something_says_what(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"unknown \['colour'\]"):
        load(toy(tmp_path / "a", toml=f'colour = "red"\n{TOML}'))
    with pytest.raises(CatalogueError, match=r"\['minutes'\] missing"):
        load(toy(tmp_path / "b", toml=TOML.replace("minutes = 1", "")))
    folder = toy(tmp_path / "c")
    (folder / "hints.toml").write_text("[answers]\nquestion = 'x'\n")
    with pytest.raises(CatalogueError, match=r"\[answers\] lacks 'place'"):
        load(folder)


def test_long_probes_may_have_a_module_beside_them_and_two_folders_do_not_share_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = toy(tmp_path / name)
        (folder / "bench.py").write_text(f"TITLE = 'It answers {name}'\n")
        probes = (folder / "probes.py").read_text().replace('"It answers"', "TITLE")
        (folder / "probes.py").write_text(f"from .bench import TITLE\n{probes}")
        assert load(folder).probes[0].title == f"It answers {name}"
