"""What can be measured of what is done after the answer: jobs, runs of the agent, their webhooks and their money.

All of it is judged by the two ends of the wire: what whoever asked was told, and what reached the providers and the
receiver of webhooks. Read `measures.py` next: the other measures.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from loadtests.scenario.model import ENDED, WORKER
from loadtests.verdict import later, steps
from loadtests.verdict.scope import Measure, Scope, inside, share_of


def _asked(scope: Scope, kind: str) -> dict[str | None, set[str]]:
    return later.asked(scope.whole.entries, kind, lambda entry: inside(entry.t, scope.windows))


def _done(kind: str, *states: str) -> Callable[[Scope], float | None]:
    def read(scope: Scope) -> float | None:
        asked, ended = _asked(scope, kind), later.told(scope.whole.entries, states)
        return share_of(sum(bool(subjects & ended) for subjects in asked.values()), len(asked))

    return read


def _paid_twice(scope: Scope) -> float | None:
    jobs = steps.of_jobs(_jobs(scope), scope.whole.calls)
    kills = steps.kills(scope.whole.bands, WORKER)
    return float(sum(steps.paid_again(some.values(), kills) for some in jobs.values())) if jobs else None


def _redelivered(scope: Scope) -> float | None:
    """The longest that a job which was at work when the worker was killed had to wait for its next call."""
    kills = steps.kills(scope.whole.bands, WORKER)
    ended = later.told(scope.whole.entries, ENDED)
    waits = [
        wait_s
        for job, some in steps.of_jobs(_jobs(scope), scope.whole.calls).items()
        for wait_s in steps.went_on_after(
            [call for calls in some.values() for call in calls], kills, ended=job in ended
        )
    ]
    return max(waits, default=None)


def _jobs(scope: Scope) -> set[str]:
    """The jobs that were asked for in these phases."""
    return later.subjects(e for e in scope.whole.entries if e.kind == "job" and inside(e.t, scope.windows))


def _webhooks_delivered(scope: Scope) -> float | None:
    """Of what the client was told has ended, in these phases asked for: whose end a webhook told the receiver."""
    entries = [entry for entry in scope.whole.entries if inside(entry.t, scope.windows)]
    ended = later.subjects(entries) & later.told(scope.whole.entries, ENDED)
    delivered = {
        webhook.subject_id for webhook in scope.whole.webhooks if webhook.is_taken and later.tells_end(webhook)
    }
    return share_of(len(ended & delivered), len(ended))


def _webhook_ids(scope: Scope) -> float | None:
    ids = later.message_ids(scope.whole.webhooks)
    return max((float(len(some)) for some in ids.values()), default=None)


def _decided(scope: Scope) -> float | None:
    """Whoever decides second is refused: of all decisions about a run one was taken."""
    asked, decisions = _asked(scope, "agent"), later.decisions(scope.whole.entries)
    once = sum(any(_is_decided_once(decisions.get(subject, ())) for subject in subjects) for subjects in asked.values())
    return share_of(once, len(asked))


def _is_decided_once(outcomes: Sequence[str]) -> bool:
    return Counter(outcomes)["answered"] == 1 and set(outcomes) <= {"answered", "refused"}


def _charges_beyond_approvals(scope: Scope) -> float | None:
    """Run by run, so that a charge too many and one that is missing do not make up for each other.

    All charges count: who asks for refunds but by agents is measured by `charges_beyond`.
    """
    runs = later.subjects(entry for entry in scope.whole.entries if entry.kind == "agent")
    approved, charged = later.approvals(scope.whole.entries), later.charged(scope.whole.charges)
    if not runs:
        return None
    keys = later.charge_keys(scope.whole.entries)
    paid = Counter(dict.fromkeys(runs, 0))
    for key, count in charged.items():
        paid[keys.get(key or "", key or "")] += count
    return float(sum(abs(count - approved[run]) for run, count in paid.items()))


MEASURES = {
    "jobs_done_share": Measure(_done("job", "completed"), "share", "jobs that were told to be done, of all asked for"),
    "job_steps_paid_twice": Measure(
        _paid_twice,
        "count",
        "calls for steps of jobs that were done already, but for those at a kill",
        from_ledger=True,
    ),
    "redelivered_within_s": Measure(
        _redelivered,
        "s",
        "from a kill of the worker until a job that it met goes on, the longest; of kills in a row from the first",
        from_ledger=True,
    ),
    "runs_done_share": Measure(
        _done("agent", "completed", "rejected"), "share", "the agent's runs that came to their end, of all asked for"
    ),
    "decided_share": Measure(
        _decided, "share", "the agent's runs of which one decision was taken and no other, of all asked for"
    ),
    "webhooks_delivered_share": Measure(
        _webhooks_delivered, "share", "of what has ended, whose end a webhook told the receiver", from_ledger=True
    ),
    "webhook_ids_per_job": Measure(
        _webhook_ids, "count", "the most ids that the messages of one event had", from_ledger=True
    ),
    "charges_beyond_approvals": Measure(
        _charges_beyond_approvals,
        "count",
        "difference of charges and approvals, summed over the agent's runs",
        from_ledger=True,
    ),
}
"""By name."""
