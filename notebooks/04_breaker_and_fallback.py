# %% [markdown]
# # 04 · Breaker and fallback: to stop asking, and what to say instead
#
# A circuit breaker does nothing for the request that it refuses; it spares the provider, and everybody's time. Here it
# opens, probes and closes under your eyes, beside two well-known libraries, at the moment where breakers differ most.
# Then the other half: what an answer is made of when the first choice is away. Chapter, section 5 and exercise 4.
#
# About 25 minutes.

# %%
import asyncio
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import altair as alt
import pandas as pd
import pybreaker
import redis
from purgatory import AsyncCircuitBreakerFactory, AsyncRedisUnitOfWork

from door import wire
from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures import breaker_strip, sources_over_time, swim_lanes
from notebooks.pictures.look import BLUE, GREY, VERMILLION, titled

# %% [markdown]
# The service opens a circuit for 30 seconds; we have no patience and take half a second. An answer stays fresh for as
# long, and the retry budget of the last notebook is out of the way.

# %%
OURS = {
    "breaker.cooldown_s": 0.5,
    "cache.fresh_s": 0.5,
    "routes.default.deadline_s": 2.5,
    "retry.base_s": 0.02,
    "retry.budget_capacity": 10_000,
    "admission_lag_s": 60,
}
with workbench(settings=OURS) as lab:
    lab.keep()

lab

# %% [markdown]
# ## An outage
#
# Twenty-five questions a second for two seconds and a half; Anthropic is dead for half of the time. **Predict** how
# many of its calls fail.

# %%
failed = predict("Thirty questions come while Anthropic is dead. How many calls reach it in that time?", guess=30)
lost = predict("And how many people get no answer?", guess=30)

# %%
for provider in ("anthropic", "openai"):
    lab.latency(provider, first_token_ms=30)
lab.fault("anthropic", "status", status=503, at_s=0.3, for_s=1.2)
begun = time.time()
people = [f"acme-p{n % 35}" for n in range(60)]
outage = lab.ask_many((f"What is event {n}?" for n in range(60)), user=people, at_once=60, every_s=0.04)
lab.until(
    lambda: lab.breakers()["anthropic"] == "closed" or not lab.ask("Are you back?", temperature=0.8),
    "a circuit that is closed again",
)
over = time.time()
calls = lab.ledger()
failed.check(int((calls["status"] == 503).sum()))
lost.check(sum(not answer.ok for answer in outage))

# %%
events = lab.sql(f"select provider, state, epoch(time) as t from breaker_events where epoch(time) >= {begun}")
breaker_strip(
    events,
    began_s=begun,
    until_s=over,
    faults=lab.faults(),
    calls=calls,
    title="An outage: five failures, then one probe each half second",
)

# %% [markdown]
# Read it from the left. *Closed*: calls go through. Five failures in a row *open* the circuit, and nobody calls. After
# the cool-down it is *half-open* for as long as one probe takes: a red tick, and it opens again; a dark one, and it
# closes. What the people saw of it:

# %%
sources_over_time(outage.frame(), faults=lab.faults(), bin_s=0.25, began_s=begun, title="The same outage, from outside")

# %% [markdown]
# ## The moment that matters
#
# The cool-down is over. Nobody knows yet whether the provider is back, and if it is, it has just come up. Forty people
# ask in this very moment, at two workers that share nothing but Valkey. Anthropic takes the calls and stays silent, so
# that whoever is let through is there for all to see. **Predict** how many calls get through.

# %%
CROWD = 40
probes = predict(f"Of {CROWD} who ask at once when the cool-down is over, how many call the provider?", guess=2)


def most_at_once(rows):
    """How many of these calls were under way at the same time, at most."""
    marks = [(t, 1) for t in rows["t"]] + [
        (t + lasted, -1) for t, lasted in zip(rows["t"], rows["duration_s"], strict=True)
    ]
    now, most = 0, 0
    for _, step in sorted(marks):
        now += step
        most = max(most, now)
    return most


def anthropic():
    """The circuit of Anthropic, as the service tells it."""
    rows = lab.http("GET", "/admin/breakers", user="admin").body["breakers"]
    return next(row for row in rows if row["provider"] == "anthropic")


# %%
lab.reset()
lab.latency("openai", first_token_ms=30)
lab.fault("anthropic", "status", status=503)
lab.ask_many((f"What is a failure of {n}?" for n in range(6)), at_once=1)
lab.heal()
lab.fault("anthropic", "hang")
lab.until(lambda: anthropic()["state"] == "open" and not anthropic()["probe_in_s"], "the end of the cool-down")
seen = len(lab.ledger("anthropic"))
asked = [f"acme-p{n}" for n in range(CROWD)]
moment = lab.ask_many((f"What is moment {n}?" for n in range(CROWD)), user=asked, at_once=CROWD, explain=True)
ours = lab.ledger("anthropic")[seen:]
probes.check(len(ours))
moment.by("source")

