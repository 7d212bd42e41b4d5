"""The catalogue and the programs that it names: small, alone, and each in its folder."""

import ast

import pytest

from door.errors import UsageError
from notebooks.pitfalls import Pitfall, all_pitfalls, named
from notebooks.pitfalls.running import run_of

LONGEST = 61
"""Lines of a program: about a screen."""
ALLOWED = {
    "anthropic",
    "openai",
    "fastapi",
    "pydantic",
    "asyncio",
    "redis",
    "tenacity",
    "collections",
    "hashlib",
    "json",
    "os",
}


def test_there_are_the_chapters_seven() -> None:
    assert [pitfall.number for pitfall in all_pitfalls()] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("pitfall", all_pitfalls(), ids=lambda pitfall: pitfall.name)
def test_every_form_is_a_small_program_that_imports_nothing_of_ours(pitfall: Pitfall) -> None:
    assert {form.name for form in pitfall.forms} == {path.stem for path in pitfall.folder.glob("*.py")}
    assert {"before", "after", pitfall.asked.guessed} <= {form.name for form in pitfall.forms}
    for form in pitfall.forms:
        text = (pitfall.folder / f"{form.name}.py").read_text()
        assert len(text.splitlines()) <= LONGEST
        tree = ast.walk(ast.parse(text))
        imported = [node for node in tree if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {alias.name for node in imported if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in imported if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in names} <= ALLOWED | {"typing"}


@pytest.mark.parametrize("pitfall", all_pitfalls(), ids=lambda pitfall: pitfall.name)
def test_the_question_is_filled_by_what_the_run_plans(pitfall: Pitfall) -> None:
    for for_s in (pitfall.short_s, pitfall.for_s):
        question = pitfall.asked.asked.format(**run_of(pitfall).planned(for_s))
        assert question.strip().endswith("?")
        assert "{" not in question


def test_a_pitfall_is_found_by_number_by_name_and_by_folder() -> None:
    assert named(3) is named("3") is named("blind_retries") is named("03_blind_retries")


def test_an_unknown_one_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="there is no pitfall '8'; there are 1 all_sync, 2 no_cache"):
        named(8)


def test_a_length_that_shows_nothing_is_refused() -> None:
    pitfall = named(3)
    assert pitfall.lasting(None, short=False) == pitfall.for_s
    assert pitfall.lasting(None, short=True) == pitfall.short_s
    assert pitfall.lasting(20.0, short=False) == 20.0
    for wrong in (0.5, 3600.0):
        with pytest.raises(UsageError, match="shows itself in 5 to 300 s"):
            pitfall.lasting(wrong, short=False)
    with pytest.raises(UsageError, match="give one"):
        pitfall.lasting(20.0, short=True)
