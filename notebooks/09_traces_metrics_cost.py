# %% [markdown]
# # 09 · Traces, metrics, logs, and what it cost
#
# Some traffic goes through the service, with two quarrels in it. Afterwards you ask: where did the time go,
# what did the slowest one wait for, who spent what and on what, what did the cache save, and can all of this be
# believed? Chapter, section 7.
#
# About 20 minutes.

# %%
import hmac
import random

import altair as alt
import pandas as pd

from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures import waterfall
from notebooks.pictures.look import BLUE, ORANGE, PURPLE, SKY, VERMILLION, scale, titled

# %% [markdown]
# Two settings are not the usual ones: of ordinary requests a worker keeps one trace a second (usually ten), and spans
# hold what was said (usually they don't).

# %%
with workbench(settings={"telemetry.ordinary_per_s": 1, "capture_content": "true"}) as lab:
    lab.keep()

lab

# %% [markdown]
# ## Traffic
#
# Three tenants, of which one is large; two routes, of which one is cheap; questions that repeat. Then the quarrels: for
# a while Anthropic breaks off two answers in five and bills them all the same, and then it is out altogether. Three
# people leave in the middle of a stream.

# %%
dice = random.Random(7)
topics = [f"rule {n} of the handbook" for n in range(60)]
lab.latency("anthropic", first_token_ms=60, per_token_ms=1, sigma=0.4)
lab.latency("openai", first_token_ms=90, per_token_ms=1, sigma=0.4)
answers = []


def traffic(count: int, topics: list[str], **more: object) -> None:
    """So many questions: some are popular, and each comes from one of the tenants' people."""
    popularity = [1 / rank for rank in range(1, len(topics) + 1)]
    texts = [f"What does {topic} say?" for topic in dice.choices(topics, popularity, k=count)]
    people = [
        f"{tenant}-p{n}" for n, tenant in enumerate(dice.choices(["acme", "globex", "initech"], [6, 3, 1], k=count))
    ]
    answers.extend(lab.ask_many(texts, user=people, at_once=4, **more))


traffic(120, topics)
traffic(60, topics, route="economy")
lab.fault("anthropic", "truncate", share=0.4)
traffic(50, [f"paragraph {n} of the contract" for n in range(40)])
lab.heal()
lab.fault("anthropic", "status", status=503)
traffic(25, [f"line {n} of the invoice" for n in range(20)])
letter = "Reach me at carol.miller@example.org, +44 20 7946 0958, or card 4111 1111 1111 1111. What is jitter?"
carol = lab.ask(letter, user="acme-carol")
answers.append(carol)
lab.heal()
lab.close_circuits()
lab.latency("anthropic", first_token_ms=60, per_token_ms=40)
left = [lab.stream(f"Tell me all about rule {n}, please.", user="globex-visitor", leave_after=2) for n in range(3)]
pd.Series([answer.source or "refused" for answer in answers]).value_counts().to_frame("answers")

# %% [markdown]
# ## Where does the time go?
#
# Each stage's passage is a span, with the stages that it waited for inside it. What a stage took *itself* is its span
# without the spans in it.
#
# **Predict first.** Of the time that people waited for a live answer at the first try, how much was spent in our own
# stages, and not at the provider?

# %%
ours = predict("What share of the waiting is our own, in percent?", guess=50)

# %%
self_times = f"""
    with inside as (select trace_id, parent_span_id as span_id, sum(duration_ms) as ms from spans group by all),
    own as (
        select trace_id, coalesce(attributes->>'$."gauntlet.stage"', if(kind = 'client', 'the call', name)) as stage,
            spans.duration_ms as whole_ms, spans.duration_ms - coalesce(inside.ms, 0) as own_ms
        from spans left join inside using (trace_id, span_id)
    )
    select stage, count(*) as spans, round(median(whole_ms), 1) as median_ms, round(median(own_ms), 2) as own_median_ms,
        round(sum(own_ms), 1) as own_sum_ms
    from own join requests using (trace_id)
    where endpoint = '/chat' and t >= {lab.since} and source = 'live' and kept = 'ordinary'
    group by stage order by own_sum_ms desc
"""
stages = lab.sql(self_times)
at_provider = stages.set_index("stage")["own_sum_ms"]["the call"]
ours.check(100 * (1 - at_provider / stages["own_sum_ms"].sum()), "%")
stages

# %% [markdown]
# Stages wait for what is inside them, so all of them look slow (`median_ms`); what they take themselves is small, most
# of it for a turn of the processor, which here plays the providers as well, and for Valkey. Whoever wants a quicker
# service asks less of the model, or asks it less often.

# %% [markdown]
# ## The slowest of all
#
# An average never waited for anything. The one request that took longest, of those whose trace was kept:

# %%
slowest = lab.sql(f"""
    select request_id, tenant, outcome, source, round(duration_ms) as ms, kept from requests
    where endpoint = '/chat' and t >= {lab.since} and kept is not null order by duration_ms desc limit 1
""")
slowest

