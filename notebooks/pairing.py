"""From `NN_name.py` to `NN_name.ipynb`: the source is Python with cells, the notebook is made of it (ADR 21).

`make notebooks` writes them; a test holds each pair equal. A notebook has no outputs, and is the same bytes whoever
makes it: ids are its cells' numbers, metadata is fixed. Where `[tool.gauntlet]` in pyproject.toml names a repository,
the first cell gets a badge for Colab, and the first cell with code installs it there. Read `colab.py` next: what that
does.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext  # type: ignore[import-untyped]
import nbformat
from nbformat.v4 import new_notebook

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SOURCES = "[0-9][0-9]_*.py"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
GITHUB = re.compile(r"https://github\.com/(?P<name>[\w.-]+/[\w.-]+?)(\.git|/)?")
BRANCH = re.compile(r"\w[\w./-]*")
"""What stands in a command line of a shell and in a URL as it is."""
METADATA: dict[str, Any] = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
IN_COLAB = "google.colab"
INSTALL = """\
import sys

if "{colab}" in sys.modules:  # Colab only, two minutes the first time; elsewhere `make up` has installed everything
    import runpy
    import subprocess

    clone = "test -d gauntlet || git clone --quiet --depth 1 --branch {branch} {url} gauntlet"
    subprocess.run(clone, shell=True, check=True, cwd="/content")
    runpy.run_path("/content/gauntlet/notebooks/colab.py", run_name="__main__")

"""
NOWHERE = """\
import sys

if "{colab}" in sys.modules:
    raise SystemExit("this copy does not know its repository: name it in pyproject.toml, then `make notebooks`")

"""


@dataclass(frozen=True)
class Repository:
    """Where the notebooks are found: a GitHub URL, or an empty one."""

    url: str
    branch: str = "main"

    def __post_init__(self) -> None:
        if self.url and not GITHUB.fullmatch(self.url):
            raise ValueError(f"[tool.gauntlet] repository is {self.url!r}; it looks like https://github.com/OWNER/NAME")
        if not BRANCH.fullmatch(self.branch):
            raise ValueError(
                f"[tool.gauntlet] branch is {self.branch!r}; letters, digits and ._/- are taken, like main"
            )

    def badge(self, notebook: str) -> str:
        """Markdown that opens the notebook in Colab; empty where there is no repository."""
        found = GITHUB.fullmatch(self.url)
        if not found:
            return ""
        where = f"https://colab.research.google.com/github/{found['name']}/blob/{self.branch}/notebooks/{notebook}"
        return f"[![Open in Colab]({BADGE})]({where})\n\n"

    def install(self) -> str:
        """What the first cell with code does in Colab, and there alone."""
        return (INSTALL if self.url else NOWHERE).format(colab=IN_COLAB, url=self.url, branch=self.branch)


def repository(pyproject: Path = ROOT / "pyproject.toml") -> Repository:
    """The one that pyproject.toml names. Raises ValueError for one that is not on GitHub: Colab opens no other."""
    told = tomllib.loads(pyproject.read_text())["tool"]["gauntlet"]
    return Repository(told["repository"], told["branch"])


def sources(folder: Path = HERE) -> list[Path]:
    """The notebooks' sources, in their order."""
    return sorted(folder.glob(SOURCES))


def made_of(source: Path, where: Repository) -> str:
    """The text of the `.ipynb` beside a source."""
    cells = jupytext.reads(source.read_text(), fmt="py:percent").cells
    name = source.with_suffix(".ipynb").name
    first_code = next((cell for cell in cells if cell.cell_type == "code"), None)
    if not cells or cells[0].cell_type != "markdown" or first_code is None:
        raise ValueError(f"{source}: a notebook begins with a cell of words, and has one with code")
    cells[0].source = where.badge(name) + cells[0].source
    first_code.source = where.install() + first_code.source
    for n, cell in enumerate(cells):
        cell.id = f"{source.stem.replace('_', '-')}-{n:02d}"
        cell.metadata = {}
    notebook = new_notebook(cells=cells, metadata=METADATA)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"  # type: ignore[no-untyped-call]


def main() -> int:
    """Write what has changed."""
    where = repository()
    for source in sources():
        notebook, text = source.with_suffix(".ipynb"), made_of(source, where)
        if not notebook.exists() or notebook.read_text() != text:
            notebook.write_text(text)
            print(f"wrote {notebook.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
