# %% [markdown]
# # 08 · In the background: jobs, webhooks, an agent
#
# Not everything fits between a request and its answer. A long document takes many calls, a refund waits for a person,
# an answer for the end of an outage. You hand in such work, kill the process that does it, and look in the ledger for
# what was paid twice. Chapter, sections 3, 5 and 8.
#
# About 20 minutes.

# %%
import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures import swim_lanes
from notebooks.pictures.look import BLUE, GREY, ORANGE, VERMILLION

# %% [markdown]
# Some settings are smaller than usual, so that little work is enough to see something: a document is read in parts of
# 80 tokens, three jobs may wait, and a dead worker's work is another's after two seconds.

# %%
SMALL = {
    "jobs.part_tokens": 80,
    "jobs.depth_max": 3,
    "jobs.base_s": 0.2,
    "jobs.cap_s": 0.5,
    "queue.at_once": 2,
    "queue.redeliver_s": 2,
    "webhooks.base_s": 0.2,
    "breaker.cooldown_s": 1,
}
with workbench(settings=SMALL) as lab:
    lab.keep()

lab

# %% [markdown]
# ## 202: it is taken
#
# Twelve paragraphs, and a model that takes 0.6 s for an answer. `POST /jobs` does not wait for any of it: it says 202,
# which is *accepted*, and where to look.

# %%
lab.latency("anthropic", first_token_ms=600)
topics = ["jitter", "breakers", "bulkheads", "keys", "queues", "buckets", "deadlines", "caches", "threads", "traces"]
topics += ["budgets", "fallbacks"]
document = "\n\n".join(
    f"On {topic}. " + f"What was learned about {topic} in the great outage is told here, with numbers. " * 3
    for topic in topics
)
taken = lab.http("POST", "/jobs", {"text": document}, headers={"Idempotency-Key": "report-17"})
job_id = taken.body["job_id"]
print(taken.status, taken.headers["location"], f"{taken.ms:.0f} ms")

# %% [markdown]
# A worker process takes the job from the queue: each paragraph is a call (map), four at a time, then the summaries are
# summarised (reduce). As soon as four parts are done, the process is killed: `kill -9`, no good-bye, in the middle of
# the next four.
#
# **Predict first.** The document takes 15 calls: 12 parts, 2 groups of summaries, 1 for all.

# %%
paid = predict("With the kill in between, how many calls reach the provider?", guess=30)


# %%
def job(named: str, user: str = "alice") -> dict:
    """How a job stands now."""
    return dict(lab.http("GET", f"/jobs/{named}", user=user).body)


def ended(named: str, user: str = "alice") -> dict:
    """The job, once it has ended."""
    return lab.until(lambda: (now := job(named, user))["status"] in ("completed", "failed") and now, "the job's end")


noted = lab.until(lambda: (now := job(job_id))["progress"]["done"] >= 4 and now, "four parts")
lab.until(lambda: len(lab.ledger()) > noted["progress"]["done"], "the next calls")
lab.kill_queue_worker()
done = ended(job_id)
calls = lab.ledger()
paid.check(len(calls))
print(noted["progress"], "when it was killed;", done["progress"], "at the end, after", done["attempts"], "beginnings")

# %% [markdown]
# ## Which call was for what?
#
# The dead process told nobody what it had under way. But each step has a name, and the id of its call is made of that
# name and of how often the job was begun: a hash that you can compute as well as the service can. So each call in the
# ledger says which step it was for, and under which worker.


