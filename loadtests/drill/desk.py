"""The player's desk: each line that was typed, acted on, noted with its time, and answered.

Read `coach.py` next: what practice answers.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from loadtests.books.errors import CannotJudge
from loadtests.conduct.progress import Progress
from loadtests.drill.coach import Coach
from loadtests.drill.commands import HELP, Command, NotUnderstood, parse
from loadtests.drill.kinds import KINDS
from loadtests.drill.moves import Diagnosis, Moves
from loadtests.drill.operator import Operator


class Screen(Protocol):
    """Where the player reads and types."""

    def lines(self) -> Sequence[str]:
        """What was typed since the last time, line by line; never waits."""

    def tell(self, words: str) -> None:
        """The answer to a line."""

    def coach(self, words: str) -> None:
        """What practice has to say."""

    def clock(self, at_s: float, lasts_s: float) -> None:
        """The time, each second."""

    def over(self, words: str) -> None:
        """Nothing is read any more."""


class Desk:
    """What the player may do, and did. `route`: what the load asks for by now; `ended`: when the player was done."""

    def __init__(self, operator: Operator, screen: Screen, coach: Coach | None, route: str | None) -> None:
        self._operator = operator
        self._screen = screen
        self.coach = coach
        self.route = route
        self.moves = Moves()
        self.progress: Progress | None = None
        self.began = 0.0
        self.ended: float | None = None

    def at_s(self) -> float:
        """Seconds after the beginning."""
        return time.time() - self.began

    def typed(self, line: str) -> None:
        """Act on a line, and answer it."""
        try:
            command = parse(line)
            if command is not None:
                self._act(command, " ".join(line.split()))
        except (NotUnderstood, CannotJudge) as error:
            self._screen.tell(str(error))

    def _act(self, command: Command, words: str) -> None:
        acts: dict[str, Callable[[Command, str], str]] = {
            "alarm": self._alarm,
            "diagnose": self._diagnose,
            "stage": self._stage,
            "route": self._turn,
            "close": self._close,
            "done": self._end,
            "hint": self._hint,
            "status": lambda *_: self._status(),
            "stages": lambda *_: ", ".join(f"{name} {'on' if on else 'off'}" for name, on in self._stages().items()),
            "routes": lambda *_: ", ".join(self._operator.routes()),
            "faults": lambda *_: "\n".join(f"{name:<17} {meaning}" for name, meaning in KINDS.items()),
            "help": lambda *_: HELP,
        }
        if said := acts[command.word](command, words):
            self._screen.tell(said)

    def _alarm(self, command: Command, words: str) -> str:
        self.moves.add(time.time(), "alarm", words)
        self.teach(lambda coach: coach.alarmed(self.at_s()))
        return "noted" if self.coach is None else ""

    def _diagnose(self, command: Command, words: str) -> str:
        now = time.time()
        began = None if command.ago_s is None else now - command.ago_s
        said = Diagnosis(now, command.name, command.kind, began)
        self.moves.add(now, "diagnose", words)
        self.moves.diagnoses.append(said)
        self.teach(lambda coach: coach.diagnosed(said, self.at_s()))
        return "" if self.coach else "noted; the last one counts, and each before it costs points"

    def _stage(self, command: Command, words: str) -> str:
        if command.name not in (stages := self._stages()):
            raise NotUnderstood(f"no stage is named {command.name}; there are {', '.join(stages)}")
        self._operator.switch({command.name: command.on})
        self.moves.add(time.time(), "act", words)
        was = "was so already" if stages[command.name] == command.on else "for the whole fleet"
        return f"{command.name} is {'on' if command.on else 'off'}, {was}"

    def _turn(self, command: Command, words: str) -> str:
        if command.name not in (routes := self._operator.routes()):
            raise NotUnderstood(f"no route is named {command.name}; there are {', '.join(routes)}")
        self.route = command.name
        self.moves.add(time.time(), "act", words)
        return f"the load asks for {command.name} from now on"

    def _close(self, command: Command, words: str) -> str:
        self._operator.close_circuits()
        self.moves.add(time.time(), "act", words)
        return "all circuits are closed"

    def _end(self, command: Command, words: str) -> str:
        self.ended = time.time()
        self.moves.add(self.ended, "end", words)
        return "the drill ends; the last answers are coming in …"

    def _hint(self, command: Command, words: str) -> str:
        self.teach(lambda coach: coach.hint(self.at_s()))
        return "" if self.coach else "hints are given in practice only (--practice)"

    def _status(self) -> str:
        seen = self.progress
        if seen is None or seen.success_share is None or seen.p95_ms is None:
            return "nothing has been answered yet"
        return (
            f"the last 5 s: {seen.rate_per_s:.1f} requests/s, {seen.success_share * 100:.0f} % answered, "
            f"p95 {seen.p95_ms:,.0f} ms, {seen.in_flight} in flight"
        )

    def _stages(self) -> dict[str, bool]:
        return self._operator.stages()

    def teach(self, say: Callable[[Coach], str | None]) -> None:
        """In practice, what the coach has to say."""
        if self.coach is not None and (words := say(self.coach)):
            self._screen.coach(words)
