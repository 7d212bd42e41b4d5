# %% [markdown]
# # 10 · The incident: one request, five suspects
#
# Somebody waited twice as long as ever, and got an answer from a provider that nobody had chosen. You have the id of
# that one request, and what the service wrote down in the minute around it. Find out who did it, and acquit the
# others: an operator who cannot say why it was *not* the cache restarts the cache.
#
# About 15 minutes. Nothing is started here: the evidence is a recorded run, two tables and a list of events in files
# (`docs/recorded-runs.md`), and DuckDB reads them where they lie.

# %%
import json

import altair as alt
import duckdb
import pandas as pd

from door.home import ROOT
from notebooks.guess import predict
from notebooks.pictures import breaker_strip, sources_over_time, swim_lanes
from notebooks.pictures.look import GREEN, INK, VERMILLION, YELLOW, scale, titled
from notebooks.pictures.sources_over_time import SOURCES

# %%
RUN = ROOT / "loadtests" / "recorded" / "outage"
began = json.loads((RUN / "run.json").read_text())["began"]
files = duckdb.connect()
for name in ("requests", "attempts"):
    files.execute(f"create view {name} as select *, epoch(time) - {began} as s from '{RUN / name}.parquet'")
files.execute(
    "create view asked as select * from requests where endpoint in ('/chat', '/chat/stream', '/v1/chat/completions')"
)


def ask(query: str) -> pd.DataFrame:
    """A question to the evidence; `s` is the second of the run in which a request arrived."""
    return files.sql(query).df()


ask("select endpoint, count(*) as requests, count(distinct tenant) as tenants from asked group by all order by all")

# %% [markdown]
# ## The complaint
#
# *It took for ever this morning, and it sounded different.* The slowest request of the run, by its id:

# %%
case = ask("select request_id from asked order by duration_ms desc limit 1").loc[0, "request_id"]
told = ask(f"select * from requests where request_id = '{case}'").iloc[0]
case, told["tenant"], told["user"], round(told["s"], 2)

# %% [markdown]
# The user is a pseudonym, a keyed hash: you can follow somebody without knowing who it is. Five come into question:
#
# - `provider`: Anthropic, which was to answer
# - `circuit`: our own breaker, which is there to keep people from a provider
# - `cache`: it did not give what it should have had, or took its time to say so
# - `worker`: one of our two processes was slow
# - `flood`: a tenant took what was meant for all, and the limits pushed back
#
# **Who was it?** Say what you think before you see anything. Nearly everybody who is woken at night has a favourite.

# %%
hunch = predict("Who did it?", guess="flood")

# %% [markdown]
# ## Clue 1: what it did itself

# %%
told[["duration_ms", "first_token_ms", "outcome", "source", "degraded", "provider", "instance"]].to_frame("told")

# %% [markdown]
# It was answered, 200, and no alarm that looks for errors would have rung. But `degraded` names somebody already:
# `circuit_open`. Is that the culprit, or who was found beside the body? Its calls, in order:

# %%
calls = ask(f"select * from attempts where request_id = '{case}' order by n")
calls[["n", "target", "status", "upstream_status", "t_ms", "duration_ms", "purpose"]].round(1)

# %%
lanes = []
until_ms = 0.0
for call in calls.itertuples():
    if call.t_ms - until_ms > 20:
        lanes.append({"lane": "waits", "what": "waits", "began_s": until_ms / 1000, "ended_s": call.t_ms / 1000})
    until_ms = call.t_ms + call.duration_ms
    answered = call.status == "ok"
    lanes.append(
        {
            "lane": f"call {call.n}: {call.target}",
            "what": "answered" if answered else "failed",
            "began_s": call.t_ms / 1000,
            "ended_s": until_ms / 1000,
            "words": f"{call.status} {call.upstream_status} after {call.duration_ms:.0f} ms",
        }
    )