# %%
def call_id(step: str, beginning: int) -> str:
    """The request id of a step: the first 16 bytes of SHA-256, as a UUID of version 8 (docs/telemetry.md)."""
    raw = bytearray(hashlib.sha256(f"{job_id}/{step}\0{beginning}".encode()).digest()[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


steps = [f"map/{n}" for n in range(1, 13)] + ["reduce/1/1", "reduce/1/2", "reduce/2/1"]
workers = range(1, done["attempts"] + 1)
known = {call_id(step, worker): (step, worker) for step in steps for worker in workers}
calls["step"], calls["worker"] = zip(*(known[request_id] for request_id in calls["request_id"]), strict=True)
calls.groupby("step", sort=False).agg(calls=("step", "size"), workers=("worker", list), completed=("completed", list))

# %%
lives = calls.assign(ended=calls["t"] + calls["duration_s"]).groupby("worker").agg({"t": "min", "ended": "max"})
bars = [
    {
        "lane": f"worker {row.Index}",
        "what": "lives",
        "began_s": row.t,
        "ended_s": row.ended,
        "words": "kill -9" if row.Index == 1 else "",
    }
    for row in lives.itertuples()
]
for call in calls.sort_values("step", key=lambda column: column.map(steps.index), kind="stable").itertuples():
    whole = "by worker 1" if call.worker == 1 else "by who came after"
    bars.append(
        {
            "lane": call.step,
            "what": whole if call.completed else "cut by the kill",
            "began_s": call.t,
            "ended_s": call.t + call.duration_s,
            "words": "",
        }
    )
swim_lanes(
    bars,
    colours={"by worker 1": BLUE, "by who came after": ORANGE, "cut by the kill": VERMILLION, "lives": GREY},
    title="A job over the death of its worker",
    subtitle="a lane per step, a bar per call that reached the provider",
)

# %% [markdown]
# Blue steps were done and in the job's record: nobody asks for them again. Red ones were under way, at most four, and
# are paid twice, which is the price of not losing them. The gap is how long it takes until somebody may take over: the
# dead worker held the job by a lease, which must run out first.
#
# No exactly-once, then: *at least once* for a call, and a record that makes the steps that are done count once.

# %% [markdown]
# ## The same key is the same job
#
# A client that heard nothing sends its document again; an impatient one ten times at once.

# %%
jobs_made = predict("Ten times the same POST at the same moment: how many jobs?", guess=10)

# %%
lab.reset()
short = {"text": "Two phases, said the committee.", "webhook_url": lab.receiver}
lab.fault("webhooks", "status", status=503, times=2)  # for later
ten = lab.at_once(10, "POST", "/jobs", short, headers={"Idempotency-Key": "report-18"})
after = lab.http("POST", "/jobs", short, headers={"Idempotency-Key": "report-18"})
other = lab.http("POST", "/jobs", {**short, "text": "Three phases."}, headers={"Idempotency-Key": "report-18"})
told_ids = {answer.body["job_id"] for answer in [*ten, after] if answer.ok}
jobs_made.check(len(told_ids))
print(dict(ten.by("status")), "at once; then", after.status, after.headers.get("idempotency-replayed"))
print(other.status, other.answer)

# %% [markdown]
# One. Whoever comes while the first is still being written down gets a 409 and may come back; whoever comes later gets
# the first answer again, word for word. The same key with another text is a mistake of the client, and it is told so.

# %% [markdown]
# ## The bell: a webhook
#
# With `webhook_url` nobody needs to ask again and again. The user's server, though, was just being restarted: it
# refused twice.

# %%
short_id = next(iter(told_ids))
lab.until(lambda: job(short_id)["webhook"]["state"] == "delivered", "the delivery of the webhook")
bell = lab.webhooks()
bell[["message_id", "event", "verified", "status", "duplicate"]]

# %% [markdown]
# Three deliveries, one id. A receiver that remembers ids takes the message once, also where it had taken it already
# and only its answer was lost. `verified` says that the signature was right: anybody can send to a URL.

# %% [markdown]
# ## When everybody is dead: later
#
# Both providers die. A chat that says `"later": true` gets a promise instead of an apology. Meanwhile ten people hand
# in documents, which cannot be read now. Two jobs may be at work at once, and three may wait.

# %%
lab.reset()
for provider in ("anthropic", "openai"):
    lab.fault(provider, "status", status=503)
turned_away = predict("Of ten jobs that nobody can do now, how many are turned away?", guess=0)

# %%
promise = lab.ask("What is a dead letter?", later=True, webhook_url=lab.receiver)
people = [f"acme-p{n}" for n in range(10)]
handed_in = [
    lab.http("POST", "/jobs", {"text": f"Note {person}."}, user=person, headers={"Idempotency-Key": person})
    for person in people
]
refused = [answer for answer in handed_in if not answer.ok]
turned_away.check(len(refused))
print(promise)
print(refused[0].status, f"come back in {refused[0].retry_after_s:.0f} s:", refused[0].answer)

# %% [markdown]
# A queue without an end is only a slower way to fail: everybody is let in, and nobody gets anything while it is still
# worth having. *Back-pressure* says no at the door, with a time to come back, and keeps what it took. The providers
# recover:

# %%
lab.heal()
late = ended(promise.body["job_id"])
kept = [ended(answer.body["job_id"], answer.user) for answer in handed_in if answer.ok]
lab.until(lambda: job(late["job_id"])["webhook"]["state"] == "delivered", "word of the late answer")
print(late["result"]["answer"])
pd.DataFrame([late, *kept])[["kind", "status", "attempts", "cost_usd"]]

# %% [markdown]
# Everything that was accepted is done, the promise is kept, and the waiting cost nothing: a 503 is not billed.

# %% [markdown]
# ## An agent that moves money
#
# An agent reads what a customer writes, looks the order up, proposes a refund, and makes it: up to 50 dollars by
# itself, above that once an admin has approved it. Two customers' letters, one about a mug (19.99), one about
# headphones (129.00):

# %%
lab.reset()


def agent(order: str) -> str:
    """Begin a run; its id."""
    text = f"Please refund order {order}, it came broken."
    return str(lab.http("POST", "/agent", {"text": text}, headers={"Idempotency-Key": order}).body["run_id"])


def run(run_id: str, status: str) -> dict:
    """The run, once it has this status."""
    seen = lambda: (now := lab.http("GET", f"/agent/{run_id}").body)["status"] == status and dict(now)  # noqa: E731
    return lab.until(seen, f"a run that is {status}")


mug, headphones = agent("alice-1001"), agent("alice-1003")
small, large = run(mug, "completed"), run(headphones, "waiting")
print(small["outcome"], small["answer"])
print(large["status"], large["proposal"])

# %% [markdown]
# Now three people of the back office click *approve* in the same second, each in a window of their own (and with a key
# of their own, so that no Idempotency-Key can help).

# %%
charges = predict("Three approvals at once, one refund of 129.00: how many charges?", guess=3)


# %%
def approve(n: int):
    """One click."""
    key = {"Idempotency-Key": f"click-{n}"}
    return lab.http("POST", f"/agent/{headphones}/resume", {"decision": "approve"}, user="admin", headers=key)


with ThreadPoolExecutor(3) as windows:
    clicks = list(windows.map(approve, range(3)))
large = run(headphones, "completed")
money = lab.charges()
charges.check(int((money["amount"] == 12_900).sum()))
for click in clicks:
    print(click.status, click.body.get("detail") or click.body["status"])
money[["idempotency_key", "amount", "currency"]]

# %% [markdown]
# The first decision changes the run in one step in Valkey; who comes after it is told what was decided. And the money
# has a key of its own, made of the run: had the worker died after the charge, the next one would have asked for the
# same charge, and not for another.

# %%
pd.DataFrame(large["steps"])[["step", "began", "ended", "delivery"]].assign(
    began=lambda rows: (rows["began"] - large["created_at"]).round(2),
    ended=lambda rows: (rows["ended"] - large["created_at"]).round(2),
)

# %% [markdown]
# ## Try yourself
#
# `lab.kill_queue_worker()` between the click and the end of a run: what do `lab.charges()` and the steps' `delivery`
# say? And what becomes of an approval after a rejection? (`alice-1004` is for 899.00. Each person has six orders:
# `bob-1003` is his.)

# %%
dear = agent("alice-1004")
run(dear, "waiting")
no = lab.http("POST", f"/agent/{dear}/resume", {"decision": "reject"}, user="admin", headers={"Idempotency-Key": "no"})
run(dear, "rejected")["decision"], len(lab.charges())

# %% [markdown]
# ## What held

# %%
assert (taken.status, done["status"], done["progress"]) == (202, "completed", {"done": 15, "total": 15})
assert set(calls["step"]) == set(steps), "every step reached the provider"
deaths = done["attempts"] - 1
assert deaths >= 1
asked = calls[calls["attempt"] == 1]  # a retry of a slow call is another matter
assert len(asked) - 15 <= 4 * deaths, "at most those that were under way are paid twice"
assert not asked.duplicated(["step", "worker"]).any()
only_once = calls.groupby("step")["worker"].max() == 1
assert only_once.sum() >= noted["progress"]["done"], "what was done before the kill is not asked for again"
assert len(told_ids) == 1
assert set(ten.by("status")) <= {202, 409}
assert (after.status, after.headers["idempotency-replayed"], other.status) == (202, "true", 422)
assert list(bell["status"]) == [503, 503, 200]
assert bell["message_id"].nunique() == 1
assert bell["verified"].all()
assert (promise.status, promise.source, late["status"]) == (202, "later", "completed")
assert {answer.status for answer in refused} == {503}
assert len(refused) >= 10 - 2 - 3, "two at work and three who wait, no more"
assert all(one["status"] == "completed" for one in kept), "what was accepted is done"
assert sorted(click.status for click in clicks) == [202, 409, 409]
assert sorted(money["amount"]) == [1_999, 12_900], "each refund once"
assert no.status == 202
assert lab.books()["verdict"] == "balanced"

# %% [markdown]
# Next: `09_traces_metrics_cost`, for what all of this told about itself.
