"""All that is kept of a run: the verdict and the report (`loadtests`), and the rows that the dashboard draws.

The rows come from the collector, by the dashboard's own writer; `docs/recorded-runs.md` has the form. Read
`telling.py` next: what is said.
"""

from collections.abc import Sequence
from dataclasses import replace

from loadtests.conduct import Finished
from loadtests.scenario.model import PROCESSES
from loadtests.verdict import keeping
from loadtests.verdict.evidence import Band
from loadtests.verdict.keeping import Kept
from loadtests.verdict.told import Predicted


def keep(
    finished: Finished, *, predicted: Sequence[Predicted] = (), rows: bool = True, hidden: Sequence[Band] = ()
) -> Kept:
    """Write it into the run's folder; what cannot be written is a note, never a lost verdict.

    `hidden`: faults of which the simulator does not tell, but which this run is about.
    """
    run = finished.run
    kept = keeping.keep(finished, predicted)
    if rows and run.ended is not None and run.simulator:
        kept = replace(kept, notes=(*kept.notes, *_rows(finished, run.ended, hidden)))
    if tuple(kept.notes) != tuple(run.notes):
        run.noting(notes=list(kept.notes))
    return kept


def _rows(finished: Finished, ended: float, hidden: Sequence[Band]) -> Sequence[str]:
    from dashboard.backends.http import Away, Refused
    from dashboard.recordings import keeping as recordings
    from dashboard.recordings.rows import NotKept
    from dashboard.recordings.told import FaultWindow

    run = finished.run
    extra = [
        FaultWindow(band.target, band.label.removeprefix(f"{band.target}: "), band.since, band.until)
        for band in (*(band for band in finished.evidence.bands if band.target in PROCESSES), *hidden)
    ]
    try:
        done = recordings.complete(
            run.folder, run.began, ended, simulator=run.simulator, collector=run.collector, extra_faults=extra
        )
    except (Away, Refused, NotKept) as error:
        return [f"The rows that the dashboard draws could not be kept: {error}."]
    return done.notes