# %% [markdown]
# One, for the fleet. The right to probe is a *lease* in Valkey: who wants it asks one script, which gives it to one.
# The others are told that the circuit is half-open, and take the next rung. If the one who has the lease dies, it
# expires, and another may try.

# %%
Counter(
    next(
        step["decision"]
        for step in answer.path
        if step["stage"] == "breaker" and step["inputs"]["provider"] == "anthropic"
    )
    for answer in moment
)

# %% [markdown]
# ## The same moment, with libraries
#
# Two breakers that one may well use instead: [purgatory](https://github.com/mardiros/purgatory) and
# [pybreaker](https://github.com/danielfm/pybreaker), both with their state in the same Valkey, both as two replicas of
# twenty threads. Five failures, a cool-down of two seconds, then forty at once at the silent provider. **Predict.**

# %%
of_purgatory = predict("How many calls does purgatory let through?", guess=1)
of_pybreaker = predict("And pybreaker?", guess=1)

# %%
QUESTION = {"model": "claude-haiku-5-5", "max_tokens": 8, "messages": [{"role": "user", "content": "What is a probe?"}]}
HEADERS = {"content-type": "application/json", "x-api-key": "any", "anthropic-version": "2023-06-01"}
COOLDOWN_S = 2


def knock(caller):
    """One call to Anthropic; `caller` is how the ledger knows whose it was."""
    headers = {**HEADERS, "x-request-id": caller}
    answer = wire.exchange(lab.urls["anthropic"], "POST", "/v1/messages", json.dumps(QUESTION), headers, timeout_s=1.5)
    if answer.status != 200:
        raise ConnectionError(answer.status)


class Purgatory:
    """A replica: state in Valkey, read before each call and written after it. (Only its async half works on Redis.)"""

    def __init__(self, circuit):
        self.circuit = circuit

    async def _with(self, do, ready=lambda: None):
        store = AsyncRedisUnitOfWork(lab.urls["valkey"])
        factory = AsyncCircuitBreakerFactory(default_threshold=5, default_ttl=COOLDOWN_S, uow=store)
        await factory.initialize()
        await store.contexts.redis.ping()  # so that it is connected when it is time
        ready()
        try:
            return await do(await factory.get_breaker(self.circuit))
        finally:
            await store.contexts.redis.aclose()

    def call(self, caller, ready):
        """Let the breaker decide, in an event loop of this thread's own; `ready` returns when it is time."""

        async def guarded(breaker):
            async with breaker:
                knock(caller)

        asyncio.run(self._with(guarded, ready))

    def state(self):
        """As it stands in Valkey."""

        async def told(breaker):
            return breaker.context.state

        with ThreadPoolExecutor(1) as thread:  # a notebook's own thread has a loop already
            return thread.submit(asyncio.run, self._with(told)).result()


class Pybreaker:
    """A replica: state in Valkey, and a lock around each call."""

    def __init__(self, circuit):
        store = redis.Redis.from_url(lab.urls["valkey"])
        storage = pybreaker.CircuitRedisStorage(pybreaker.STATE_CLOSED, store, namespace=circuit)
        self.breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=COOLDOWN_S, state_storage=storage)

    def call(self, caller, ready):
        """Let the breaker decide."""
        ready()
        self.breaker.call(knock, caller)

    def state(self):
        """As it stands in Valkey."""
        return self.breaker.current_state


LIBRARIES = {"purgatory": Purgatory, "pybreaker": Pybreaker}


def attempt(replica, caller, ready=lambda: None):
    try:
        replica.call(caller, ready)
    except Exception as error:  # noqa: BLE001 - each library has its own, and calls fail
        return type(error).__name__
    return "answered"


def in_turn(name, replicas, count):
    """One after the other."""
    with ThreadPoolExecutor(1) as thread:
        list(thread.map(attempt, replicas * count, [f"{name}/{n}" for n in range(count)]))


def all_at_once(name, replicas, count):
    """So many threads, spread over the replicas, in one moment; the calls of theirs that reached the provider."""
    start = threading.Barrier(count, timeout=60)

    def one(n):
        attempt(replicas[n % len(replicas)], f"{name}/{n}", start.wait)

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(one, range(count)))
    rows = lab.ledger("anthropic")
    return rows[rows["request_id"].str.startswith(f"{name}/")]


# %%
lab.reset()
lab.fault("anthropic", "status", status=503)
fleets = {name: [library("of-two"), library("of-two")] for name, library in LIBRARIES.items()}
for name, replicas in fleets.items():
    in_turn(f"open-{name}", replicas, 5)
cooled = time.monotonic() + COOLDOWN_S + 0.1
print({name: replicas[0].state() for name, replicas in fleets.items()})

