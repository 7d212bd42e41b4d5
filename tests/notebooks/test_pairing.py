"""Each notebook is made of the source beside it; a repository gives it a badge, and a cell that installs it there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from door.home import ROOT
from notebooks import colab, pairing
from notebooks.pairing import Repository
from tests.notebooks.kernel import read

URL = "https://github.com/owner/gauntlet"


@pytest.mark.parametrize("source", pairing.sources(), ids=lambda source: source.stem)
def test_the_notebook_beside_a_source_is_the_one_that_make_notebooks_writes(source: Path) -> None:
    assert source.with_suffix(".ipynb").read_text() == pairing.made_of(source, pairing.repository())


def test_every_notebook_has_a_source() -> None:
    run = set(pairing.HERE.glob("*_run.ipynb"))  # what a reader made (README.md), and git ignores
    notebooks = {path.with_suffix(".py") for path in set(pairing.HERE.glob("*.ipynb")) - run}
    assert notebooks == set(pairing.sources())


def test_cells_have_fixed_ids_and_no_outputs(tmp_path: Path) -> None:
    source = _source(tmp_path)
    made = _cells(source, Repository(""))
    assert [cell.id for cell in made] == ["07-made-up-00", "07-made-up-01", "07-made-up-02"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in made)
    assert not any(cell.metadata for cell in made)


def test_a_repository_gives_a_badge_that_opens_this_notebook_on_its_branch(tmp_path: Path) -> None:
    first = _cells(_source(tmp_path), Repository(URL + ".git", "stable"))[0].source
    link = "https://colab.research.google.com/github/owner/gauntlet/blob/stable/notebooks/07_made_up.ipynb"
    assert first.startswith(f"[![Open in Colab]({pairing.BADGE})]({link})\n\n# Made up")


def test_without_a_repository_there_is_no_badge_and_colab_is_told_why(tmp_path: Path) -> None:
    first, code, _ = _cells(_source(tmp_path), Repository(""))
    assert first.source == "# Made up"
    assert _run(code.source, tmp_path, in_colab=False).stdout == "imported\n"
    told = _run(code.source, tmp_path, in_colab=True)
    assert told.returncode != 0
    assert "does not know its repository: name it in pyproject.toml" in told.stderr
    assert told.stdout == ""


@pytest.mark.parametrize("url", ["https://gitlab.com/a/b", "git@github.com:a/b", "https://github.com/a", "x; rm -rf"])
def test_a_repository_that_colab_cannot_open_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="it looks like https:"):
        Repository(url)


@pytest.mark.parametrize("branch", ["", "main; rm -rf .", "--upload-pack=x", "$(id)", "a b"])
def test_a_branch_that_a_shell_would_read_otherwise_is_refused(branch: str) -> None:
    with pytest.raises(ValueError, match="branch is"):
        Repository(URL, branch)
    assert Repository(URL, "feature/v1.2-rc_3").branch in Repository(URL, "feature/v1.2-rc_3").install()


def test_pyproject_is_the_one_place(tmp_path: Path) -> None:
    told = tmp_path / "pyproject.toml"
    told.write_text(f'[tool.gauntlet]\nrepository = "{URL}"\nbranch = "stable"\n')
    assert pairing.repository(told) == Repository(URL, "stable")


def test_a_notebook_begins_with_words(tmp_path: Path) -> None:
    source = tmp_path / "08_bare.py"
    source.write_text("# %%\nprint()\n")
    with pytest.raises(ValueError, match="begins with a cell of words"):
        pairing.made_of(source, Repository(""))


def test_in_colab_and_there_alone_the_first_cell_clones_and_installs(tmp_path: Path) -> None:
    code = _cells(_source(tmp_path), Repository(URL))[1].source.replace("/content", str(tmp_path))
    assert _run(code, tmp_path, in_colab=False).stdout == "imported\n"
    there = _repository_at(tmp_path / "there")
    for _ in range(2):  # run again, it clones nothing
        done = _run(code, tmp_path, in_colab=True, instead=there)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "installed\nimported\n"


def test_the_kernel_gains_what_the_lock_says_and_the_stack_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(colab, "_run", lambda *command: asked.append(command))
    monkeypatch.setattr(colab, "INSTALLED", tmp_path / ".installed")
    monkeypatch.setenv("GAUNTLET_PYTHON", "")
    colab.install()
    words = [" ".join(command) for command in asked]
    assert any("--require-hashes -r requirements.lock" in line and str(colab.PYTHON) in line for line in words)
    kernel = next(command for command in asked if command[-1].startswith(colab.for_the_kernel()[-1]))
    assert kernel[kernel.index("--python") + 1] == sys.executable
    assert [word for word in kernel if word.startswith("redis==")]
    assert os.environ["GAUNTLET_PYTHON"] == str(colab.PYTHON)
    asked.clear()
    colab.install()
    assert asked == []


def test_a_step_that_fails_says_why_where_the_notebook_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        colab._run(sys.executable, "-c", "raise SystemExit('no room left')")
    assert "no room left" in capsys.readouterr().out


COLAB_HAS = {
    *("altair", "pandas", "pyarrow", "numpy", "psutil", "rich", "python-dateutil", "six", "typing-extensions"),
    *("jsonschema", "jsonschema-specifications", "referencing", "rpds-py", "attrs", "narwhals", "jinja2", "markupsafe"),
    *("packaging", "pygments", "markdown-it-py", "mdurl", "pytz", "tzdata"),
}
LIKE_COLAB = """
import sys
from importlib.metadata import packages_distributions

