"""A private workbench: all parts on free ports while a `with` block runs, in a home that is deleted after it.

Design section 1. For verbs that need a workbench when no `up` runs, and for whoever wants to change the service's
settings without touching a running one. Whatever the person configured, it is the workbench profile against the
simulator, with a Valkey of its own, and it tells nobody but its own collector. Read `supervisor.py` next.
"""

import argparse
import atexit
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from door import home as homes
from door import parts, plan, ports, processes, running, state
from door.errors import DoorError, UsageError
from door.part import Part, PartFailed, Running
from door.supervisor import Supervisor
from door.temporary import temporary_home

NOTHING: Mapping[str, str] = MappingProxyType({})
FOREIGN = ("GAUNTLET_", "OTEL_", "LANGFUSE_", "ANTHROPIC_", "OPENAI_", "PAYMENTS_", "REDIS_URL", "CAPTURE_CONTENT")
"""How a person's settings and keys begin. The service reads settings whatever their case."""
CONFIG = "workbench.toml"
"""A file without settings, in place of the `gauntlet.toml` that the parts would find where they run."""
STARTS = 3
"""Between the choice of a free port and its use somebody else may take it; then others are chosen."""


class Workbench(running.Lab):
    """A private workbench; `plan` says what it runs."""

    def __init__(self, chosen: plan.Plan, its_parts: Sequence[Part], environ: Mapping[str, str]) -> None:
        super().__init__(chosen.home, chosen.urls())
        self.plan = chosen
        self._state = state.UpState(processes.name_of(running.WORKBENCH, os.getpid()), urls=self.urls)
        self._closing, self._settled = threading.Event(), threading.Event()
        self._failure: DoorError | None = None
        self._supervisor = Supervisor(
            its_parts, chosen.home / homes.LOGS, self._closing.is_set, self._changed, environ=environ
        )
        # One thread starts, watches and ends the parts: the kernel ends a part with the thread that started it.
        self._thread = threading.Thread(target=self._live, name="workbench", daemon=True)

    @property
    def failure(self) -> DoorError | None:
        """The part that ended for good, and why; the others run on until the block ends. None while all is well."""
        return self._failure

    def start(self) -> None:
        """Return when all parts are ready. Raises PartFailed, with all of them ended."""
        atexit.register(self.end)  # for a block that is never left, as in a notebook
        self._thread.start()
        try:
            self._settled.wait()
        except BaseException:
            self.end()
            raise
        if self._failure is not None:
            self.end()
            raise self._failure

    def end(self) -> None:
        """End every process. Ctrl-C meanwhile is obeyed when they have ended, which their `stop_s` bounds."""
        self._closing.set()
        interrupt: KeyboardInterrupt | None = None
        while self._thread.is_alive():
            try:
                self._thread.join()
            except KeyboardInterrupt as impatient:
                interrupt = impatient
        atexit.unregister(self.end)
        if interrupt is not None:
            raise interrupt

    def _live(self) -> None:
        try:
            if self._supervisor.start():
                self._state = replace(self._state, ready=True)
                state.write(self.home, self._state)
                self._settled.set()
                self._supervisor.watch()
        except DoorError as failure:
            self._failure = failure
        except Exception as error:  # noqa: BLE001 - in a thread nobody would hear of it
            self._failure = DoorError(f"nobody watches the workbench any more: {error!r}")
        finally:
            self._settled.set()
            self._closing.wait()
            self._supervisor.stop()
            state.clear(self.home)

    def _changed(self, part: Running) -> None:
        others = (other for other in self._state.parts if other.name != part.name.name)
        self._state = replace(self._state, parts=(*others, part.name))
        state.write(self.home, self._state)


@contextmanager
def workbench(
    environ: Mapping[str, str] | None = None,
    *,
    dashboard: bool = False,
    workers: int = plan.DEFAULT_WORKERS,
    service_env: Mapping[str, str] = NOTHING,
    home: Path | None = None,
) -> Iterator[Workbench]:
    """Start all parts (the dashboard if asked for); end every process when the block is left, however it is left.

    `environ` is the person's environment (None: ours). No setting in it counts but GAUNTLET_HOME, for the runs that a
    dashboard shows and records. `service_env` is added to the environment of the service and of its worker. State is in
    `home`, or in a folder that is deleted at the end. Raises PartFailed when a part does not start, UsageError for a
    setting that cannot be used, DoorError when `home` cannot be (AlreadyUp when another process has its state there).
    """
    environ = os.environ if environ is None else environ
    with ExitStack() as undone:
        folder = undone.enter_context(temporary_home() if home is None else _held(home.absolute()))
        lab = _started(environ, folder, dashboard, workers, service_env)
        undone.callback(lab.end)
        yield lab


@contextmanager
def _held(folder: Path) -> Iterator[Path]:
    with homes.hold(folder):
        running.refuse_leftovers(folder)
        yield folder


def private(environ: Mapping[str, str]) -> dict[str, str]:
    """What the parts see of a person's environment: no setting, no key, and no proxy, since all is on loopback."""
    return {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith(FOREIGN) and not name.upper().endswith("_PROXY")
    }


def _started(
    environ: Mapping[str, str], folder: Path, dashboard: bool, workers: int, service_env: Mapping[str, str]
) -> Workbench:
    for left in reversed(range(STARTS)):
        chosen = _planned(folder, dashboard, workers)
        lab = Workbench(chosen, _parts(chosen, environ, service_env), private(environ))
        try:
            lab.start()
        except PartFailed:
            held_by_others = any(map(ports.is_held, chosen.ports.values()))  # ours have ended
            if not (left and held_by_others):
                raise
        else:
            return lab
    raise AssertionError


def _planned(folder: Path, dashboard: bool, workers: int) -> plan.Plan:
    (folder / CONFIG).touch()
    flags = argparse.Namespace(profile="workbench", workers=workers, **{f"{port.name}_port": 0 for port in ports.TABLE})
    chosen = plan.make(flags, {"GAUNTLET_HOME": str(folder), "GAUNTLET_CONFIG": str(folder / CONFIG)})
    numbers = dict(chosen.ports)
    if not dashboard:
        del numbers["dashboard"]
    return replace(chosen, ports=numbers)


def _parts(chosen: plan.Plan, environ: Mapping[str, str], service_env: Mapping[str, str]) -> list[Part]:
    fixed = {"GAUNTLET_REDIS_URL", *parts.service_environment(chosen)} - {"GAUNTLET_CONFIG"}
    if named := sorted(fixed.intersection(name.upper() for name in service_env)):
        raise UsageError(f"{', '.join(named)} cannot be set for a private workbench, which has parts of its own")
    more = {
        "service": service_env,
        "worker": service_env,
        "dashboard": {"GAUNTLET_RUNS": str(homes.find(environ) / homes.RUNS)},
    }
    its_own = {"GAUNTLET_CONFIG": str(chosen.config), **service_env}
    return [replace(part, env={**part.env, **more.get(part.name, {})}) for part in parts.all_parts(chosen, its_own)]
