"""A Valkey server for tests, the real one, as the workbench starts it. Read `stack.py` next: the rest."""

import signal
import socket
import subprocess
from pathlib import Path

from door import valkey
from door.errors import DoorError

from .waiting import wait_for


class Valkey:
    """A Valkey server on a port of its own that can be killed, stopped and brought back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start the server, as the workbench does, and wait until it answers."""
        data = self._folder / "valkey"
        data.mkdir(exist_ok=True)
        with (self._folder / "valkey.log").open("ab") as log:
            self._popen = subprocess.Popen(valkey.command(self.port, data), stdout=log, stderr=log)
        wait_for(self._answers, "Valkey")

    def _answers(self) -> bool:
        try:
            valkey.ping(self.url)
        except DoorError:
            return False
        return True

    @property
    def pid(self) -> int:
        """Of the server that runs now."""
        return self._popen.pid

    def kill(self) -> None:
        """kill -9."""
        self._popen.kill()
        self._popen.wait()

    def stop(self) -> None:
        """SIGSTOP: it hangs."""
        self._popen.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._popen.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End it for good."""
        self.go_on()
        self._popen.terminate()
        self._popen.wait(15)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