# %% [markdown]
# While they cool down there is time for two more questions, with circuits of their own. What does such a breaker cost
# on a good day: of twelve calls in the same moment, how many are under way together? And what does it make of ten calls
# that are refused because the *caller* is wrong (400)?

# %%
lab.heal()
lab.latency("anthropic", first_token_ms=60)
busy = {name: [library("well"), library("well")] for name, library in LIBRARIES.items()}
well = {name: all_at_once(f"well-{name}", replicas, 12) for name, replicas in busy.items()}
lab.close_circuits()
known = len(lab.ledger("anthropic"))
lab.ask_many((f"What is health {n}?" for n in range(12)), user=asked[:12], at_once=12)
well["ours"] = lab.ledger("anthropic")[known:]

lab.fault("anthropic", "status", status=400)
strict = {name: [library("caller")] for name, library in LIBRARIES.items()}
for name, replicas in strict.items():
    in_turn(f"400-{name}", replicas, 10)
wrong = lab.ask_many((f"What is wrong {n}?" for n in range(10)), user=asked[:10], at_once=1)
after = {name: replicas[0].state() for name, replicas in strict.items()} | {"ours": lab.breakers()["anthropic"]}

# %% [markdown]
# Now the moment: forty at once, and the provider is silent.

# %%
lab.heal()
lab.fault("anthropic", "hang")
time.sleep(max(0.0, cooled - time.monotonic()))
at_half_open = {name: all_at_once(name, replicas, CROWD) for name, replicas in fleets.items()}
at_half_open["ours"] = ours
of_purgatory.check(len(at_half_open["purgatory"]))
of_pybreaker.check(len(at_half_open["pybreaker"]))

# %%
lanes = []
for name, rows in at_half_open.items():
    first = float(rows["t"].min())
    for n, (t, lasted) in enumerate(zip(rows["t"], rows["duration_s"], strict=True)):
        lane = f"{name} {n + 1}" if name != "ours" else "this service"
        lanes.append({"lane": lane, "what": name, "began_s": t - first, "ended_s": t - first + lasted})
shown = [row for row in lanes if not (row["what"] == "purgatory" and int(row["lane"].split()[1]) > 12)]
swim_lanes(
    shown,
    colours={"purgatory": VERMILLION, "pybreaker": GREY, "ours": BLUE},
    title=f"Half-open: who calls a provider that may just have come back ({CROWD} want to)",
    subtitle=f"each bar is a call that reached it; of purgatory's {len(at_half_open['purgatory'])} a dozen are shown",
)

# %% [markdown]
# purgatory reads the state, calls, and writes the state afterwards: whoever reads before the first has come back reads
# *open, and long enough*, and goes. pybreaker holds a lock for the whole call, so in one process nobody can be second;
# but each process has a lock of its own, hence as many probes as replicas. Both do for a single script; for a fleet the
# right to probe has to be given away in one step.

# %%
compared = pd.DataFrame(
    [
        {
            "breaker": name,
            "half-open: calls let through": len(at_half_open[name]),
            "at the same time": most_at_once(at_half_open[name]),
            "healthy: of 12 at the same time": most_at_once(well[name]),
            "after ten 400s": after[name],
        }
        for name in ("purgatory", "pybreaker", "ours")
    ]
)
compared

# %% [markdown]
# The lock of pybreaker has a price on good days, too: one call at a time in each process, however slow the provider.
#
# And a 400 is an answer: the provider is there, and it is right. A breaker that counts it lets one user with a broken
# client shut out everybody. Both libraries can be told what to leave out; one has to know that one must.

# %% [markdown]
# ## What to say instead
#
# A ladder of answers, each with its own condition. **Predict** the `source` of each.

# %%
cases = {
    "Anthropic is dead": "message",
    "all are well, but there are only 1.2 s": "message",
    "both are dead, and it was asked before": "message",
    "both are dead, and it is new": "message",
}
guesses = {case: predict(f"{case}: from where does the answer come?", guess) for case, guess in cases.items()}

# %%
lab.reset()
lab.latency("openai", first_token_ms=10)
hurry = lab.http("POST", "/chat", {"text": "What is a hurry?"}, headers={"X-Deadline-Ms": "1200"})
lab.ask("What is a ladder?")
lab.fault("anthropic", "status", status=503)
other = lab.ask("What is a detour?")
lab.fault("openai", "status", status=503)
old = lab.until(lambda: (got := lab.ask("What is a ladder?")).source != "cache" and got, "an answer that is old")
new = lab.ask("What is a dead end?")
rungs = dict(zip(cases, (other, hurry, old, new), strict=True))
for case, guess in guesses.items():
    guess.check(rungs[case].source)
