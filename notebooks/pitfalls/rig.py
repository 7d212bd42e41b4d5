"""The processes of one run: for each form its applications, a simulator of its own, and a Valkey where it keeps state.

Each side has its own provider, so both can run at the same time and nothing of one shows in the other's ledger. The
kernel ends a process with the thread that started it (`door/part.py`), so one thread starts, restarts and ends them.
Every port is chosen by the system when it is bound, so none can be in use. Read `simulator.py` next: faults and ledger.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from door import ports, valkey
from door.part import Part, Running
from door.parts import VALKEY_READY
from door.temporary import temporary_home
from door.workbench import private
from notebooks.pitfalls.catalogue import Form, Pitfall

SERVING = re.compile(rb"Uvicorn running on (http://\S+)")
POLL_S = 0.02
API_KEY = "no-key-needed"  # the simulator takes any
HOUSES = ("control", "anthropic", "openai", "payments", "retrieval", "webhooks")


class App:
    """One replica of a form; started again it has another port."""

    def __init__(self, part: Part, logs: Path, environ: Mapping[str, str]) -> None:
        self._part, self._logs, self._environ = part, logs, environ
        self.running = Running(part, logs, environ)

    @property
    def url(self) -> str:
        """Where it serves; of a process that is ready."""
        found = SERVING.search(self.running.log.read_bytes())
        assert found is not None  # noqa: S101 - that line made it ready
        return found[1].decode()

    @property
    def is_ready(self) -> bool:
        """Whether it serves. Raises PartFailed when it ended by itself."""
        self.running.check()
        return self.running.ready_after_s is not None

    async def serving(self) -> None:
        """Return when it is ready. Raises PartFailed when it ended by itself."""
        while not self.is_ready:  # noqa: ASYNC110 - it tells by its log
            await asyncio.sleep(POLL_S)

    def begin(self) -> None:
        """Start it again, after `end`."""
        self.running = Running(self._part, self._logs, self._environ)

    def end(self) -> None:
        """End it, whatever it is doing."""
        self.running.end()


class Side:
    """One form with all that runs for it."""

    def __init__(self, form: Form, apps: Sequence[App], simulator: Mapping[str, str]) -> None:
        self.form = form
        self.apps = tuple(apps)
        self.simulator_url = simulator["control"]

    @property
    def name(self) -> str:
        """Its form's."""
        return self.form.name

    def check(self) -> None:
        """Raise PartFailed when one of its applications ended by itself."""
        for app in self.apps:
            app.running.check()


@contextmanager
def rig(pitfall: Pitfall, more: Mapping[str, str], stopped: Callable[[], bool]) -> Iterator[list[Side]]:
    """All sides of a pitfall, serving, while the block runs; `more` are variables for the applications.

    Raises PartFailed when a process does not start, KeyboardInterrupt when `stopped` says so meanwhile.
    """
    environ = private(os.environ)
    with ExitStack() as ends:
        folder = ends.enter_context(temporary_home())

        def starts(part: Part, form: Form) -> Running:
            running = Running(part, folder / form.name, environ)
            ends.callback(running.end)
            return running

        simulators = {form.name: starts(_simulator(form), form) for form in pitfall.forms}
        stores = [starts(_store(form, folder), form) for form in pitfall.forms if form.store]
        _wait(lambda: all(map(_is_ready, [*simulators.values(), *stores])), stopped)
        sides = []
        for form in pitfall.forms:
            urls = _urls(simulators[form.name])
            variables = {**_variables(urls), "REDIS_URL": f"unix://{_socket(form, folder)}", **more}
            own = []
            for number in range(form.replicas):
                own.append(App(_application(pitfall, form, number, variables), folder / form.name, environ))
                ends.callback(own[-1].end)
            sides.append(Side(form, own, urls))
        _wait(lambda: all(app.is_ready for side in sides for app in side.apps), stopped)
        yield sides


def _application(pitfall: Pitfall, form: Form, number: int, variables: Mapping[str, str]) -> Part:
    where = ("--app-dir", str(pitfall.folder), "--host", ports.LOOPBACK, "--port", "0", "--no-access-log")
    argv = (sys.executable, "-m", "uvicorn", f"{form.name}:app", *where)
    # It may be blocked for as long as it likes, and holds nothing that it would have to write.
    return Part(f"{form.name}-{number + 1}", argv, variables, ready=SERVING, stop_s=0)


def _simulator(form: Form) -> Part:
    flags = [word for house in HOUSES for word in (f"--{house}-port", "0")]
    return Part(f"{form.name}-simulator", (sys.executable, "-m", "loadtests.simulator", *flags), stop_s=1)


def _store(form: Form, folder: Path) -> Part:
    home = folder / form.name / "valkey"
    home.mkdir(parents=True, exist_ok=True)
    argv = (*valkey.command(0, home), "--unixsocket", str(_socket(form, folder)))
    return Part(f"{form.name}-valkey", argv, ready=VALKEY_READY, stop_s=2)


def _socket(form: Form, folder: Path) -> Path:
    return folder / form.name / "valkey.sock"


def _urls(simulator: Running) -> dict[str, str]:
    """Of each of its listeners, from the line with which it says that it is ready."""
    lines = simulator.log.read_text().splitlines()
    numbers = next(json.loads(line)["ports"] for line in lines if line.startswith('{"ready"'))
    return {house: f"http://{ports.LOOPBACK}:{number}" for house, number in numbers.items()}


def _variables(urls: Mapping[str, str]) -> dict[str, str]:
    """What the SDKs read by themselves."""
    return {
        "ANTHROPIC_BASE_URL": urls["anthropic"],
        "ANTHROPIC_API_KEY": API_KEY,
        "OPENAI_BASE_URL": urls["openai"] + "/v1",
        "OPENAI_API_KEY": API_KEY,
    }


def _is_ready(running: Running) -> bool:
    running.check()
    return running.ready_after_s is not None


def _wait(ready: Callable[[], bool], stopped: Callable[[], bool]) -> None:
    while not ready():
        if stopped():
            raise KeyboardInterrupt
        time.sleep(POLL_S)
