# %% [markdown]
# # 01 · The cache: the same question once
#
# What makes two questions the same, what happens when a hundred people ask it at the same moment, what a cache is
# good for when all providers are dead, and what it saves in dollars. Chapter, sections 4 and 6.
#
# About 20 minutes.

# %%
import random

import pandas as pd

from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures import histogram, swim_lanes
from notebooks.pictures.sources_over_time import SOURCES

# %%
with workbench(settings={"admission_lag_s": 60}) as lab:
    lab.keep()

lab

# %% [markdown]
# ## A hit
#
# The first answer comes from a model, the second from Valkey: a hundred times as fast, and for nothing.

# %%
question = "What is a circuit breaker?"
miss = lab.ask(question)
hit = lab.ask(question)
print(miss, hit, sep="\n")
print(f"${miss.cost_usd:.6f} and then ${hit.cost_usd:.6f}")

# %% [markdown]
# ## What makes two questions the same?
#
# The key is a hash of everything that changes the answer, and of whose it is. Too little in it, and somebody gets an
# answer that is not his. Too much, and nothing is ever found.
#
# **Predict first.** Each line below is asked once, with the question from above still in the cache. Which of them reach
# the provider? Say how many.

# %%
variants = {
    "the same again": {},
    "another person of the tenant": {"user": "acme-carol"},
    "another tenant": {"user": "bob"},
    "one letter more": {"text": question + "?"},
    "shorter answers": {"max_tokens": 64},
    "temperature 0": {"temperature": 0.0},
    "temperature 0.8": {"temperature": 0.8},
    "temperature 0.8 again": {"temperature": 0.8},
    "temperature 0.8, seed 1": {"temperature": 0.8, "seed": 1},
    "temperature 0.8, seed 1 again": {"temperature": 0.8, "seed": 1},
    "later in a conversation": {"thread_id": lab.ask("Good morning!").thread_id},
}
reach = predict(f"Of these {len(variants)}, how many reach the provider?", guess=5)

# %%
rows = []
for name, more in variants.items():
    answer = lab.ask(**{"text": question, "explain": True, **more})
    why = next(step for step in answer.path if step["stage"] == "cache")
    called = len(lab.ledger(request_id=answer.request_id))
    rows.append({"asked": name, "cache": why["decision"], "why": why["inputs"].get("why", ""), "calls": called})
keys = pd.DataFrame(rows)
reach.check(int(keys["calls"].sum()))
keys

# %% [markdown]
# Three things to notice. Carol gets what Alice paid for, since they share a tenant; Bob, of another one, never sees
# it. Above temperature 0 the model is asked for variety, so an answer is kept only when a seed says which one. And
# the same words in a conversation are another question, since the history is part of it.

# %% [markdown]
# ## A hundred at once
#
# An hour passes, the answer is stale, and a hundred people ask in the same moment. A cache that looks, finds nothing
# and calls does that a hundred times: the thundering herd.

# %%
herd = predict("A hundred people ask at once, nothing is cached. How many calls reach the provider?", guess=100)

# %%
lab.reset()
crowd = lab.ask_many(["What does a bulkhead protect?"] * 100, at_once=100)
herd.check(len(lab.ledger()))
print(crowd)
print(dict(crowd.by("worker")), "answers by worker process")

# %% [markdown]
# One. Whoever comes first leads, the others wait for his answer (*single flight*), in the other worker process too:
# there a lease in Valkey says that somebody is on it. The picture shows some of them, the leader at the top.

# %%
begun = min(answer.began_s for answer in crowd)
some = sorted(crowd, key=lambda answer: (answer.source != "live", answer.began_s))[:12]
swim_lanes(
    [
        {
            "lane": f"client {n + 1}",
            "what": answer.source,
            "began_s": answer.began_s,
            "ended_s": answer.began_s + answer.ms / 1000,
            "words": "called the provider" if answer.source == "live" else "waited for the leader's answer",
        }
        for n, answer in enumerate(some)
    ],
    began_s=begun,
    colours=SOURCES,
    title="Twelve of a hundred, and one call",
    subtitle="each bar is a person waiting; all are answered when the leader is",
)

# %% [markdown]
# And without a cache? Switch the stage off for the whole fleet, and let each of a hundred people (with buckets of their
# own) ask again.

# %%
lab.reset()
lab.stages(cache=False)
people = [f"acme-p{n}" for n in range(100)]
bare = lab.ask_many(["What does a bulkhead protect?"] * 100, at_once=100, user=people)
without = len(lab.ledger())
lab.stages(cache=True)
print(f"{without} calls, ${lab.ledger()['billed_nano_usd'].sum() / 1e9:.4f}; with the cache one call")

