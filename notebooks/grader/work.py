"""Where a learner works: `work/NN_name.py` in the checkout, never overwritten, and how far it got.

That is in `work/.progress.json`. GAUNTLET_WORK names another folder. Read `feedback.py` next: how a check is told.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from door.errors import DoorError
from door.home import ROOT

from .catalogue import LEVELS, Exercise
from .check import Checked

VARIABLE = "GAUNTLET_WORK"
PROGRESS = ".progress.json"


@dataclass(slots=True)
class Progress:
    """Of an exercise: the probes that its last check saw pass, the one that failed, hints shown, ever all passed."""

    passed: list[str] = field(default_factory=list)
    failing: str = ""
    hints: dict[str, int] = field(default_factory=dict)
    done: bool = False


class Work:
    """The learner's folder. Raises DoorError where it cannot be read or written."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.folder = Path(environ.get(VARIABLE) or ROOT / "work").absolute()

    def file(self, exercise: Exercise) -> Path:
        """Where the learner's file of an exercise is, or would be."""
        return self.folder / f"{exercise.label}.py"

    def shown(self, exercise: Exercise) -> str:
        """The file's path as a person would type it from here."""
        return os.path.relpath(self.file(exercise))

    def start(self, exercise: Exercise) -> bool:
        """Put the starter there; False when a file is there already, which stays as it is."""
        file = self.file(exercise)
        if file.exists():
            return False
        self._write(file, (exercise.folder / "starter.py").read_text(encoding="utf-8"))
        return True

    def reset(self, exercise: Exercise) -> Path | None:
        """Begin anew with the starter; what was there is kept under another name, which is returned."""
        file, kept = self.file(exercise), None
        if file.exists():
            taken = {one.name for one in self.folder.iterdir()}
            names = (f"{exercise.label}.before-{number}.py" for number in range(1, len(taken) + 2))
            kept = self.folder / next(name for name in names if name not in taken)
            file.rename(kept)
        self.start(exercise)
        self._save({**self._all(), exercise.label: Progress()})
        return kept

    def progress(self, exercise: Exercise) -> Progress:
        """What was reached."""
        return self._all().get(exercise.label, Progress())

    def note(self, checked: Checked) -> None:
        """Remember what a check of all probes found."""
        progress = self.progress(checked.exercise)
        progress.passed = [one.probe.name for one in checked.results if one.passed]
        progress.failing = checked.failure.probe.name if checked.failure else ""
        progress.done = progress.done or checked.passed
        self._save({**self._all(), checked.exercise.label: progress})

    def next_hint(self, exercise: Exercise, probe: str) -> tuple[int, str]:
        """The level (1 to 3) and text of the next hint of a probe; the last one again when all were shown."""
        progress = self.progress(exercise)
        level = min(progress.hints.get(probe, 0) + 1, len(LEVELS))
        progress.hints[probe] = level
        self._save({**self._all(), exercise.label: progress})
        return level, exercise.hints[probe][level - 1]

    def newest(self, known: list[Exercise]) -> Exercise | None:
        """The exercise whose file was changed last."""
        begun = [one for one in known if self.file(one).exists()]
        return max(begun, key=lambda one: self.file(one).stat().st_mtime, default=None)

    def _all(self) -> dict[str, Progress]:
        file = self.folder / PROGRESS
        try:
            told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
            return {label: Progress(**one) for label, one in told.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise DoorError(f"{file} cannot be read ({error}); it holds ticks and hints only: delete it") from error

    def _save(self, progress: Mapping[str, Progress]) -> None:
        told = {label: asdict(one) for label, one in progress.items()}
        self._write(self.folder / PROGRESS, json.dumps(told, indent=1) + "\n")

    def _write(self, file: Path, text: str) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = file.with_name(f"{file.name}.{os.getpid()}.new")  # two checks may end at once
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(file)
        except OSError as error:
            raise DoorError(f"cannot write {file} ({error.strerror}); {VARIABLE} names another folder") from error