imports, allowed = sys.argv[1], set(sys.argv[2:])
homes = {name: {one.lower().replace("_", "-") for one in found} for name, found in packages_distributions().items()}
lacks = {name for name, found in homes.items() if not allowed & found}

class Lacks:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in lacks:
            raise ModuleNotFoundError(f"Colab has no {name}", name=name)

sys.meta_path.insert(0, Lacks())
try:
    import fastapi
except ModuleNotFoundError:
    import door.lab, door.telemetry, door.valkey
    exec(imports)
    door.valkey.program()
    print("all there")
"""


def test_a_kernel_in_colab_has_all_that_a_lab_and_the_notebooks_import() -> None:
    lines = {line for source in pairing.sources() for line in _imports(source)}
    assert {"import pandas as pd", "import httpx2", "from gauntlet import workbench"} <= lines
    gained = _with_what_they_need(line.split("==")[0] for line in colab.for_the_kernel())
    command = [sys.executable, "-c", LIKE_COLAB, "\n".join(sorted(lines)), "gauntlet", *COLAB_HAS, *gained]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "all there\n", done.stderr


def _with_what_they_need(names: Iterable[str]) -> set[str]:
    """These packages and all that an installer brings with them."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in seen:
            seen.add(name)
            needed = map(Requirement, requires(name) or ())
            waiting += [one.name for one in needed if not one.marker or one.marker.evaluate({"extra": ""})]
    return seen


def _imports(source: Path) -> list[str]:
    """The imports at the top level of a notebook's source, a line each."""
    body = ast.parse(source.read_text()).body
    return [ast.unparse(line) for line in body if isinstance(line, ast.Import | ast.ImportFrom)]


def _source(folder: Path) -> Path:
    source = folder / "07_made_up.py"
    source.write_text('# %% [markdown]\n# # Made up\n\n# %%\nprint("imported")\n\n# %%\nprint("more")\n')
    return source


def _cells(source: Path, where: Repository) -> list[Any]:
    notebook = source.with_suffix(".ipynb")
    notebook.write_text(pairing.made_of(source, where))
    return list(read(notebook).cells)


def _repository_at(folder: Path) -> Path:
    """What stands behind the URL: a repository whose installer says that it ran."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "colab.py").write_text('print("installed")\n')
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True, timeout=30)
    return folder


def _run(code: str, folder: Path, *, in_colab: bool, instead: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The cell in a fresh Python; a clone of URL gets what is at `instead`."""
    fake = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')\n" if in_colab else ""
    git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.file://{instead}.insteadOf", "GIT_CONFIG_VALUE_0": URL}
    return subprocess.run(
        [sys.executable, "-u", "-c", fake + code],
        cwd=folder,
        env={**os.environ, **git},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
