"""Jobs: a job ended as whoever asked for it was told, and cost what its steps did.

Joined on the job's id, which its client was told and which begins the name of each of its steps. A worker that is
killed may take along the record of a job's end, or of a step; whatever else differs is a difference. Read `runs.py`
next.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from loadtests.books import losses
from loadtests.books.books import Books
from loadtests.books.client import Entry
from loadtests.books.ends import Job
from loadtests.books.findings import Difference, Line, Reconciliation
from loadtests.books.money import usd
from loadtests.books.service import Record

ENDPOINT = "/jobs"
BOTH = "client service"
ENDED = ("completed", "failed", "cancelled")
CANCELLED = "cancelled"
"""What was under way then is paid, before or after the job's end is told."""


def compare(books: Books, into: Reconciliation) -> None:
    """Every job of which a client was told, and what every job of the time cost."""
    ended = {job.job_id: job for job in books.service.jobs}
    told = _told(books)
    for job_id, entries in told.items():
        _as_told(books, job_id, entries, ended.get(job_id), into)
    steps = _steps(books)
    for job in ended.values():
        if not _is_judged(books, job):
            continue
        _cost(books, job, steps.get(job.job_id, ()), into)
        if books.client is not None and job.job_id not in told:
            into.line("strangers", "jobs of other callers", "not compared", "service").add(service=1)


def _told(books: Books) -> Mapping[str, Sequence[Entry]]:
    """By job: what was said of it to a client, in order of time."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(books.client or (), key=lambda entry: entry.ended):
        if entry.subject_id is not None and entry.state is not None and entry.endpoint.startswith(ENDPOINT):
            found[entry.subject_id].append(entry)
    return found


def _steps(books: Books) -> Mapping[str, Sequence[Record]]:
    """By job: the records of its steps."""
    found: dict[str, list[Record]] = defaultdict(list)
    for records in books.known.values():
        for record in records:
            if record.step is not None and record.endpoint == ENDPOINT:
                found[record.step.partition("/")[0]].append(record)
    return found


def _is_judged(books: Books, job: Job) -> bool:
    """Whether the records of all of its steps are in the book."""
    return books.since <= job.created and job.ended <= books.until


def _jobs(into: Reconciliation) -> Line:
    return into.line("jobs", "ends of jobs as told", "exact", BOTH)


def _as_told(books: Books, job_id: str, entries: Sequence[Entry], job: Job | None, into: Reconciliation) -> None:
    ends = [entry for entry in entries if entry.state in ENDED]
    if not ends:
        into.line("under_way", "jobs of whose end no client was told", "not compared", "client").add(client=1)
        return
    states = sorted({entry.state for entry in ends if entry.state is not None})
    if job is None and books.recent(ends[0].ended):
        into.open.add(job_id)
    if job is None and (instance := losses.of_work(books.deaths, _not_yet(entries), ends[0].ended)) is not None:
        words = f"ends of jobs, lost by the kill of {instance}"
        into.line("lost", words, "explained", BOTH).add(job_id, client=1)
        return
    line = _jobs(into)
    line.add(client=1, service=int(job is not None))
    said = "no record of its end" if job is None else job.outcome
    if states != [said]:
        into.differ(line, Difference("jobs", f"job {job_id}: end", None, client=", ".join(states), service=said))


def _not_yet(entries: Sequence[Entry]) -> float:
    """When a client was last told that it had not ended, or first heard of it."""
    return max((entry.t for entry in entries if entry.state not in ENDED), default=entries[0].t)


def _cost(books: Books, job: Job, steps: Sequence[Record], into: Reconciliation) -> None:
    """What a worker that had lost the job spent after its end is no part of what was told of it."""
    within = [step for step in steps if step.ended <= job.ended + losses.CLOCKS_S]
    line = into.line("jobs", "cost of jobs and of their steps", "exact", "service", "nano_usd")
    line.add(service=job.cost_nano_usd or 0)
    least = most = _sum(within)
    if job.outcome == CANCELLED:
        least, most = _sum([step for step in within if step.ended < job.ended - losses.CLOCKS_S]), _sum(steps)
    if job.cost_nano_usd is None or least is None or most is None:
        agree = job.cost_nano_usd is None and most is None
    else:
        agree = least <= job.cost_nano_usd <= most
    if agree:
        return
    if (instance := losses.of_work(books.deaths, job.created, job.ended)) is not None:
        words = f"jobs whose cost is not that of their steps, for what was lost by the kill of {instance}"
        into.line("lost", words, "explained", "service").add(job.job_id, service=1)
        return
    if books.recent(job.ended):
        into.open.add(job.job_id)
    said = f"{_shown(job.cost_nano_usd)}, its steps {_shown(most)}"
    into.differ(line, Difference("jobs", f"job {job.job_id}: cost", None, service=said))


def _sum(steps: Sequence[Record]) -> int | None:
    """None when one has no price."""
    costs = [step.cost_nano_usd for step in steps]
    return None if None in costs else sum(cost or 0 for cost in costs)


def _shown(amount: int | None) -> str:
    return "without a price" if amount is None else usd(amount)