swim_lanes(
    pd.DataFrame(lanes).fillna(""),
    began_s=0.0,
    colours={"answered": GREEN, "failed": VERMILLION, "waits": YELLOW},
    title="Where the time of one request went",
    subtitle="the calls that it made and the waits between them; 0 is when it arrived",
)

# %% [markdown]
# Most of the time went into waiting for another try (back-off with jitter), the rest into the answer itself. Hardly
# any of it is before the first call or after the last. Keep that in mind for two of the five.

# %% [markdown]
# ## Clue 2: its neighbours
#
# Was it alone? Everybody who came in the eight seconds before it and the fifteen after it:

# %%
near = ask(f"select s, duration_ms, source from asked where s between {told['s'] - 8} and {told['s'] + 15}")
marked = pd.DataFrame([{"s": told["s"], "duration_ms": told["duration_ms"], "words": "the case"}])
dots = (
    alt.Chart(near)
    .mark_circle(size=36, opacity=0.8)
    .encode(
        x=alt.X("s:Q", title="seconds", scale=alt.Scale(zero=False, nice=False)),
        y=alt.Y("duration_ms:Q", title="ms"),
        color=alt.Color("source:N", scale=scale(SOURCES, near["source"])),
    )
)
ring = alt.Chart(marked).mark_point(size=220, color=INK, strokeWidth=2).encode(x="s:Q", y="duration_ms:Q")
word = (
    alt.Chart(marked)
    .mark_text(align="left", dx=12, color=INK, fontSize=12)
    .encode(x="s:Q", y="duration_ms:Q", text="words:N")
)
titled(
    alt.layer(dots, ring, word),
    "The case among its neighbours",
    "each dot a request, by when it arrived and how long it took",
    height=240,
)

# %% [markdown]
# A handful were slow, within a fifth of a second. Before that moment answers are `live`, after it they come from the
# other provider, and are as quick as ever. Something happened at that moment, to everybody, and somebody dealt with it.

# %% [markdown]
# ## Clue 3: the workers, the cache, the crowd
#
# What the service itself adds to a request is its duration without the time from its first call to the end of its
# last. Side by side, the two workers around that moment:

# %%
around = f"s between {told['s'] - 3} and {told['s'] + 3}"
workers = ask(f"""
    select instance, count(*) as requests, round(median(duration_ms)) as median_ms,
        round(median(duration_ms - calls_ms), 1) as own_ms
    from asked join (
        select request_id, max(t_ms + duration_ms) - min(t_ms) as calls_ms from attempts group by all
    ) using (request_id)
    where {around} group by all order by all
""")
workers

# %% [markdown]
# Hits of the cache in the same seconds, and how long those people waited:

# %%
hits = ask(f"""
    select count(*) filter (source in ('cache', 'shared')) as hits, count(*) as requests,
        round(max(duration_ms) filter (source = 'cache'), 1) as slowest_hit_ms,
        round((select min(t_ms) from attempts where request_id = '{case}'), 1) as before_its_first_call_ms
    from asked where {around}
""")
hits

# %% [markdown]
# And the crowd: requests per second, the most that one tenant sent in a second, how many were refused in the whole run.

# %%
crowd = ask(f"""
    with seconds as (select floor(s) as second, tenant, count(*) as n from asked group by all)
    select
        (select count(*) from asked where floor(s) = floor({told["s"]})) as in_its_second,
        (select median(n) from (select sum(n) as n from seconds group by second)) as in_a_usual_second,
        (select max(n) from seconds where floor({told["s"]}) - second between 0 and 3) as most_by_a_tenant,
        (select max(n) from seconds) as most_by_a_tenant_ever,
        (select count(*) from requests where outcome = 'refused' or status = 429) as refused
""")
crowd

# %% [markdown]
# ## Clue 4: the providers, and who watches them
#
# The calls of everybody, by provider and by how they ended:

