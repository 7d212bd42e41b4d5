"""A mutant is its solution with the changes that it tells, or it says why it no longer is."""

from pathlib import Path

import pytest

from notebooks.grader.mutants import MutantError, mutated

SOLUTION = "def f():\n    x = 1\n    x = 1\n    return x\n"


def mutant(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "bug.py"
    file.write_text(text)
    return file


def test_each_change_is_made_in_its_turn(tmp_path: Path) -> None:
    file = mutant(tmp_path, '"""A bug."""\n\nCHANGES = (("return x", "return y"), ("return y\\n", "return z\\n"))\n')
    assert mutated(file, SOLUTION) == SOLUTION.replace("return x", "return z")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"""A bug."""\nCHANGES = (("return w", ""),)\n', "stands 0 times in the solution: 'return w'"),
        ('"""A bug."""\nCHANGES = (("    x = 1\\n", ""),)\n', "stands 2 times"),
        ('"""A bug."""\n', "needs a docstring that tells the bug, and CHANGES"),
        ('CHANGES = (("return x", ""),)\n', "needs a docstring"),
        ('"""A bug."""\nCHANGES = ()\n', "and CHANGES that make it"),
    ],
)
def test_what_is_no_mutant_of_this_solution_says_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(MutantError, match=said.replace("(", r"\(")):
        mutated(mutant(tmp_path, text), SOLUTION)