# %%
waterfall(lab.trace(slowest.loc[0, "request_id"]), "The slowest request, and what it waited for")

# %% [markdown]
# ## What the quarrels cost
#
# Money is written down per attempt, with what it was for: `answer`, `retry` (an attempt that failed and was billed),
# `fallback` (the first provider could not), `abandoned` (nobody was there any more).
#
# **Predict.** Of each dollar that was spent, how many cents went into anything but a first answer?

# %%
cents = predict("Of each dollar, how many cents were not for a first answer?", guess=5)

# %%
money = lab.sql(f"""
    select costs.tenant, costs.route, purpose, count(*) as attempts, sum(costs.cost_nano_usd) / 1e9 as usd
    from costs join requests using (request_id)
    where requests.t >= {lab.since} group by all order by all
""")
by_purpose = money.groupby("purpose")["usd"].sum()
cents.check(100 * (1 - by_purpose["answer"] / by_purpose.sum()), "cents")
money.pivot_table(index=["tenant", "route"], columns="purpose", values="usd", aggfunc="sum", fill_value=0).round(4)

# %%
PURPOSES = {"answer": BLUE, "fallback": SKY, "retry": VERMILLION, "abandoned": PURPLE}
titled(
    alt.Chart(money.assign(whose=money["tenant"] + ", " + money["route"], cents=100 * money["usd"]))
    .mark_bar(height=18)
    .encode(
        x=alt.X("cents:Q", title="US cents"),
        y=alt.Y("whose:N", title=None, sort="-x"),
        color=alt.Color("purpose:N", scale=scale(PURPOSES, money["purpose"])),
        order=alt.Order("place:Q"),
        tooltip=["whose", "purpose", "attempts", alt.Tooltip("cents:Q", format=".3f")],
    )
    .transform_calculate(place=f"indexof({list(PURPOSES)}, datum.purpose)"),
    "Who spent what, and what for",
    "what was billed, by tenant and route; red: answers that were broken off, billed, and asked for again",
)

# %% [markdown]
# A fallback is no loss: somebody got an answer for it. The red part bought nothing. It is also the part that no
# dashboard of a provider shows, since to the provider these were answers like all others.

# %% [markdown]
# ## What the cache saved
#
# An answer from the cache knows what it had cost when it was made.

# %%
savings = lab.sql(f"""
    select tenant, count(*) as answers, round(100 * avg((source in ('cache', 'shared'))::int)) as hits_percent,
        sum(cost_nano_usd) / 1e9 as spent_usd, sum(saved_nano_usd) / 1e9 as saved_usd
    from requests where endpoint = '/chat' and t >= {lab.since}
    group by all order by answers desc
""")
savings

# %% [markdown]
# The large tenant gets the most hits. A cache is shared by a tenant's people and by nobody else, so it pays for who is
# many.

# %% [markdown]
# ## Which traces are kept?
#
# All spans of all requests would be more data than the answers. So a request's trace is kept or not when it has ended
# and one knows what became of it (*tail sampling*): a second and worker, one of the ordinary ones, and up to fifty of
# each kind of incident, which here are all. Each kept one has a *weight*: for how many of its kind it stands.
#
# **Predict.** How many of the ordinary requests left a trace?

# %%
ordinary = predict("Of a hundred ordinary requests, how many left a trace?", guess=100)

# %%
sampled = lab.sql(f"""
    with faulted as (select request_id from attempts where status <> 'ok')
    select
        case when outcome <> 'answered' then outcome when request_id in (from faulted) then 'faulted'
            when coalesce(first_token_ms, duration_ms) >= 2000 then 'slow' else 'ordinary' end as reason,
        count(*) as requests, count(kept) as traces, sum(weight) as they_stand_for
    from requests where t >= {lab.since} and endpoint in ('/chat', '/chat/stream')
    group by all order by requests desc
""").set_index("reason")
ordinary.check(100 * sampled.loc["ordinary", "traces"] / sampled.loc["ordinary", "requests"])
sampled

# %% [markdown]
# The weights give the count back, but for those who came after the last one that was kept. How good is it to count by
# traces what they were not sampled by? Answers by source, by the records and by the weights:

# %%
counted = lab.sql(f"""
    select source, count(*) as "all records", sum(weight) as "weights of kept traces"
    from requests where t >= {lab.since} and endpoint = '/chat' and source is not null group by all
""")
titled(
    alt.Chart(counted.melt("source", var_name="counted by", value_name="answers"))
    .mark_bar()
    .encode(
        x=alt.X("answers:Q", title="answers"),
        y=alt.Y("source:N", title=None, sort="-x"),
        yOffset=alt.YOffset("counted by:N"),
        color=alt.Color("counted by:N", scale=scale({"all records": BLUE, "weights of kept traces": ORANGE})),
    ),
    "Traces illustrate, records count",
    "the same answers, counted in two ways",
    height=200,
)

# %% [markdown]
# Right in total, and off in the parts: which one is kept is a matter of the moment, and few are. So spans are for
# *why*, records and metrics for *how many*. The metrics, which know neither users nor requests, counted all of it too:

