"""The port table, and which number each port has in one run: flag, then environment variable, then default.

Design section 5 (ports). Read `holders.py` next: who holds a port that we want.
"""

import random
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from door.errors import UsageError

LOOPBACK = "127.0.0.1"

FREE_RANGE = range(20_000, 32_000)
"""Port 0 picks from here: below the range from which Linux (32768) and macOS (49152) number outgoing connections,
so that no client takes the port between our choice and the part's bind."""


@dataclass(frozen=True)
class Port:
    """One row of the table: `part` is the process that listens on it."""

    name: str
    part: str
    default: int
    what: str

    @property
    def variable(self) -> str:
        """The environment variable that moves the port."""
        return f"GAUNTLET_{self.name.upper()}_PORT"

    @property
    def flag(self) -> str:
        """The flag of `gauntlet up` that moves the port."""
        return "--port" if self.name == "service" else f"--{self.name}-port"


TABLE = (
    Port("service", "service", 8000, "the chat service"),
    Port("simulator", "simulator", 8100, "the simulator's control API"),
    Port("anthropic", "simulator", 8101, "the provider with Anthropic's wire format"),
    Port("openai", "simulator", 8102, "the provider with OpenAI's wire format"),
    Port("payments", "simulator", 8103, "the payments provider"),
    Port("retrieval", "simulator", 8104, "embeddings and rerank"),
    Port("webhooks", "simulator", 8105, "the receiver of webhooks"),
    Port("collector", "collector", 4318, "the collector: OTLP in, SQL out"),
    Port("dashboard", "dashboard", 8501, "the dashboard"),
    Port("valkey", "valkey", 6390, "state: Valkey (Redis protocol)"),
)


def resolve(flags: Mapping[str, int | None], environ: Mapping[str, str]) -> dict[str, int]:
    """Port name -> number, free ones chosen for 0. Raises UsageError for what is no port or given twice."""
    numbers: dict[str, int] = {}
    for port in TABLE:
        given = flags.get(port.name)
        if given is None:
            numbers[port.name] = _number(port.variable, environ.get(port.variable) or str(port.default))
        else:
            numbers[port.name] = _number(port.flag, str(given))
    taken = {number for number in numbers.values() if number}
    for name, number in numbers.items():
        if number == 0:
            numbers[name] = free_port(taken)
            taken.add(numbers[name])
        elif list(numbers.values()).count(number) > 1:
            others = " and ".join(other for other in numbers if numbers[other] == number)
            raise UsageError(f"port {number} is wanted by {others}; give each its own")
    return numbers


def is_held(number: int) -> bool:
    """Whether something listens on the loopback port, or a bind to it fails."""
    with socket.socket() as client:
        if client.connect_ex((LOOPBACK, number)) == 0:  # macOS lets one bind beside a listener on 0.0.0.0
            return True
    return not _can_bind(number)


def _number(source: str, given: str) -> int:
    if given.isascii() and given.isdigit() and int(given) <= 65_535:
        return int(given)
    raise UsageError(f"{source} is {given!r}; a port is a number from 0 (any free one) to 65535")


def free_port(taken: Iterable[int]) -> int:
    """A port that nothing listens on and that is not in `taken`. Raises UsageError when none is found."""
    for number in random.sample(FREE_RANGE, 200):
        if number not in taken and not is_held(number):
            return number
    raise UsageError(f"no free port found between {FREE_RANGE.start} and {FREE_RANGE.stop}; name one")


def _can_bind(number: int) -> bool:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((LOOPBACK, number))
        except OSError:
            return False
    return True