# %% [markdown]
# ## What it saves
#
# Questions of real people repeat. Here are 300, of which a few are asked by nearly everybody (Zipf's law: the second
# most popular one is asked half as often as the first). All money is told per request, what was spent and what was
# saved.

# %%
lab.reset()
topics = ["jitter", "a bulkhead", "a circuit breaker", "idempotency", "a token bucket", "back-pressure", "a deadline"]
topics += [f"rule {n} of the handbook" for n in range(1, 34)]
popularity = [1 / rank for rank in range(1, len(topics) + 1)]
asked = random.Random(7).choices(topics, popularity, k=300)
hits = predict("Of 300 questions, what share is answered without a call, in percent?", guess=50)

# %%
day = lab.ask_many((f"What is {topic}?" for topic in asked), at_once=8, user=[f"acme-p{n}" for n in range(300)])
money = lab.sql(f"""
    select source, count(*) as answers, round(median(duration_ms), 1) as median_ms,
        sum(cost_usd) as spent_usd, sum(saved_nano_usd) / 1e9 as saved_usd
    from requests where endpoint = '/chat' and t >= {lab.since}
    group by source order by answers desc
""")
hits.check(100 * (1 - len(lab.ledger()) / len(day)), "%")
money

# %%
histogram(
    [
        {"ms": answer.ms, "from": "answered by a provider" if answer.source == "live" else "answered by the cache"}
        for answer in sorted(day, key=lambda answer: answer.source != "live")
    ],
    value="ms",
    label="from",
    unit="milliseconds",
    log=True,
    title="Two kinds of waiting",
    subtitle="300 questions by how long they took; the slow ones of the cache waited for a call that was under way",
)

# %% [markdown]
# ## Try yourself
#
# The chapter says that 30 to 70 % of requests should be hits. What if every question ends with the time of day, as
# some front ends add it for the model's good? Change what is asked below, guess the share, run. And what would you do
# about it?

# %%
lab.reset()
yours = lab.ask_many((f"What is {topic}?" for topic in asked[:40]), at_once=4, user=[f"acme-q{n}" for n in range(40)])
f"{100 * (1 - len(lab.ledger()) / len(yours)):.0f} % were answered without a call"

# %% [markdown]
# ## When everybody is dead
#
# A kept answer is fresh for an hour and kept for a day. To see that hour pass we start another lab, in which it lasts a
# second: `settings` are the service's own. Then both providers die.
#
# **Predict.** `cache`, `stale`, `message` (an apology, with the time to come back), or nothing at all?

# %%
with workbench(settings={"cache.fresh_s": 1.0, "admission_lag_s": 60}) as lab:
    lab.keep()  # the lab from before ends

known, unknown = "What is idempotency?", "What is a dead letter?"
lab.ask(known)
for provider in ("anthropic", "openai"):
    lab.fault(provider, "status", status=503)
old_from = predict("Asked before, an hour ago: where does its answer come from?", guess="message")
new_from = predict("Never asked before?", guess="nothing")

# %%
old = lab.until(lambda: (answer := lab.ask(known)).source != "cache" and answer, "an answer that is no longer fresh")
new = lab.ask(unknown)
old_from.check(old.source)
new_from.check(new.source)
print(old, new, sep="\n")

# %% [markdown]
# An old answer, labelled as old, is often better than none: RFC 5861 calls it *stale-if-error*. Where nothing is
# kept, the honest message says so, with a 503 and `Retry-After`, in the same form as any other answer. What the
# service never does is to keep an apology in the cache, where it would outlive the outage.

# %%
print(new.status, f"come back in {new.retry_after_s:.0f} s", old.degraded, sep="\n")

# %% [markdown]
# ## What held

# %%
assert (miss.source, hit.source, hit.cost_usd) == ("live", "cache", 0)
called = keys.set_index("asked")["calls"]
assert called["the same again"] == called["another person of the tenant"] == 0
assert called["another tenant"] == called["temperature 0.8"] == called["temperature 0.8 again"] == 1
assert (called["temperature 0.8, seed 1"], called["temperature 0.8, seed 1 again"]) == (1, 0)
assert called["later in a conversation"] == 1
assert crowd.by("status") == {200: 100}
assert crowd.by("source")["live"] == 1, "one led, the others got what it brought"
assert without == 100
assert (old.source, new.source, new.status) == ("stale", "message", 503)
by_source = money.set_index("source")
assert set(by_source.index) <= {"live", "cache", "shared"}
assert by_source["saved_usd"].sum() > by_source["spent_usd"].sum() > 0, "more was saved than spent"

# %% [markdown]
# Next: `02_limits_and_backpressure`, for the day on which they all ask something else.