# %%
metric = lab.sql("""
    with series as (
        select attributes->>'$."http.route"' as endpoint, arg_max(count, time) as requests
        from metric_points where name = 'http.server.request.duration' group by instance, attributes
    )
    select endpoint, sum(requests)::int as requests from series group by all order by all
""").set_index("endpoint")
metric

# %% [markdown]
# ## Whose was it?
#
# Carol's letter had an address, a telephone and a card in it. Spans hold what was said, masked. The user is told as a
# keyed hash: whoever has the key can look for a person that complains, and whoever has only the data cannot list
# people. The workbench's key is no secret, so you can make the hash yourself.

# %%
hashed = hmac.new(b"workbench", b"carol", "sha256").hexdigest()[:16]
lab.sql(f"""
    select requests.user, tenant, s.attributes->>'$."gen_ai.input.messages"' as said
    from requests join spans s using (trace_id)
    where requests.user = '{hashed}' and s.kind = 'client' limit 1
""").to_dict("records")

# %% [markdown]
# The log's lines are found in the same way, by user or by request id (`gauntlet trace ID` and `gauntlet trace --user`
# do that for you):

# %%
lines = lab.sql(f"""
    select event, severity, body->>'$.user' as user, body->>'$.source' as source, body->>'$.outcome' as outcome
    from (select * replace (try_cast(body as json) as body) from log_records)
    where body->>'$.request_id' = '{carol.request_id}'
""")
lines

# %% [markdown]
# And is the letter anywhere else? Everything that was told, searched for its parts:

# %%
secrets = ["carol.miller", "7946 0958", "4111 1111"]
found = lab.sql(" union all ".join(f"""
    select '{secret}' as secret,
        (select count(*) from log_records where body::varchar like '%{secret}%') as in_logs,
        (select count(*) from spans where attributes::varchar like '%{secret}%' or events::varchar like '%{secret}%')
            as in_spans
""" for secret in secrets))  # fmt: skip
found

# %% [markdown]
# ## Can it be believed?
#
# Three parties wrote down the same calls: we who asked, the service, and the providers. Line by line: what each
# answer told us of its cost, what the service's record says, and what the providers billed for the calls. (Where a call
# was broken off, nobody was told its price: that is for the next cell.)

# %%
records = lab.sql(f"""
    select request_id, source, cost_nano_usd,
        request_id in (select request_id from attempts where not exact) as broken_off
    from requests where t >= {lab.since} and endpoint = '/chat'
""")
client = pd.DataFrame(
    {"request_id": one.request_id, "told": one.source, "told_nano_usd": round((one.cost_usd or 0) * 1e9)}
    for one in answers
)
billed = lab.ledger().groupby("request_id")["billed_nano_usd"].sum()
three = client.merge(records, on="request_id", how="outer")
three["billed_nano_usd"] = three["request_id"].map(billed).fillna(0).astype(int)
exact = three[~three["broken_off"]]
exact[["told_nano_usd", "cost_nano_usd", "billed_nano_usd"]].sum().to_frame("nano-dollars")

# %% [markdown]
# To the nano-dollar. `lab.books()` (`gauntlet books`) compares more: calls by status, tokens, bills, and for calls that
# were broken off, whose end nobody told us, whether the bill is within what it can be.

# %%
books = lab.books()
pd.DataFrame(books["lines"])[["what", "kind", "unit", "service", "ledger"]]

# %% [markdown]
# ## Try yourself
#
# Which stage decided what, and how often? Turn the question: for whom was the cache of no use (`bypass`), and why? The
# `decisions` are all there, `stage_decisions` has the inputs of those whose trace was kept. `lab.tables()` lists all.

# %%
lab.sql(f"""
    select stage, decision, count(*) as times from decisions join requests using (request_id)
    where requests.t >= {lab.since} group by all order by all
""")

# %% [markdown]
# ## What held

# %%
assert len(three) == len(answers), "each answer has one record, and each record its answer"
assert (three["told"] == three["source"]).all()
assert (three["told_nano_usd"] == three["cost_nano_usd"]).all()
assert (exact["cost_nano_usd"] == exact["billed_nano_usd"]).all(), "the three books, line by line"
assert books["verdict"] == "balanced"
assert {"answer", "fallback", "retry"} <= set(by_purpose.index)
assert by_purpose["retry"] > 0, "a broken answer is billed"
assert savings["saved_usd"].sum() > 0
incidents = sampled.drop("ordinary")
assert (incidents["traces"] == incidents["requests"]).all(), "whatever went wrong is kept"
assert sampled.loc["ordinary", "traces"] < sampled.loc["ordinary", "requests"]
assert (sampled["they_stand_for"] <= sampled["requests"]).all()
assert metric.loc["/chat", "requests"] == len(answers), "metrics count everything"
assert list(lines["user"]) == [hashed]
assert not found[["in_logs", "in_spans"]].any(axis=None), "her letter is nowhere"

# %% [markdown]
# Next: `10_incident`, where you use all of this to find out who did it.
