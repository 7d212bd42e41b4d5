"""How a run is told while it goes: a live line for people, or a JSON line per second for programs.

The lines are what the dashboard's sidebar reads. Read `load.py` next.
"""

import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from loadtests.books.run import Run
from loadtests.conduct import Finished
from loadtests.conduct.progress import Progress
from loadtests.scenario import Scenario
from loadtests.verdict import show
from loadtests.verdict.keeping import Kept

EVERY_LINES = 10
"""Where it is no terminal, a line of so many is printed."""

SCALES = (0.1, 10.0)


class Telling(Protocol):
    """Whoever is told of a run."""

    def say(self, words: str) -> None:
        """Something that a person should know."""

    def started(self, run: Run, scenario: Scenario, seed: int) -> None:
        """The load begins."""

    def progress(self, progress: Progress) -> None:
        """Each second."""

    def judging(self) -> None:
        """It has ended; the books are being compared."""

    def finished(self, finished: Finished, kept: Kept) -> None:
        """The verdict."""

    def refused(self, reason: str) -> None:
        """It did not begin, or could not be judged at all."""

    def steering(self) -> float | None:
        """What the rate is to be multiplied by; None: stop."""


class Terminal:
    """For people. `narrates`: the scenario's own words are said when a phase begins."""

    def __init__(self, console: Console, *, narrates: bool = False) -> None:
        self._console = console
        self._narrates = narrates
        self._live: Live | None = None
        self._lasts_s, self._lines = 0.0, 0
        self._scenario: Scenario | None = None
        self._phase = ""

    def say(self, words: str) -> None:
        """Something that a person should know."""
        self._console.print(Text(words, style="dim"))

    def heading(self, words: str) -> None:
        """The next of several runs."""
        self._console.print()
        self._console.print(Text(words, style="bold"))

    def started(self, run: Run, scenario: Scenario, seed: int) -> None:
        """The load begins."""
        self._console.print(Text(scenario.title, style="bold"))
        self._console.print(Text(" ".join(scenario.about.split())), soft_wrap=False)
        self.began(run, scenario, seed)

    def began(self, run: Run, scenario: Scenario, seed: int) -> None:
        """The same without the scenario's words."""
        self._scenario, self._lasts_s = scenario, scenario.lasts_s
        self._console.print(Text(f"run {run.id}, seed {seed}, {scenario.lasts_s:.0f} s", style="dim"))
        if self._console.is_terminal:
            self._live = Live(Text(""), console=self._console, refresh_per_second=4, transient=True)
            self._live.start()

    def progress(self, progress: Progress) -> None:
        """Each second."""
        if self._narrates and progress.phase != self._phase:
            self._narrate(progress.phase)
        self._phase = progress.phase
        line = _line(progress, self._lasts_s)
        if self._live is not None:
            self._live.update(line)
        elif self._lines % EVERY_LINES == 0:
            self._console.print(line, soft_wrap=True)
        self._lines += 1

    def judging(self) -> None:
        """It has ended; the books are being compared."""
        self._end_line()
        self.say("all answers are in; the books are being compared …")

    def finished(self, finished: Finished, kept: Kept) -> None:
        """The verdict."""
        self._end_line()
        show.show(finished.verdict, finished.evidence.generator, self._console)
        for note in kept.notes:
            self._console.print(Text(f"note: {note}", style="yellow"))
        if kept.report is not None:
            self._console.print(Text(f"report: {kept.report}", style="dim"), soft_wrap=True)

    def refused(self, reason: str) -> None:
        """It did not begin, or could not be judged at all."""
        self._end_line()
        print(reason, file=sys.stderr)

    def steering(self) -> float | None:
        """What the rate is to be multiplied by; None: stop."""
        return 1.0

    def _narrate(self, name: str) -> None:
        said = next((phase.say for phase in self._scenario.phase if phase.name == name), "") if self._scenario else ""
        if said:
            console = self._live.console if self._live else self._console
            console.print()
            console.print(Text(said, style="bold cyan"))

    def _end_line(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


class Lines:
    """For programs: JSON lines on standard output, and `scale 1.5` or `stop` on standard input."""

    def __init__(self) -> None:
        self._scale: float | None = 1.0
        threading.Thread(target=self._listen, name="steering", daemon=True).start()

    def say(self, words: str) -> None:
        """Something that a person should know."""
        print(words, file=sys.stderr, flush=True)

    def started(self, run: Run, scenario: Scenario, seed: int) -> None:
        """The load begins."""
        phases, begun_s = [], 0.0
        for phase in scenario.phase:
            phases.append({"name": phase.name, "at_s": begun_s, "for_s": phase.for_s})
            begun_s += phase.for_s
        about = {"run": run.id, "scenario": scenario.name, "title": scenario.title, "seed": seed}
        self._print("started", {**about, "lasts_s": scenario.lasts_s, "phases": phases})

    def progress(self, progress: Progress) -> None:
        """Each second."""
        self._print("progress", asdict(progress))

    def judging(self) -> None:
        """It has ended; the books are being compared."""
        self._print("judging", {})

    def finished(self, finished: Finished, kept: Kept) -> None:
        """The verdict."""
        document = finished.verdict.document()
        self._print(
            "verdict", {"run": finished.run.id, **document, "report": str(kept.report) if kept.report else None}
        )

    def refused(self, reason: str) -> None:
        """It did not begin, or could not be judged at all."""
        self._print("refused", {"reason": reason})

    def steering(self) -> float | None:
        """What the rate is to be multiplied by; None: stop."""
        return self._scale

    def _print(self, event: str, what: Mapping[str, Any]) -> None:
        try:
            print(json.dumps({"event": event, **what}, ensure_ascii=False), flush=True)
        except BrokenPipeError:  # nobody listens any more: end in order
            self._scale = None

    def _listen(self) -> None:
        for line in sys.stdin:
            word, _, given = line.strip().partition(" ")
            if word == "stop":
                self._scale = None
                return
            if word == "scale":
                try:
                    self._scale = min(max(float(given), SCALES[0]), SCALES[1])
                except ValueError:
                    self.say(f"scale {given!r}: expected a number")


def _line(progress: Progress, lasts_s: float) -> Text:
    """One second in a line that fits a terminal."""
    left_s = max(lasts_s - progress.at_s, 0.0)
    line = Text(f"{progress.at_s:5.0f} s  ", style="dim")
    line.append(f"{progress.phase:<13} ", style="bold")
    broken = ", ".join(progress.faults)
    line.append(f"{broken:<24} " if broken else f"{'nothing is broken':<24} ", style="red" if broken else "dim")
    line.append(f"{progress.rate_per_s:6.1f}/s  ")
    line.append(f"success {_percent(progress.success_share)}  ", style=_mood(progress.success_share))
    line.append(f"degraded {_percent(progress.degraded_share)}  ")
    line.append(f"p95 {'    –' if progress.p95_ms is None else f'{progress.p95_ms:5.0f}'} ms  ")
    line.append(f"{progress.in_flight} in flight, {left_s:.0f} s left", style="dim")
    return line


def _percent(share: float | None) -> str:
    return "    –" if share is None else f"{share * 100:4.0f} %" if share < 0.9995 else " 100 %"


def _mood(share: float | None) -> str:
    return "" if share is None else "green" if share >= 0.99 else "yellow" if share >= 0.9 else "red"
