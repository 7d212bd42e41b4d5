# %% [markdown]
# # 02 · Limits and back-pressure: saying no early
#
# A service that takes everything serves nobody. Here you meet four ways to say no: a limit per person, a limit per
# customer, a limit of the provider, and a bound on what is under way. You see who is told what, how quickly, and that a
# refusal costs nothing. Chapter, sections 1 and 7.
#
# About 20 minutes.

# %%
import time

import altair as alt
import pandas as pd

from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures import bucket_levels, histogram, swim_lanes
from notebooks.pictures.look import BLUE, GREY, SKY, VERMILLION, titled

# %% [markdown]
# Each person has a bucket of 20 requests that fills by one a second, each tenant (a customer, with all its people) one
# of 200 that fills by ten. To see that one empty as well we start with a smaller one; and a worker that finds itself
# late would refuse more than is meant here, so it is told to be patient.

# %%
small = {"requests_per_min": 120, "burst": 60, "tokens_per_min": 1_000_000}
settings = {f"rate_limit.tenant.{name}": value for name, value in small.items()}
with workbench(settings={**settings, "admission_lag_s": 60}) as lab:
    lab.keep()

lab

# %% [markdown]
# ## A hundred at once
#
# Alice sends a hundred different questions in one moment. **Predict** how many are answered.

# %%
answered = predict("Of a hundred questions at once, how many are answered?", guess=100)
called = predict("And how many calls reach a provider?", guess=100)

# %%
begun = time.monotonic()
crowd = lab.ask_many((f"What is rule {n}?" for n in range(100)), at_once=100)
took_s = time.monotonic() - begun
answered.check(crowd.by("ok")[True])
called.check(len(lab.ledger()))
dict(crowd.by("status"))

# %% [markdown]
# What was in the bucket, and what dripped in meanwhile. The others were told at once, before anything was spent on
# them, in a form that a machine can obey: 429, `Retry-After` in seconds, and how the bucket stands (`r` is what is
# left, `t` when it is full again; `q` and `w` are its size and the seconds to fill it).

# %%
refused = next(answer for answer in crowd if answer.status == 429)
for name in ("retry-after", "ratelimit", "ratelimit-policy"):
    print(f"{name}: {refused.headers[name]}")
print(refused.body["detail"])

# %% [markdown]
# Twenty came in one moment although the rate is one a second. That is what a token bucket is for: it bounds the mean
# and forgives a burst. And it is one bucket for both workers, for it lives in Valkey, where one script looks and takes
# in one step. A limiter that first looks and then takes would have let far more than twenty through.

# %% [markdown]
# ## The level of a bucket
#
# Two people of one tenant for two seconds: Alice asks 16 times a second, Carol twice. The level is in a header of
# each answer, so a client can slow down before it is refused.


# %%
def quick():
    """Providers that answer at once, so that nobody waits for what is not looked at."""
    for provider in ("anthropic", "openai"):
        lab.latency(provider, first_token_ms=20)


lab.reset()
quick()
who = [("acme-carol" if n % 9 == 0 else "alice") for n in range(40)]
flow = lab.ask_many((f"What is law {n}?" for n in range(40)), user=who, at_once=40, every_s=1 / 18)


def requests_left(answer):
    return int(answer.headers["ratelimit"].split(";")[1].removeprefix("r="))


levels = [{"t": a.began_s + a.ms / 1000, "bucket": a.user, "level": requests_left(a)} for a in flow]
turned_away = [row for row, answer in zip(levels, flow, strict=True) if answer.status == 429]
bucket_levels(
    sorted(levels, key=lambda row: row["t"]),
    refused=[{"t": row["t"]} for row in turned_away],
    capacity=20,
    title="Two buckets: one is asked for more than drips in",
)

# %% [markdown]
# Alice's bucket is empty after little more than a second; from then on she gets what drips in, one a second, as fast as
# she may ask. Carol notices nothing.
#
# What of a client that obeys? It asks until it is refused, waits as long as it was told, asks again.

# %%
told = lab.ask_many((f"What is theorem {n}?" for n in range(25)), at_once=25)
wait_s = next(answer.retry_after_s for answer in told if answer.status == 429)
time.sleep(wait_s)
obeyed = lab.ask("What is theorem 99?")
print(f"told to wait {wait_s:g} s, then: {obeyed}")

# %% [markdown]
# ## A hit costs nothing
#
# Alice empties her bucket once more. Then she asks something that is in the cache, thirty times.

# %%
lab.ask("What is a token bucket?", user="acme-dave")
lab.ask_many((f"What is lemma {n}?" for n in range(25)), at_once=25)
before = len(lab.ledger())
free = predict("Of thirty questions that the cache can answer, how many are answered?", guess=0)

# %%
hits = lab.ask_many(["What is a token bucket?"] * 30)
free.check(hits.by("ok")[True])
hits.by("source"), len(lab.ledger()) - before

# %% [markdown]
# The cache stands outside the limiter: what costs the provider nothing costs the caller nothing. In the other order
# the limit would bound how often people may read.