# %%
ask("""
    select target, status, upstream_status, count(*) as calls, round(min(s), 2) as first_s, round(max(s), 2) as last_s,
        round(median(duration_ms)) as median_ms
    from attempts group by all order by all
""")

# %% [markdown]
# What the circuits did, with each call as a tick below its provider:

# %%
events = json.loads((RUN / "events.json").read_text())
breaker = pd.DataFrame(events["breakers"])
every_call = ask("select epoch(time) + t_ms / 1000 as t, target, upstream_status as status from attempts")
breaker_strip(
    breaker,
    began_s=began,
    until_s=began + float(ask("select max(s) from asked").iloc[0, 0]),
    calls=every_call,
    title="Nobody knocks at an open circuit",
)

# %% [markdown]
# ## The accusation
#
# Each suspect is held against the evidence, and not against a list of right answers: what would have to be true, had
# it been this one? Read the five rules, they are the whole court.


# %%
def court(request_id: str) -> dict[str, tuple[bool, str]]:
    """suspect -> guilty or not, and why: of one request, from what was written down."""
    one = ask(f"select * from requests where request_id = '{request_id}'").iloc[0]
    own = ask(f"select * from attempts where request_id = '{request_id}' order by n")
    failed = own[own["upstream_status"] >= 500]
    first_t = one["t"] + own["t_ms"].min() / 1000
    before = breaker[(breaker["provider"] == "anthropic") & (breaker["t"] < first_t)]
    state = before["state"].iloc[-1] if len(before) else "closed"
    opened_s = breaker[breaker["state"] == "open"]["t"].min() - began
    near = f"s between {one['s'] - 3} and {one['s'] + 3}"
    own_ms = ask(f"""
        select instance = '{one["instance"]}' as its, median(duration_ms - calls_ms) as ms
        from asked join (select request_id, max(t_ms + duration_ms) - min(t_ms) as calls_ms from attempts group by all)
        using (request_id) where {near} group by all
    """).set_index("its")["ms"]
    slowest_hit = ask(f"select max(duration_ms) from asked where source = 'cache' and {near}").iloc[0, 0]
    refused = int(ask("select count(*) from requests where status = 429").iloc[0, 0])
    met = int((own["upstream_status"] == 429).sum())
    return {
        "provider": (
            len(failed) > 0,
            f"of its {len(own)} calls {len(failed)} failed at a provider",
        ),
        "circuit": (
            state != "closed",
            f"it was {state} when the first call was due, at {first_t - began:.2f} s; it opened at {opened_s:.2f} s",
        ),
        "cache": (
            own["t_ms"].min() > 50 or slowest_hit > 50,
            f"it took at most {own['t_ms'].min():.0f} ms to say no, and hits around it {slowest_hit:.0f} ms",
        ),
        "worker": (
            own_ms[True] > 2 * own_ms[False] + 5,
            f"its worker added {own_ms[True]:.1f} ms to a request, the other one {own_ms[False]:.1f} ms",
        ),
        "flood": (
            refused + met > 0,
            f"{refused} requests were refused in the whole run, {met} of its calls met a limit of the provider",
        ),
    }


def accuse(suspect: str, request_id: str = case) -> None:
    """Say it aloud, and hear what speaks for or against it."""
    guilty, why = court(request_id)[suspect]
    print(f"{suspect}: {'GUILTY' if guilty else 'acquitted'}, since {why}")


# %% [markdown]
# Change the name to whom *you* accuse.

# %%
accuse("circuit")

# %% [markdown]
# The label on the answer said `circuit_open`, and it is true: when this request was about to try a third time, the
# circuit had just opened. But it had failed twice by then. A label tells the *last* reason, the calls tell the first.
# All five at the bar:

# %%
verdict = pd.DataFrame([{"suspect": name, "guilty": guilty, "why": why} for name, (guilty, why) in court(case).items()])
hunch.check(verdict.loc[verdict["guilty"], "suspect"].iloc[0])
verdict.style.hide(axis="index").set_properties(subset=["why"], **{"text-align": "left"})

