"""What happened to a job, a run of the agent or a webhook message, in a few plain words each.

Rows are those of the service's lists; each part of a sentence is left out where what it says is not known. Read
`words.py` for the decisions of stages.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from .steps import usd

Row = Mapping[str, Any]

STEPS = {
    "understand": ("understood", "reads the message"),
    "look_up": ("order looked up", "looks the order up"),
    "propose": ("proposed", "proposes"),
    "approve": ("approved", "asks for an approval"),
    "execute": ("paid", "pays"),
    "tell": ("told", "tells the customer"),
}
"""Step of a run -> what is said when it is done, and while it runs."""

OUTCOMES = {
    "refunded": "refunded",
    "declined": "declined by the payments provider",
    "rejected": "rejected, nothing was paid",
    "withdrawn": "withdrawn by the customer",
    "expired": "nobody approved it in time",
    "nothing_left": "nothing is left to refund",
    "overtaken": "another refund of the order came first",
    "order_not_found": "there is no such order of theirs",
    "order_unclear": "no order was named",
    "no_refund": "no refund was asked for",
    "not_understood": "not understood",
    "gave_up": "given up, nothing was paid",
    "gave_up_in_doubt": "given up, and money may have moved",
}


def of_run(run: Row, now: float) -> str:
    """A run: its steps so far, what it waits for, what came of it, how often it was begun, what it cost."""
    return "; ".join(_run_parts(run, now)) + "."


def _run_parts(run: Row, now: float) -> Iterator[str]:
    steps = [_step(step) for step in _last_of_each(run.get("steps") or ()) if not _says_it(run, step)]
    if steps:
        yield " → ".join(steps)
    proposal = run.get("proposal")
    if proposal:
        yield f"{amount(proposal['amount'], proposal['currency'])} for {proposal['order']} ({proposal['item']})"
    if run["status"] == "waiting":
        since = run.get("waiting_since")
        yield f"has waited for an approval{f' for {age(now - since)}' if since else ''}"
    if run.get("decision") in ("approve", "reject") and run.get("approver"):
        word = "approved" if run["decision"] == "approve" else "rejected"
        yield f"{word} by {run['approver']['tenant']}/{run['approver']['user']}"
    if run.get("outcome"):
        yield OUTCOMES.get(run["outcome"], str(run["outcome"]).replace("_", " "))
    if run.get("trouble") and not run.get("ended_at"):
        yield f"held up by {str(run['trouble']).replace('_', ' ')}"
    yield from _ends(run, run.get("deliveries"), "taken up")


def _last_of_each(steps: Any) -> list[Row]:
    """Each step once, as it went last: after a crash or a wait it begins anew."""
    last: dict[str, Row] = {}
    for step in steps:
        last[step["step"]] = step
    return list(last.values())


def _says_it(run: Row, step: Row) -> bool:
    """Whether the status, or the outcome, says it better: the step is done with a no as well."""
    return step["step"] == "approve" and (
        run["status"] == "waiting"
        or run.get("decision") not in (None, "approve")
        or not (run.get("proposal") or {}).get("needs_approval")
    )


def _step(step: Row) -> str:
    done, doing = STEPS.get(step["step"], (step["step"], step["step"]))
    if step.get("error"):
        return f"{doing}: {str(step['error']).replace('_', ' ')}"
    return doing if step.get("ended") is None else done


def of_job(job: Row, now: float) -> str:
    """A job: how far it is, what holds it up, how long it waited and ran, how often it was begun, what it cost."""
    return "; ".join(_job_parts(job, now)) + "."


def _job_parts(job: Row, now: float) -> Iterator[str]:
    done, total = progress(job)
    if total:
        yield f"{done} of {total} steps done"
    created, started, ended = job["created_at"], job.get("started_at"), job.get("ended_at")
    if started is None:
        yield f"has waited for a worker for {age(now - created)}" if ended is None else "never begun"
    else:
        yield f"waited {age(started - created)}"
        yield f"ran {age(ended - started)}" if ended else f"runs for {age(now - started)}"
    if job.get("waits_for") and not ended:
        next_at = job.get("next_try_at")
        again = f", again in {age(next_at - now)}" if next_at and next_at > now else ""
        yield f"held up by {str(job['waits_for']).replace('_', ' ')}{again}"
    error = job.get("error")
    if error:
        yield str(error["code"] if isinstance(error, Mapping) else error).replace("_", " ")
    yield from _ends(job, job.get("attempts"), "begun")


def progress(job: Row) -> tuple[int, int]:
    """Steps that are done, and how many there will be (0: not known yet)."""
    told = job.get("progress") or {}
    return int(told.get("done") or 0), int(told.get("total") or 0)


def _ends(row: Row, times: int | None, word: str) -> Iterator[str]:
    """How often it was delivered, where that is more than once, and what it cost."""
    if times and times > 1:
        yield f"{word} {times} times"
    if row.get("cost_usd"):
        yield usd(round(row["cost_usd"] * 1e9))


def of_message(message: Row, now: float) -> str:
    """A webhook message: how often it was tried, and what the last try met."""
    tries = int(message["tries"])
    parts = [f"{tries} {'try' if tries == 1 else 'tries'} in vain" if message.get("last_error") else f"{tries} tries"]
    why = str(message.get("last_error") or "").replace("_", " ")
    status = message.get("last_status")
    if why or status:
        parts.append(", ".join(filter(None, (f"status {status}" if status else "", why))))
    parts.append(f"created {age(now - message['created_at'])} ago")
    return "; ".join(parts) + "."


def amount(minor: int, currency: str) -> str:
    """Minor units as people write them."""
    return f"{minor // 100:,}.{minor % 100:02d} {currency.upper()}"


def age(seconds: float) -> str:
    """A duration in its two largest units at most."""
    whole = max(seconds, 0.0)
    if whole < 10:
        return f"{whole:.1f} s"
    if whole < 120:
        return f"{whole:.0f} s"
    if whole < 7200:
        return f"{whole // 60:.0f} min"
    return f"{whole // 3600:.0f} h {whole % 3600 // 60:.0f} min"
