"""From what was told of work to series over time and to the page's figures. Read `../look/work_panels.py` next.

Times are Unix seconds, durations seconds. NaN where there is nothing to measure, which is not zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from .figures import step_s
from .picture import Mark, Picture

JOB = "gauntlet.job"
"""The event that a job ended; the others among what ended are runs of the agent."""

SILENT_S = 5.0
"""A worker that was not heard of for so long while others were has died without a word."""

DELIVERED = "ok"
"""Outcome of a try that its receiver took."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The present, and the last minute: None where nobody told it."""

    waiting: int | None
    oldest_s: float | None
    running: int | None
    ended: int
    failed: int
    undelivered: int | None
    dead: int | None
    approvals: int | None
    approval_oldest_s: float | None
    workers: int


def figures(frames: Mapping[str, pd.DataFrame], seen: Picture, recent_s: float) -> Figures:
    """Those at the end of the picture; `ended` counts jobs and runs of its last `recent_s`."""
    ended = frames["ended"]
    recent = ended[ended["t"] >= seen.end - recent_s]
    levels = frames["levels"]

    def last(name: str, *, most: bool = False) -> float | None:
        rows = levels[(levels["name"] == name) & (levels["second"] >= seen.end - SILENT_S - 1)]
        if not len(rows):
            return None
        newest = rows.sort_values("second").groupby("lane")["value"].last()
        return float(newest.max() if most else newest.sum())

    def count(name: str) -> int | None:
        value = last(name)
        return None if value is None else int(value)

    return Figures(
        waiting=count("gauntlet.queue.waiting"),
        oldest_s=last("gauntlet.queue.oldest", most=True),
        running=count("gauntlet.queue.running"),
        ended=len(recent),
        failed=int((recent["outcome"].isin(FAILED)).sum()),
        undelivered=count("gauntlet.webhooks.pending"),
        dead=count("gauntlet.webhooks.dead"),
        approvals=count("gauntlet.agent.waiting"),
        approval_oldest_s=last("gauntlet.agent.oldest_approval", most=True),
        workers=len(alive(frames["workers"])),
    )


FAILED = ("failed", "gave_up", "gave_up_in_doubt")
"""Outcomes of jobs and runs that are ours to mend."""

ENDINGS = {
    "completed": "completed",
    "refunded": "completed",
    "rejected": "declined",
    "withdrawn": "cancelled",
    "expired": "declined",
    "declined": "declined",
    "cancelled": "cancelled",
    **dict.fromkeys(FAILED, "failed"),
}
"""Outcome of a job or run -> its key in the palette; any other is an answer without a refund."""


def endings(frames: Mapping[str, pd.DataFrame], seen: Picture) -> pd.DataFrame:
    """`t`, `key`, `value`: jobs and runs that ended per second, by how."""
    ended = frames["ended"]
    keys = ended["outcome"].map(lambda outcome: ENDINGS.get(outcome, "answered"))
    return counted(seen, ended["t"].to_numpy(), keys)


def steps(frames: Mapping[str, pd.DataFrame], seen: Picture) -> pd.DataFrame:
    """`t`, `key`, `value`: steps of own work per second, by outcome."""
    told = frames["steps"]
    return counted(seen, told["second"].to_numpy(), told["outcome"], told["n"].to_numpy())


def tries(frames: Mapping[str, pd.DataFrame], seen: Picture) -> pd.DataFrame:
    """`t`, `key` (`ok` or `failed`), `value`: tries at receivers per second."""
    told = frames["tries"]
    keys = told["outcome"].map(lambda outcome: DELIVERED if outcome == DELIVERED else "failed")
    return counted(seen, told["second"].to_numpy(), keys, told["n"].to_numpy())


def counted(seen: Picture, t: np.ndarray, keys: pd.Series, n: np.ndarray | None = None) -> pd.DataFrame:
    """A row per step and key that occurs, zeros too: `t` (the step's begin), `key`, `value` per second."""
    step, begin, count = _steps(seen)
    places = ((t - begin) // step).astype(np.int64)
    inside = (places >= 0) & (places < count)
    weights = np.ones(len(places)) if n is None else n.astype(np.float64)
    found = []
    for key in sorted(keys[inside].dropna().unique()):
        chosen = inside & (keys == key).to_numpy()
        sums = np.bincount(places[chosen], weights=weights[chosen], minlength=count)
        found.append(pd.DataFrame({"t": begin + np.arange(count) * step, "key": key, "value": sums / step}))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["t", "key", "value"])


def level(frames: Mapping[str, pd.DataFrame], seen: Picture, name: str) -> pd.DataFrame:
    """`t`, `key` (the lane), `value`: the most of each step."""
    told = frames["levels"]
    told = told[told["name"] == name]
    step, begin, count = _steps(seen)
    places = (told["second"] - begin) // step
    told = told.assign(place=places)[(places >= 0) & (places < count)]
    most = told.groupby(["lane", "place"], as_index=False)["value"].max()
    return pd.DataFrame({"t": begin + most["place"] * step, "key": most["lane"], "value": most["value"]})


def times(frames: Mapping[str, pd.DataFrame], seen: Picture) -> pd.DataFrame:
    """`t`, `wait_s`, `run_s`: medians of the jobs that ended in each step; NaN where none did."""
    step, begin, count = _steps(seen)
    ended = frames["ended"]
    jobs = ended[ended["event"] == JOB]
    jobs = jobs.assign(
        place=(jobs["t"] - begin) // step,
        wait_s=jobs["started"] - jobs["created"],
        run_s=jobs["ended"] - jobs["started"],
    )
    medians = jobs.groupby("place")[["wait_s", "run_s"]].median().reindex(range(count))
    return pd.DataFrame({"t": begin + np.arange(count, dtype=np.float64) * step}).join(medians.reset_index(drop=True))


def alive(workers: pd.DataFrame) -> pd.DataFrame:
    """Those that did not end and were heard of lately."""
    silent = workers["newest"] - workers["heard"] > SILENT_S
    return workers[workers["stopped"].isna() & ~silent]


def worker_marks(workers: pd.DataFrame, seen: Picture) -> list[Mark]:
    """Starts and ends of worker processes: `+ worker` began, `− worker` ended in order, `✕ worker` died."""
    marks = []
    for row in workers.itertuples(index=False):
        name = f"worker {str(row.instance).partition('-')[0]}"
        if pd.notna(row.started):
            marks.append(Mark(row.started, f"+ {name}"))
        if pd.notna(row.stopped):
            marks.append(Mark(row.stopped, f"− {name}"))
        elif pd.notna(row.heard) and row.newest - row.heard > SILENT_S:
            marks.append(Mark(row.heard, f"✕ {name}"))
    return sorted((mark for mark in marks if seen.begin <= mark.t < seen.end), key=lambda mark: mark.t)


def _steps(seen: Picture) -> tuple[int, int, int]:
    """Width of a step, begin of the first, and how many whole ones there are."""
    step = step_s(seen.width_s)
    begin = -(-int(seen.begin) // step) * step
    return step, begin, max((int(min(seen.end, seen.told_until)) - begin) // step, 0)