pd.DataFrame(
    [
        {"case": case, "status": a.status, "source": a.source, "degraded": a.degraded, "Retry-After": a.retry_after_s}
        for case, a in rungs.items()
    ]
).set_index("case")

# %% [markdown]
# Every one of them says what it is. The last one, in the form of any other answer, is a 503 with the time to come back:
# when the first circuit lets its probe through. What it does not do is make something up, or say 200.

# %%
print(new.answer)

# %% [markdown]
# ## Where does the breaker belong?
#
# Often it is drawn around the retries. Here it stands inside: each *try* asks it, and an open circuit is never retried.
# The order of the stages is a setting, so three services stand side by side: ten questions, a dead provider, four tries
# each. **Predict** the calls to the dead provider.

# %%
ORDERS = {
    "inside retry (ours)": ("cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead"),
    "around retry": ("cache", "rate_limit", "fallback", "breaker", "retry", "bulkhead"),
    "around fallback": ("cache", "rate_limit", "breaker", "fallback", "retry", "bulkhead"),
}
placed = {name: predict(f"The breaker {name}: calls to the dead provider?", guess=5) for name in ORDERS}


def ten_questions(here):
    here.reset()
    here.latency("openai", first_token_ms=5)
    here.fault("anthropic", "status", status=503)
    here.ask_many((f"What is order {n}?" for n in range(10)), at_once=1)
    return {"calls": len(here.ledger("anthropic")), "circuit": here.breakers()["anthropic"]}


def in_order(order):
    settings = {**OURS, "breaker.cooldown_s": 30, "routes.default.deadline_s": 30, "order": json.dumps(order)}
    with workbench(settings=settings, workers=1) as other:
        return ten_questions(other)


# %%
inside, *others = ORDERS.values()
with ThreadPoolExecutor(2) as starting:
    found = [ten_questions(lab), *starting.map(in_order, others)]
orders = pd.DataFrame(found, index=list(ORDERS)).rename_axis("breaker").reset_index()
for name, guess in placed.items():
    guess.check(int(orders.set_index("breaker").loc[name, "calls"]))
bars = alt.Chart(orders).encode(
    x=alt.X("calls:Q", title="calls to the dead provider", scale=alt.Scale(domainMax=55)),
    y=alt.Y("breaker:N", sort=None, title=None),
)
said = bars.transform_calculate(words="datum.calls + ' calls; then the circuit was ' + datum.circuit")
titled(
    bars.mark_bar(color=BLUE, height=16) + said.mark_text(align="left", dx=5).encode(text="words:N"),
    "The same stages in another order",
    "ten questions, one after the other, four tries each; five failures in a row open the circuit",
    height=120,
)

# %% [markdown]
# Around the retries a failure is four failed calls, so five of those are twenty calls. Around the fallback nothing ever
# fails: somebody always answers, and the breaker is the last to hear of the outage.

# %% [markdown]
# ## Try yourself
#
# Anthropic fails three calls out of four, by chance. Does its circuit open? How often does it close again although
# nothing is mended, and is that bad? Change the share, and draw the strip.

# %%
lab.reset()
for provider in ("anthropic", "openai"):
    lab.latency(provider, first_token_ms=30)
lab.fault("anthropic", "status", status=503, share=0.75)
yours = lab.ask_many((f"What is luck {n}?" for n in range(30)), user=asked[:30], at_once=5)
dict(yours.by("source")), len(lab.ledger("anthropic")), lab.breakers()["anthropic"]

# %% [markdown]
# ## What held

# %%
assert all(answer.ok for answer in outage), "an outage of one provider is nobody's outage"
assert set(outage.by("source")) == {"live", "provider"}
assert {"open", "half_open", "closed"} <= set(events["state"])
assert most_at_once(ours) == 1, "one probe at a time, for the fleet"
assert moment.by("provider") == {"openai": CROWD}
table = compared.set_index("breaker")
assert table.loc["purgatory", "at the same time"] > 2 >= table.loc["pybreaker", "at the same time"]
assert table.loc["pybreaker", "healthy: of 12 at the same time"] <= 2
assert (table["after ten 400s"] == "closed").to_dict() == {"purgatory": False, "pybreaker": False, "ours": True}
assert wrong.by("status") == {400: 10}, "ten times its own fault, ten times told so"
assert [answer.source for answer in rungs.values()] == ["provider", "smaller_model", "stale", "message"]
assert new.status == 503
assert new.retry_after_s >= 1
by_order = orders.set_index("breaker")
assert by_order.loc["inside retry (ours)", "calls"] < by_order.loc["around retry", "calls"] == 20
assert (by_order.loc["around fallback", "calls"], by_order.loc["around fallback", "circuit"]) == (40, "closed")
assert all(answer.ok for answer in yours)

# %% [markdown]
# Next: `05_streaming`, where an answer may fail in its middle.