# %% [markdown]
# ## The noisy neighbour
#
# Thirty people of `acme` ask four things each, all within their own limits. Meanwhile Bob, of `globex`, asks ten.
# **Predict** how many of Bob's questions are refused.

# %%
lab.reset()
quick()
bobs = predict("Of Bob's ten questions, how many are refused?", guess=5)
acmes = predict("And of acme's 120?", guess=0)

# %%
people = [f"acme-p{n % 30}" for n in range(120)]
people = [user for n in range(10) for user in (*people[n * 12 : n * 12 + 12], "bob")]
begun = time.monotonic()
together = lab.ask_many((f"What is case {n}?" for n in range(130)), user=people, at_once=40)
noise_s = time.monotonic() - begun
outcomes = pd.DataFrame(
    {
        "tenant": "globex (Bob)" if answer.user == "bob" else "acme (30 people)",
        "outcome": "answered" if answer.ok else "refused: " + answer.body["bucket"].replace("_", "'s "),
    }
    for answer in together
)
bobs.check(int(((outcomes["tenant"] == "globex (Bob)") & (outcomes["outcome"] != "answered")).sum()))
acmes.check(int(((outcomes["tenant"] != "globex (Bob)") & (outcomes["outcome"] != "answered")).sum()))
titled(
    alt.Chart(outcomes.value_counts().reset_index(name="questions"))
    .mark_bar()
    .encode(
        x=alt.X("questions:Q", title="questions"),
        y=alt.Y("tenant:N", title=None),
        color=alt.Color("outcome:N", scale=alt.Scale(range=[BLUE, VERMILLION])),
        order=alt.Order("outcome:N"),
    ),
    "One tenant is loud, the other hears nothing of it",
    "all at the same time; nobody was over his own limit, which is 20",
    height=90,
)

# %% [markdown]
# Nobody of acme was greedy; together they were, and so the bucket of their tenant ran dry. A limit per person alone
# would have let them take what is Bob's, a limit for all together would have refused him for what others did.

# %% [markdown]
# ## The provider has limits, too
#
# Anthropic now allows us six requests a minute. Twenty people ask, two at a time. Its 429 is not ours: nobody here did
# too much. **Predict** how many people see a 429, and how many calls Anthropic has to refuse.

# %%
lab.reset()
quick()
lab.quota("anthropic", requests_per_min=6)
seen = predict("How many people are told 429?", guess=14)
knocks = predict("How many calls does Anthropic refuse?", guess=14)

# %%
quota = lab.ask_many((f"What is clause {n}?" for n in range(20)), user=[f"acme-q{n}" for n in range(20)], at_once=2)
calls = lab.ledger()
seen.check(quota.by("status")[429])
knocks.check(int((calls["status"] == 429).sum()))
calls.groupby(["target", "status"]).size().rename("calls").reset_index()

# %% [markdown]
# Nobody, and hardly any. The first 429 said when to come back; that is noted in Valkey as a *pause* of this provider
# for the whole fleet, so others need not find out for themselves, and they go to the next rung at once. A 429 is no
# failure, so the circuit stays closed.

# %%
later = lab.ask("What is clause 99?", user="acme-late", explain=True)
print(next(step for step in later.path if step["stage"] == "breaker"))
later

# %% [markdown]
# ## Back-pressure
#
# Rates say who may ask how often. They say nothing of how much is under way: if answers suddenly take ten times as
# long, the same rate holds ten times the connections, memory and patience. So each worker bounds what it has in flight
# (512; here 12) and each provider's share of it (256; here 2 for Anthropic). The token bucket is small as well, and an
# answer has two and a half seconds.

# %%
with workbench(
    settings={
        "admission": 12,
        "admission_lag_s": 60,
        "providers.anthropic.bulkhead": 2,
        "rate_limit.user.requests_per_min": 60,
        "rate_limit.user.burst": 20,
        "rate_limit.user.tokens_per_min": 3000,
        "routes.default.deadline_s": 2.5,
    }
) as lab:
    lab.keep()  # the lab from before ends

# %% [markdown]
# A hundred people ask in one moment, and an answer takes half a second. **Predict** how many are answered.

# %%
for provider in ("anthropic", "openai"):
    lab.latency(provider, first_token_ms=500)
inside = predict("Two workers, 12 in flight each. Of a hundred at once, how many are answered?", guess=100)

# %%
flood = lab.ask_many((f"What is page {n}?" for n in range(100)), user=[f"acme-p{n}" for n in range(100)], at_once=100)
alive = lab.http("GET", "/health")
inside.check(flood.by("ok")[True])
print(dict(flood.by("status")), "and /health", alive.status)
full = next(answer for answer in flood if not answer.ok)
print(f"503, Retry-After {full.retry_after_s:g}: {full.answer}")

# %%
histogram(
    [
        {"ms": answer.ms, "what": "answered" if answer.ok else "refused: 503"}
        for answer in sorted(flood, key=lambda answer: not answer.ok)
    ],
    value="ms",
    label="what",
    unit="milliseconds",
    title="A full house says so at the door",
    subtitle="a hundred people at once; the client, too, needs a while to send a hundred requests",
)

