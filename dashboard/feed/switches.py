"""Stage switches as marks: what each change switched against the one before. Read `feed.py` next."""

from collections.abc import Mapping

from .picture import Mark

SQL = """
SELECT epoch(min("time")) AS t, version, array_to_string(any_value("off"), ' ') AS "off"
FROM switch_events WHERE version IS NOT NULL AND {condition} GROUP BY version ORDER BY version"""
"""Several workers tell of the same change; the first of them counts. `off` names the stages, with spaces between."""

Versions = Mapping[int, tuple[float, frozenset[str]]]
"""Number of the change -> when (Unix s), and which stages are off from then on."""


def stages_of(told: str | None) -> frozenset[str]:
    """The column `off` of SQL."""
    return frozenset((told or "").split())


def marks_of(versions: Versions) -> list[Mark]:
    """`− cache` is a stage switched off, `+ cache` on; before the first change everything was on."""
    marks, before = list[Mark](), frozenset[str]()
    for version in sorted(versions):
        t, off = versions[version]
        labels = [f"− {stage}" for stage in sorted(off - before)] + [f"+ {stage}" for stage in sorted(before - off)]
        if labels:
            marks.append(Mark(t, ", ".join(labels)))
        before = off
    return marks
