"""What Colab's first cell runs: all packages for the stack, a few for the kernel. Read `pairing.py` for the cell.

Colab's kernel comes with hundreds of packages of other versions, some of them already imported, so as little as can be
is touched. The stack runs in a venv of its own, exactly as locked, which `GAUNTLET_PYTHON` names to the door; the
kernel speaks HTTP to it, and gets only what `[tool.gauntlet] kernel` lists. Some of that Colab may have in another
version (openai, httpx, tenacity, duckdb): it is replaced before a notebook imports it, and where something of Colab's
own has imported it before, the old version stays until the kernel starts again. Colab's Python makes no venvs; uv does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
INSTALLED = VENV / ".installed"


def install() -> None:
    """Do it once; a second time only say again where things are. Raises CalledProcessError when a step fails."""
    if not INSTALLED.exists():
        uv = [sys.executable, "-m", "uv", "--quiet"]
        _run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
        _run(*uv, "venv", "--clear", str(VENV))
        into = ["pip", "install", "--python", str(PYTHON)]
        _run(*uv, *into, "--require-hashes", "-r", "requirements.lock")
        _run(*uv, *into, "--no-deps", "--no-build-isolation", "-e", ".")
        _run(*uv, "pip", "install", "--python", sys.executable, *for_the_kernel())
        INSTALLED.write_text(f"{ROOT}\n")
    os.environ["GAUNTLET_PYTHON"] = str(PYTHON)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))


def for_the_kernel() -> list[str]:
    """`name==version` of each package that notebooks import and Colab lacks or has in any version, as locked."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["gauntlet"]["kernel"]
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    return [f"{name}=={locked[name]}" for name in wanted]


def _run(*command: str) -> None:
    print("+", " ".join(command[:6]), "…" if command[6:] else "")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own lines
    if done.returncode:  # printed by us: a notebook shows its kernel's words, not always its children's
        print(done.stdout, done.stderr, sep="\n")
    done.check_returncode()


if __name__ == "__main__":
    install()