# %% [markdown]
# The alternative is a queue, and in a queue all hundred would have waited, most of them longer than they have patience,
# while the service works for people who are gone. A quick no lets a client go elsewhere, or come back when it was told.

# %% [markdown]
# ## One sick provider cannot take the house
#
# Anthropic now takes calls and says nothing. Twelve people ask at once. Without a bulkhead each would find that out by
# himself. **Predict** how many have to.

# %%
lab.reset()
quick()
lab.fault("anthropic", "hang")
stuck = predict("Of twelve people, how many wait for the provider that hangs?", guess=12)

# %%
sick = lab.ask_many((f"What is door {n}?" for n in range(12)), user=[f"acme-p{n}" for n in range(12)], at_once=12)
hung = lab.ledger("anthropic")
stuck.check(len(hung))
waited = {True: "waited for Anthropic", False: "went to OpenAI at once"}
lanes = [(answer, waited[answer.request_id in set(hung["request_id"])]) for answer in sick]
swim_lanes(
    [
        {
            "lane": f"person {n + 1}",
            "what": what,
            "began_s": answer.began_s,
            "ended_s": answer.began_s + answer.ms / 1000,
            "words": ", ".join(answer.degraded),
        }
        for n, (answer, what) in enumerate(sorted(lanes, key=lambda lane: (lane[1], lane[0].ms)))
    ],
    colours=dict(zip(waited.values(), (GREY, SKY), strict=True)),
    title="A provider that hangs, and two slots for it in each worker",
    subtitle="everybody is answered by OpenAI; words: why not by Anthropic",
)

# %% [markdown]
# ## A debt that is paid back
#
# How many tokens a question costs is known when its answer is there, which is too late to refuse it. So an estimate is
# *reserved* (the text, and half of the longest answer allowed) and then *settled*. Eve's bucket holds 3,000 tokens.
# She asks eight questions at once, later eight one after the other. Each answer takes some 60 tokens. **Predict.**

# %%
lab.reset()
lab.latency("anthropic", first_token_ms=700)
side_by_side = predict("Eight at once: how many are answered?", guess=8)
in_turn = predict("Eight in turn: how many?", guess=8)

# %%
at_once = lab.ask_many((f"What is stone {n}?" for n in range(8)), user="acme-eve", at_once=8, explain=True)
lab.latency("anthropic", first_token_ms=20)
one_by_one = lab.ask_many((f"What is step {n}?" for n in range(8)), user="acme-finn", at_once=1, explain=True)
side_by_side.check(at_once.by("ok")[True])
in_turn.check(one_by_one.by("ok")[True])
taken = [next(step for step in answer.path if step["stage"] == "rate_limit")["inputs"] for answer in one_by_one]
usage = [answer.body["usage"] for answer in one_by_one]
pd.DataFrame(taken)[["estimate", "tokens_left"]].assign(used=[u["input_tokens"] + u["output_tokens"] for u in usage])

# %% [markdown]
# `tokens_left` is what remained right after the reservation. From one line to the next it falls by no more than was
# really used, for what was reserved beyond that is paid back. At once, five reservations are all that the bucket bears.
# A smaller `max_tokens` reserves less, so a client that says how long an answer it needs may ask more at once.

# %% [markdown]
# ## Try yourself
#
# Eve asks her eight again, with a limit on the length of her answers. Which `max_tokens` lets all eight through at
# once? And what should a service do with an answer that was cut short by it: keep it in the cache, or not?

# %%
lab.reset()
lab.latency("anthropic", first_token_ms=400)
short = lab.ask_many((f"What is stone {n}?" for n in range(8)), user="acme-eve", at_once=8, max_tokens=800)
short.by("status")

# %% [markdown]
# ## What held

# %%
assert set(crowd.by("status")) == {200, 429}
assert 20 <= crowd.by("ok")[True] <= 20 + took_s + 1, "a burst, and one a second"
assert all(answer.retry_after_s >= 1 for answer in crowd if answer.status == 429)
assert all(answer.ok for answer in flow if answer.user == "acme-carol")
assert obeyed.ok, "who waits as long as he is told is served"
assert hits.by("source")["cache"] == 30
assert not any(answer.status == 429 for answer in together if answer.user == "bob")
assert {answer.body["bucket"] for answer in together if not answer.ok} == {"tenant_requests"}
acme_answered = sum(answer.ok for answer in together if answer.user != "bob")
assert 60 <= acme_answered <= 60 + 2 * noise_s + 1, "the burst, and two a second"
assert quota.by("status") == {200: 20}, "the provider's 429 is nobody's 429"
assert 1 <= (calls["status"] == 429).sum() <= 4, "one asks and all know"
assert set(flood.by("status")) == {200, 503}
assert alive.status == 200
assert all(answer.retry_after_s for answer in flood if not answer.ok)
assert sick.by("status") == {200: 12}
assert len(hung) <= 4, "two slots in each of two workers"
assert sick.by("provider") == {"openai": 12}
assert at_once.by("status")[429] >= 1
assert one_by_one.by("status") == {200: 8}

# %% [markdown]
# Next: `03_retries`, for what is refused or fails and may be asked again.
