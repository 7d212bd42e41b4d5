"""Stage switches as marks: what each change switched against the one before. Read `feed.py` next.

Each worker tells of each change that it hears of, with the change's number; numbers begin anew with a new store.
"""

from collections.abc import Iterable

import pandas as pd  # type: ignore[import-untyped]

from .picture import Mark

SQL = """
SELECT epoch("time") AS t, version, array_to_string("off", ' ') AS "off"
FROM switch_events WHERE version IS NOT NULL AND {condition} ORDER BY t"""
"""What `rows_of` reads. `off` names the stages, with spaces between."""

STRAGGLES_S = 10
"""A worker may tell of a change so long after another has told of the next one."""

Switched = tuple[float, int, frozenset[str]]
"""When (Unix s), number of the change, and which stages are off from then on."""


def rows_of(told: pd.DataFrame) -> list[Switched]:
    """The answer to SQL."""
    return [(row.t, row.version, frozenset((row.off or "").split())) for row in told.itertuples(index=False)]


def changes_of(told: Iterable[Switched]) -> list[Switched]:
    """The first word of each change, in order of time."""
    changes = list[Switched]()
    for t, version, off in sorted(told, key=lambda one: one[:2]):
        if changes:
            last_t, last, last_off = changes[-1]
            is_known = version == last and off == last_off
            if is_known or (version <= last and t - last_t < STRAGGLES_S):
                continue
        changes.append((t, version, off))
    return changes


def marks_of(told: Iterable[Switched]) -> list[Mark]:
    """`− cache` is a stage switched off, `+ cache` on; before the first change everything was on."""
    marks, before = list[Mark](), frozenset[str]()
    for t, _, off in changes_of(told):
        labels = [f"− {stage}" for stage in sorted(off - before)] + [f"+ {stage}" for stage in sorted(before - off)]
        if labels:
            marks.append(Mark(t, ", ".join(labels)))
        before = off
    return marks
