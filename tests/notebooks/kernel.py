"""A notebook in a kernel of this very Python, in the environment of somebody who configured nothing.

`python -m tests.notebooks.kernel IN OUT` runs one as it is and writes it with its outputs; a process of its own, since
the client of a kernel leaves sockets and an event loop to whoever calls it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from door.home import ROOT

MARK = "NOTEBOOK_OF_A_TEST"
"""A variable that every process of a kernel inherits, so that those are found which outlive it."""
FOREIGN = ("GAUNTLET_", "REDIS_URL", "OTEL_", "ANTHROPIC_", "OPENAI_", "PYTEST", "COV_")
CELL_S = 200
ENDS_WITHIN_S = 60.0
BOUND_S = 280.0


class ThisPython(KernelSpecManager):
    """Whatever kernels the machine has: ours runs on the Python that runs the tests."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The one there is."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


class Kernels(AsyncKernelManager):
    """Kernels that are given time to end by themselves."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given, kernel_spec_manager=ThisPython())
        self.shutdown_wait_time = ENDS_WITHIN_S


class Reader:
    """Somebody who opens a notebook in its folder and runs all of it; `folder` is for what that leaves behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        clean = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
        own = {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "IPYTHONDIR": str(folder / "ipython"), MARK: self.mark}
        self.environment = {**clean, **own}

    def runs(self, notebook: Path) -> nbformat.NotebookNode:
        """The notebook with its outputs. Fails with the traceback of the cell that raised."""
        out = self.folder / "executed.ipynb"
        done = self.python("-m", "tests.notebooks.kernel", str(notebook), str(out))
        assert done.returncode == 0, done.stderr[-4000:]
        return read(out)

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What this Python did, in the checkout."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )

    def processes(self) -> dict[int, str]:
        """pid -> name of every process that was started from here and lives."""
        return {process.pid: process.name() for process in psutil.process_iter() if self._is_ours(process)}

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark
        except psutil.Error:
            return False


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook from its file."""
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def main(source: str, out: str) -> None:
    """Run a notebook where it stands, and write it with its outputs."""
    notebook = read(Path(source))
    where = {"metadata": {"path": str(Path(source).parent)}}
    NotebookClient(notebook, kernel_manager_class=Kernels, timeout=CELL_S, resources=where).execute()
    nbformat.write(notebook, out)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(*sys.argv[1:])
