"""How a check is told to a person: what passed, the first thing that is wrong, and what to do about it.

One failure and not a wall of them: what was given, expected and seen, what it means in production, a picture of what
happened when, the command that repeats it, and where the next hint is. Read `timeline.py` next.
"""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from .catalogue import LEVELS, Exercise
from .check import Checked, Result
from .selftest import Verdict
from .timeline import drawn
from .work import Work

WIDEST = 100
SAID = {
    "raised": "Your code raised an error that nobody expected.",
    "blocked": "Your code kept the event loop to itself. While it does, nothing else in this process goes on: no other "
    "user's request, no health check.",
    "endless": "Your code never came back: a loop without an end, or a call that blocks for good. It was ended.",
    "late": "Your code still waited when the time was up.",
    "grader": "The check itself failed, and not your code. Please report it with these words.",
    "odd": "The check could not judge what your code gave it: one of its values is not what the starter's types say.",
    "crashed": "Your code took the whole process down.",
    "memory": "Your code took more memory than a check may have (4 GB).",
    "sleeps on": "Your code slept on and on, thousands of times: a loop that never gives up.",
    "real sleep": "Your code waits by the wall clock. Wait with the clock that it is given (`await clock.sleep(…)`).",
}
"""State -> what it is in plain words; `broken` speaks for itself, `unusable` has words per kind."""
UNUSABLE = {
    "syntax": "Python cannot read your file",
    "import": "Your file ends with an error while it is read, before anything of it is asked",
    "missing": "Your file lacks names that the check asks for; keep those of the starter",
}
SHOWN_OUTPUT = 12


def show(out: Console, checked: Checked, work: Work, command: str) -> None:
    """Print a check's outcome; `command` is how a person calls us."""
    exercise, width = checked.exercise, min(out.width, WIDEST)
    out.print(Text.assemble((f"{exercise.number} · {exercise.title}", "bold"), (f"   {work.shown(exercise)}", "dim")))
    for result in checked.results:
        if result.passed:
            out.print(_beside(Text(" ✓", style="green"), Text(result.probe.title)))
    failure = checked.failure
    if failure is None:
        out.print()
        kept = "This promise is kept." if checked.only else f"All {len(checked.results)} promises are kept."
        out.print(Text(kept, style="bold green"))
        return
    title = UNUSABLE[failure.kind] if failure.state == "unusable" else failure.probe.title
    out.print(_beside(Text(" ✗", style="bold red"), Text(title, style="bold")))
    out.print(Padding(_told(failure), (0, 0, 0, 3)), width=width)
    _output(out, checked.output, failure)
    _next(out, checked, failure, command)


def listing(known: Sequence[Exercise], work: Work) -> Table:
    """All exercises with how far one is."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("", "exercise", "min", "so far"):
        table.add_column(head, justify="right" if head in ("", "min") else "left", no_wrap=head != "exercise")
    for one in known:
        table.add_row(str(one.number), _titled(one), str(one.minutes), _so_far(one, work))
    return table


def hint(exercise: Exercise, probe: str, level: int, text: str, command: str) -> RenderableType:
    """A hint, and whether there is another."""
    head = Text.assemble((exercise.probe(probe).title, "bold"), (f"   hint {level} of {len(LEVELS)}", "dim"))
    more = f"\n`{command} learn hint {exercise.number}` says more." if level < len(LEVELS) else ""
    return Group(head, Padding(Text(text), (0, 0, 0, 3)), Text(more.strip(), style="dim"))


def judged(verdict: Verdict) -> Table:
    """What the selftest found of an exercise, and a line per fault."""
    good, mutants = not verdict.faults, len(verdict.exercise.mutants)
    words = Text.assemble(
        (verdict.exercise.label, "bold"),
        f"   solution: {verdict.seeds} seeds; {len(verdict.killed)} of {mutants} mutants killed; ",
        f"starter fails at {verdict.starter_fails_at or 'nothing'}",
        *((f"\n{fault}", "red") for fault in verdict.faults),
    )
    return _beside(Text(" ✓" if good else " ✗", style="green" if good else "bold red"), words)


def _titled(exercise: Exercise) -> Text:
    return Text.assemble((exercise.title, "bold"), f"\n{exercise.about}")


def _so_far(exercise: Exercise, work: Work) -> Text:
    progress = work.progress(exercise)
    if progress.done:
        return Text("✓ passed", style="green")
    if progress.passed or progress.failing:
        return Text(f"{len(progress.passed)} of {len(exercise.probes)}")
    return Text("begun" if work.file(exercise).exists() else "-", style="dim")


def _told(result: Result) -> Group:
    if result.state == "unusable":
        return Group(*map(_code, filter(None, (result.seen, result.where))))
    rows: list[RenderableType] = []
    if words := SAID.get(result.state):
        rows += [Text(words), *([_code(result.where)] if result.where else [])]
    told = _grid()
    for name in ("given", "expected", "seen"):
        if text := getattr(result, name):
            told.add_row(name, Text(text))
    rows.append(told)
    if lines := drawn(result.timeline):
        rows.append(Padding(Text("\n".join(lines), no_wrap=True), (1, 0)))
    means = _grid()
    means.add_row("in production", Text(result.probe.means))
    return Group(*rows, means)


def _beside(mark: Text, words: Text) -> Table:
    """A mark and words that stay beside it, however many lines they take."""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(mark, words)
    return grid


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _code(where: str) -> Text:
    return Text(where, style="yellow", no_wrap=True)


def _output(out: Console, output: str, failure: Result) -> None:
    lines = output.strip().splitlines()
    if not lines or failure.state == "unusable":
        return
    out.print(Text("   your code printed", style="dim"))
    if len(lines) > SHOWN_OUTPUT:
        out.print(Text(f"   … {len(lines) - SHOWN_OUTPUT} lines, then", style="dim"))
    for line in lines[-SHOWN_OUTPUT:]:
        out.print(Text(f"   | {line}"[: out.width], no_wrap=True))


def _next(out: Console, checked: Checked, failure: Result, command: str) -> None:
    exercise = checked.exercise
    if failure.state == "unusable":
        return
    after = len(exercise.probes) - len(checked.results)
    if after > 0 and not checked.only:
        out.print(Text(f" · {after} more after this one", style="dim"))
    out.print()
    again = f"{command} learn check {exercise.number} --only {failure.probe.name} --seed {checked.seed}"
    hint_of = f"{command} learn hint {exercise.number}" + (f" --probe {failure.probe.name}" if checked.only else "")
    for words, does in ((again, "again, this one alone"), (hint_of, "a hint")):
        out.print(Text.assemble("   ", (words, "bold"), (f"   {does}", "dim")), soft_wrap=True)


def code(text: str) -> Syntax:
    """Python for a terminal."""
    return Syntax(text, "python", background_color="default")
