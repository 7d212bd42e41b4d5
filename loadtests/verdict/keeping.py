"""What is kept of a verdict: `verdict.json` and the report, in the run's folder (docs/recorded-runs.md).

Read `report.py` next: the page.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.verdict import report
from loadtests.verdict.told import Predicted, Told

if TYPE_CHECKING:
    from loadtests.conduct.session import Finished

VERDICT = "verdict.json"
REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class Kept:
    """The report's path, None where it could not be made, and everything that a reader should know, in words."""

    report: Path | None
    notes: Sequence[str] = ()


def keep(finished: "Finished", predicted: Sequence[Predicted] = ()) -> Kept:
    """Write both; a picture that cannot be drawn costs a note, never the verdict."""
    folder = finished.run.folder
    (folder / VERDICT).write_text(json.dumps(finished.verdict.document(), indent=2, ensure_ascii=False) + "\n")
    try:
        path = report.write(folder / REPORT, report.of_run(told(finished), predicted))
    except Exception as error:  # noqa: BLE001 - see above
        return Kept(None, (*finished.notes, f"The report could not be made: {error}."))
    return Kept(path, tuple(finished.notes))


def told(finished: "Finished") -> Told:
    """The run as the report tells it."""
    run = finished.run
    return Told(
        run.label or run.id,
        finished.scenario,
        finished.seed,
        finished.evidence,
        finished.verdict,
        run.command,
        {"run": run.id, **run.versions},
        finished.notes,
    )
