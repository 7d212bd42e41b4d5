"""The chapter's PoC as a process, in the service's place. Read `loadtests/poc/__init__.py` next: what it is."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from door.errors import DoorError
from door.home import ROOT

END_WITHIN_S = 10.0


@contextmanager
def serving(upstream: str, logs: Path, *, payments: str) -> Iterator[str]:
    """Its URL, while the block runs; it calls `upstream` and `payments`. Raises DoorError when it does not start."""
    command = [sys.executable, "-m", "loadtests.poc", "sync", "--upstream", upstream, "--payments", payments]
    command += ["--port", "0"]
    with (logs / "poc.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        line = process.stdout.readline()
        if not line:
            raise DoorError(f"the PoC ended before it was ready; see {logs / 'poc.log'}")
        yield str(json.loads(line)["url"])
    finally:
        process.terminate()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
