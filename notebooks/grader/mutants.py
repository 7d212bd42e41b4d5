"""Mutants: an exercise's solution with one bug each, told as what is changed, so that a reader sees the bug alone.

    \"\"\"Tries a 400 again.\"\"\"

    CHANGES = (("    if not retryable(error):\\n        raise\\n", ""),)

Each change is (what stands in solution.py, what stands there instead), and must be found exactly once, so that no
mutant outlives the lines that it is made of. Read `selftest.py` next.
"""

import ast
from pathlib import Path


class MutantError(Exception):
    """A mutant's file is none, or no longer fits its solution."""


def mutated(file: Path, solution: str) -> str:
    """The source of a mutant. Raises MutantError with what does not fit."""
    source = solution
    for was, instead in _changes(file):
        if (found := source.count(was)) != 1:
            raise MutantError(f"the mutant {file.stem} changes what stands {found} times in the solution: {was!r}")
        source = source.replace(was, instead)
    return source


def _changes(file: Path) -> list[tuple[str, str]]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["CHANGES"]:
            changes: list[tuple[str, str]] = list(ast.literal_eval(node.value))
            if changes and ast.get_docstring(tree):
                return changes
    raise MutantError(f"the mutant {file.stem} needs a docstring that tells the bug, and CHANGES that make it")
