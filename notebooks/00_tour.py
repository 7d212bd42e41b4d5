# %% [markdown]
# # 00 · The tour: one call runs the gauntlet
#
# You ask one question and follow it: through the stages of the service, out to a provider, into three books. Then you
# take the provider away and ask again. At the end you know your way around everything that the other notebooks use.
#
# About 15 minutes. Nothing here costs anything: the providers are played on this machine, over real HTTP.

# %%
from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures import waterfall

# %% [markdown]
# ## Start everything
#
# One call starts the chat service with two workers, a Valkey for its state, a simulator that plays Anthropic and
# OpenAI, and a collector that listens. `lab.keep()` lets all of it live on when the block is left: until this kernel
# ends.

# %%
with workbench() as lab:
    lab.keep()

lab

# %% [markdown]
# ## Ask
#
# `source` says where an answer came from, `degraded` what was not as wished. `live` and nothing degraded: all is well.

# %%
first = lab.ask("Why do retries need jitter?", explain=True)
first

# %% [markdown]
# With `explain` the service says which way the question took: each stage's decision, and from what it was made.

# %%
first.steps()

# %% [markdown]
# Six stages around one call: `cache`, `rate_limit`, `fallback`, `retry`, `breaker`, `bulkhead`. The cache speaks twice,
# before the call (nothing kept) and after it (keep this). The same story as a picture, from the trace that the service
# sent to the collector; bars inside bars are stages inside stages.

# %%
waterfall(lab.trace(first), "A question that nobody has asked before")

# %% [markdown]
# ## The truth is at the provider
#
# What the service says of itself is one thing. The simulator keeps a ledger of each call that reached it, and that is
# what these notebooks believe. One question, one call:

# %%
lab.ledger()[["target", "endpoint", "model", "attempt", "status", "input_tokens", "output_tokens", "billed_nano_usd"]]

# %%
assert len(lab.ledger()) == 1
assert lab.ledger().loc[0, "request_id"] == first.request_id

# %% [markdown]
# ## Take the provider away
#
# From now on Anthropic answers every call with 503. You are about to ask six questions, one after the other.
#
# **Predict first.** Put your own numbers in, then run on.

# %%
lost = predict("Of six questions, how many get no answer?", guess=6)
knocks = predict("How many calls reach the dead provider?", guess=6)

# %%
lab.reset()
lab.fault("anthropic", "status", status=503)
questions = ["jitter", "a circuit breaker", "a bulkhead", "idempotency", "back-pressure", "a token bucket"]
outage = lab.ask_many((f"What is {what}?" for what in questions), at_once=1, explain=True)
outage

# %%
calls = lab.ledger()
lost.check(sum(not answer.ok for answer in outage))
knocks.check(int((calls["target"] == "anthropic").sum()))

# %% [markdown]
# Nobody went without an answer. The first question was retried, then went on to the next rung of the ladder, OpenAI.
# After five failures in a row the circuit opened: the questions after that did not knock at all, which is why they
# were quick.

# %%
outage.frame()[["text", "source", "degraded", "provider", "ms"]].round()

# %%
waterfall(lab.trace(outage[0]), "The first question of the outage: tries, waits, and the other provider")

# %%
waterfall(lab.trace(outage[-1]), "The last one: the open circuit costs it nothing")

# %% [markdown]
# ## Ask in SQL
#
# All of this was told to the collector. A question in SQL waits until everything that was done here has arrived, so you
# need no patience and no luck. `lab.tables()` lists what there is.

# %%
lab.sql(f"""
    select target, attempts.status, count(*) as calls, round(avg(attempts.duration_ms)) as ms,
        sum(attempts.cost_nano_usd) / 1e9 as usd
    from attempts join requests using (request_id)
    where requests.t >= {lab.since}
    group by all order by all
""")

# %% [markdown]
# ## Three books
#
# The service wrote down each attempt, the providers each call. Two parties, two books; where they differ by a single
# call, token or nano-dollar, somebody is wrong.

# %%
books = lab.books()
books["verdict"]

# %% [markdown]
# ## Try yourself
#
# Five failures in a row open the circuit. What if half of the calls fail, by chance: are there ever five in a row?
# Change the fault, guess, run.

# %%
lab.reset()
lab.fault("anthropic", "status", status=503, share=0.5)
mine = lab.ask_many((f"Is {n} a prime number?" for n in range(8)), at_once=1)
mine.by("source"), lab.breakers()["anthropic"], len(lab.ledger("anthropic"))

# %% [markdown]
# ## What held

# %%
assert all(answer.ok for answer in outage), "an outage of one provider is nobody's outage"
assert outage.by("source") == {"provider": 6}
assert all(answer.degraded for answer in outage), "and nobody was told that it was the wished answer"
assert (calls["target"] == "openai").sum() == 6
assert 5 <= (calls["target"] == "anthropic").sum() < 8, "five failures in a row, then nobody knocks"
assert books["verdict"] == "balanced"
assert all(answer.ok for answer in mine)

# %% [markdown]
# Next: `01_cache`, where a hundred people ask the same question at the same moment.