# %% [markdown]
# ## The sealed envelope
#
# The simulator wrote down what it had been told to break, and when. It is the one thing that an operator does not
# have, so it is opened last.

# %%
windows = []
for event in events["faults"]:
    fault = event["fault"]
    if event["event"] == "started":
        what = " ".join([fault["fault"], *map(str, fault["params"].values())])
        windows.append({"index": fault["index"], "target": fault["target"], "what": what, "began_s": event["t"]})
    else:
        next(row for row in windows if row["index"] == fault["index"])["ended_s"] = event["t"]
envelope = pd.DataFrame(windows)


def broken(request_id: str) -> list[str]:
    """What was broken, on purpose, while this request was under way."""
    one = ask(f"select t, t + duration_ms / 1000 as ended from requests where request_id = '{request_id}'").iloc[0]
    at_work = envelope[(envelope["began_s"] < one["ended"]) & (envelope["ended_s"] > one["t"])]
    return list(at_work["target"] + ": " + at_work["what"])


broken(case)

# %%
sources_over_time(
    ask("select t as began_s, source, status from asked"),
    faults=envelope,
    began_s=began,
    title="What the envelope says, over what people got",
)

# %% [markdown]
# ## A second complaint
#
# Look at the picture again, right of the band. The provider was well, and for a long while nobody was sent to it. One
# of these people complains as well: the last one of the run whose answer was degraded.
#
# **Predict.** Who did *this*? The suspects are the same.

# %%
second = ask("select request_id from asked where outcome = 'degraded' order by t desc limit 1").loc[0, "request_id"]
again = predict("Who did it this time?", guess="provider")

# %%
guilty_now = [suspect for suspect, (guilty, _) in court(second).items() if guilty]
again.check(guilty_now[0])
for suspect in ("provider", "circuit"):
    accuse(suspect, second)
print("broken at that time:", broken(second) or "nothing")

# %% [markdown]
# The rescuer of the first case is the culprit of the second. An open circuit waits for its cool-down, 30 s here, and
# lets nobody look meanwhile, so it cannot know that the provider came back early. (This person came when it was
# half-open: one probe was under way at last, and everybody else still went past.) That is its price. How much was it?

# %%
half_open = breaker[breaker["state"] == "half_open"]["t"].min()
needless_s = half_open - envelope["ended_s"].max()
needless = ask(f"""
    select count(*) as needlessly_degraded from asked
    where outcome = 'degraded' and t between {envelope["ended_s"].max()} and {half_open}
""")
f"{needless_s:.1f} s too long, {needless.iloc[0, 0]} answers that could have been the wished ones"

# %% [markdown]
# ## Try yourself
#
# Take another one out of the crowd: somebody in the middle of the outage, who was never slow. Who is guilty, says the
# court, and what does the envelope say? Both are right. What rule would the court need to tell the two apart, and is
# there anything in the service's own records from which it could know?

# %%
yours = ask("select request_id from asked where outcome = 'degraded' and s > 15 order by t limit 1").loc[
    0, "request_id"
]
[suspect for suspect, (guilty, _) in court(yours).items() if guilty], broken(yours)

# %% [markdown]
# ## What held

# %%
guilty = [name for name, (is_guilty, _) in court(case).items() if is_guilty]
assert guilty == ["provider"], "one did it, and four are acquitted"
assert broken(case) == ["anthropic: status 503"], "and the envelope names the same"
assert guilty_now == ["circuit"]
assert broken(second) == [], "nothing was broken any more"
assert needless.iloc[0, 0] > 0
assert int(crowd.loc[0, "refused"]) == 0
assert set(calls.loc[calls["status"] != "ok", "target"]) == {"anthropic"}
assert json.loads((RUN / "verdict.json").read_text())["books"] == "balanced", "the records can be believed"

# %% [markdown]
# Next: `11_scaling`, for how many can be served at all.
