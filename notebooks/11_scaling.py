# %% [markdown]
# # 11 · Scaling: how many at once, and what gives way first
#
# Little's law says how much is in flight; you measure it at the provider. Then you look for the limit: the CPU of a
# worker, the bulkhead, the provider's quota. One of them binds first, and turning another one changes nothing.
# Chapter, section 2.
#
# About 25 minutes.

# %%
import heapq
import random

import altair as alt
import pandas as pd
import psutil

from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures.look import BLUE, GREEN, ORANGE, PURPLE, SERIES, VERMILLION, titled

# %%
with workbench(settings={"admission_lag_s": 60}) as lab:
    lab.keep()

lab

# %% [markdown]
# ## Little's law
#
# **In flight = rate x time.** If 40 questions come per second and each is under way for 0.3 s, then 12 are under way at
# any moment, on average. It does not matter how the times are spread, or who comes when.
#
# The simulator thinks for 300 ms, more or less (a log-normal spread). Questions come one after the other at a fixed
# pace, whether or not those before are answered: *open arrivals*, as people come. All are different, from many people,
# so neither cache nor rate limit gets in the way. **Predict first.**

# %%
THINKS_S, SPREAD = 0.3, 0.3
LASTS_S = 1.2
busy = predict("40 questions per second, 0.3 s each: how many are in flight at the provider?", guess=40)

# %%
asked = 0


def arrivals(rate_per_s, *, known=0.0):
    """Questions at a fixed pace; the share `known` of them has been asked before. Returns answers and ledger."""
    global asked
    lab.reset()
    if known:
        lab.ask("What is Little's law?", user="globex-first")
    for provider in ("anthropic", "openai"):
        lab.latency(provider, first_token_ms=1000 * THINKS_S, sigma=SPREAD)
    count = round(rate_per_s * LASTS_S)
    is_old = [int((n + 1) * known) > int(n * known) for n in range(count)]  # spread evenly
    texts = ["What is Little's law?" if old else f"What is {asked + n}?" for n, old in enumerate(is_old)]
    users = [f"globex-p{asked + n}" for n in range(count)]
    asked += count
    before = len(lab.ledger())
    answers = lab.ask_many(texts, user=users, every_s=1 / rate_per_s, at_once=count)
    lab.until(lambda: lab.ledger()["duration_s"].notna().all(), "the end of all calls")
    return answers, lab.ledger().iloc[before:]


def in_flight(calls, every_s=0.01):
    """Count, every 10 ms, the calls that have begun and not ended: rows of `s` since the first, and `n`."""
    began = calls["t"] - calls["t"].min()
    ended = began + calls["duration_s"]
    moments = [every_s * k for k in range(int(ended.max() / every_s) + 2)]
    return pd.DataFrame({"s": moments, "n": [int(((began <= s) & (ended > s)).sum()) for s in moments]})


runs = {rate: arrivals(rate)[1] for rate in (10, 20, 40)}

# %% [markdown]
# Law and count. *On paper* is the pace that we chose times the time that we set. *Counted* is the average of the
# ledger's calls in flight once the first have ended, and until the last has come.


# %%
def steady(calls):
    counts = in_flight(calls)
    last_s = calls["t"].max() - calls["t"].min()
    return float(counts[counts["s"].between(2 * THINKS_S, last_s)]["n"].mean())


laws = pd.DataFrame(
    [
        {
            "per second": rate,
            "seconds each": round(calls["duration_s"].mean(), 3),
            "on paper": rate * THINKS_S,
            "counted": round(steady(calls), 1),
        }
        for rate, calls in runs.items()
    ]
)
busy.check(laws["counted"].iloc[-1])
laws


# %%
def over_time(lines, laws, title, subtitle):
    """Lines of calls in flight, name -> ledger; dashed where `laws`, name -> number, says that they should be."""
    scale = alt.Scale(domain=list(lines), range=list(SERIES[: len(lines)]))
    frame = pd.concat([in_flight(calls).assign(who=who) for who, calls in lines.items()])
    line = alt.Chart(frame).mark_line(interpolate="step-after", strokeWidth=2)
    line = line.encode(
        x=alt.X("s:Q", title="seconds since the first call"),
        y=alt.Y("n:Q", title="calls in flight at the provider", axis=alt.Axis(tickMinStep=1)),
        color=alt.Color("who:N", scale=scale, legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=3)),
    )
    rules = alt.Chart(pd.DataFrame([{"who": who, "n": law} for who, law in laws.items()]))
    rule = rules.mark_rule(strokeDash=[5, 4], strokeWidth=1.5).encode(y="n:Q", color=alt.Color("who:N", scale=scale))
    return titled(line + rule, title, subtitle, height=230)


over_time(
    {f"{rate} per second": calls for rate, calls in runs.items()},
    {f"{rate} per second": rate * THINKS_S for rate in runs},
    "Little's law, counted",
    "calls in flight in the provider's ledger; dashed: rate x time",
)

# %% [markdown]
# The law is what turns times into capacity. If the provider takes twice as long, twice as much is in flight at the same
# rate: memory, connections, slots. An incident that only slows things down is therefore a capacity incident.
#
# Read the other way round it gives the highest rate of anything with a fixed number of places: **rate = places /
# time**. For a provider that takes 5 s:

# %%
WAITS_S = 5
places = {
    "the chapter's four synchronous threads": 4,
    "our bulkhead, per worker and provider (as set)": 256,
    "our admission, per worker (as set)": 512,
}
pd.DataFrame([{"places": what, "n": n, "requests per second": n / WAITS_S} for what, n in places.items()])

# %% [markdown]
# Four threads make 0.8 requests per second: the chapter's figure, and what its PoC does when it is measured (README,
# "The PoC": 0.8 with four threads, 0.8 with four blocking processes). The chapter's "50+" for one asynchronous worker
# is a bulkhead of 256. Without one (the `bench` profile) one worker of ours makes 377 against the same provider: then
# places are no longer what it lacks.

# %% [markdown]
# ## A cache is capacity
#
# The provider sees only what is not known: rate x (1 - hit rate). **Predict:** 40 per second again, and three of four
# questions have been asked before.

# %%
quiet = predict("40 per second, hit rate 75 %: how many in flight at the provider?", guess=12)

# %%
answers, mostly_known = arrivals(40, known=0.75)
quiet.check(round(steady(mostly_known), 1))
print(f"{len(answers)} questions, {len(mostly_known)} calls")

# %%
over_time(
    {"nothing known": runs[40], "three of four known": mostly_known},
    {"nothing known": 40 * THINKS_S, "three of four known": 40 * 0.25 * THINKS_S},
    "What a hit rate of 75 % is to a provider",
    "40 questions per second both times; dashed: rate x (1 - hit rate) x time",
)

# %% [markdown]
# Mind the other direction. Whoever plans capacity for 75 % hits meets four times the load on the day on which the cache
# is empty.

# %% [markdown]
# ## What a request costs a worker
#
# A worker is one process with one event loop: it cannot use more than one core. So its limit is 1 / (CPU per request),
# and that can be measured without pushing it there. 200 questions, a provider that answers at once, and the CPU time
# of each worker before and after. **Predict** how many milliseconds of CPU one question takes.

# %%
cost = predict("Milliseconds of a worker's CPU for one question?", guess=10)


# %%
def cpu_of(questions=200):
    """CPU in ms per question, and how many of them each worker had."""
    lab.reset()
    for provider in ("anthropic", "openai"):
        lab.latency(provider, first_token_ms=0)
    workers = [psutil.Process(pid) for pid in lab.workers()]
    before = [sum(worker.cpu_times()[:2]) for worker in workers]
    users = [f"globex-q{n}" for n in range(questions)]
    done = lab.ask_many((f"How much is {n} + {n}?" for n in range(questions)), user=users, at_once=16)
    used_s = sum(sum(worker.cpu_times()[:2]) for worker in workers) - sum(before)
    return 1000 * used_s / questions, done.by("worker")


two_ms, two_shares = cpu_of()
cost.check(round(two_ms, 2))
print(
    f"one worker alone is full at some {1000 / two_ms:.0f} questions per second; who had how many: {dict(two_shares)}"
)

# %% [markdown]
# ## Which limit binds?
#
# Now the limits, one against the other, in this lab with two workers and then in one with a single worker. First a
# quota: each provider allows us 300 tokens per minute, and an account's quota does not know how many workers we run.

# %%
QUOTA, BURST = 300, 60
more = predict("With a quota at the providers: how many times the answers do two workers give?", guess=2)


# %%
def burst(quota):
    """So many different questions, eight at once: how many get an answer of a model, and the ledger."""
    lab.reset()
    for provider in ("anthropic", "openai"):
        lab.latency(provider, first_token_ms=50)
        lab.quota(provider, tokens_per_min=quota)
    users = [f"initech-r{n}" for n in range(BURST)]
    done = lab.ask_many((f"Is {n} even?" for n in range(BURST)), user=users, at_once=8)
    return sum(answer.ok for answer in done), lab.ledger()


answered, ledgers = {}, {}
for quota in (None, QUOTA):
    answered[2, quota], ledgers[2, quota] = burst(quota)

# %%
with workbench(
    workers=1,
    settings={"admission_lag_s": 60, "providers.anthropic.bulkhead": 4},
) as lab:
    lab.keep()  # the lab with two workers ends

for quota in (None, QUOTA):
    answered[1, quota], ledgers[1, quota] = burst(quota)
more.check(round(answered[2, QUOTA] / answered[1, QUOTA], 2))

# %%
rows = [
    {
        "case": "no quota" if quota is None else f"{QUOTA} tokens per minute at each provider",
        "workers": f"{workers} worker{'s' * (workers > 1)}",
        "n": n,
    }
    for (workers, quota), n in sorted(answered.items(), key=lambda item: (item[0][1] or 0, item[0][0]))
]
base = alt.Chart(pd.DataFrame(rows)).encode(
    y=alt.Y("case:N", sort=None, title=None, axis=alt.Axis(labelLimit=280), scale=alt.Scale(paddingInner=0.3)),
    yOffset="workers:N",
    x=alt.X("n:Q", title=f"of {BURST} questions, answered by a model"),
)
colour = alt.Color("workers:N", scale=alt.Scale(domain=["1 worker", "2 workers"], range=[ORANGE, BLUE]))
titled(
    base.mark_bar().encode(color=colour) + base.mark_text(align="left", dx=4).encode(text="n:Q"),
    "A quota does not count workers",
    "the bucket of a minute's tokens is soon empty, and whoever asks after that is told when to come back",
    height=110,
)

# %% [markdown]
# With a quota in front, a second worker is a second process that waits. What helps is fewer tokens per question, more
# hits, another provider or a larger contract.
#
# And the CPU? One worker does all of the work that two shared before:

# %%
one_ms, one_shares = cpu_of()
shares = {"two workers": two_shares, "one worker": one_shares}
print({who: [f"{n} questions" for n in share.values()] for who, share in shares.items()})
print(f"ms of CPU per question: {two_ms:.2f} with two workers, {one_ms:.2f} with one")

# %% [markdown]
# Whether two workers are twice as fast depends on whether there is a second core for the second one, and whether
# anything else (the simulator, this notebook) needs it. What is certain is the share of each.
#
# Last the bulkhead. In this lab it has 4 places for Anthropic. At 300 ms, places / time says 13 per second. We send 40.

# %%
held = predict(
    "A bulkhead of 4, and 12 that want to be in flight: how many reach Anthropic at once, at most?", guess=12
)

# %%
through, calls = arrivals(40)
by_provider = {name: calls[calls["target"] == name] for name in ("anthropic", "openai")}
most = {name: int(in_flight(rows, every_s=0.002)["n"].max()) for name, rows in by_provider.items()}
held.check(most["anthropic"])
print(through, dict(through.by("provider")))

# %%
over_time(
    {"anthropic": by_provider["anthropic"], "openai": by_provider["openai"]},
    {"anthropic": 4, "openai": 40 * THINKS_S - 4},
    "Full is full, and the next rung takes the rest",
    "calls in flight at each provider; dashed: 4 places, and what the law leaves for the other",
)

# %% [markdown]
# So which limit binds first is a comparison of numbers in one unit. Here are those of this lab, from what was measured
# above, in questions per second that one worker, and two, can have answered by Anthropic:

# %%
granted = ledgers[1, QUOTA].query("status == 200")
tokens_each = (granted["input_tokens"] + granted["output_tokens"]).mean()
per_worker = {
    "CPU: 1 / CPU per question": 1000 / one_ms,
    "admission: 512 places / time": 512 / THINKS_S,
    "bulkhead: 4 places / time": 4 / THINKS_S,
}
limits = pd.DataFrame([{"limit": what, "1 worker": n, "2 workers": 2 * n} for what, n in per_worker.items()])
quota_per_s = QUOTA / tokens_each / 60
limits.loc[len(limits)] = [
    f"quota: {QUOTA} tokens per minute / {tokens_each:.0f} per question",
    quota_per_s,
    quota_per_s,
]
limits.sort_values("1 worker").set_index("limit").round(1)

# %% [markdown]
# The smallest one is your capacity. All others are decoration, until it is moved; and more workers move all of them but
# the one that is at somebody else's. (CPU only while there are cores.)

# %% [markdown]
# ## Why nobody should run at 95 %
#
# Up to here nothing queued: what had no place was refused or sent elsewhere. The chapter's PoC queues: it has four
# threads, and whoever comes fifth waits. By arithmetic, then: four threads, 5 s per question more or less, 20,000
# people at each load, who come when they like. **Predict** what the slowest 1 % waits at 95 % of what four threads can
# do.

# %%
slow = predict("Four threads at 95 % load, 5 s of work each: the 99th percentile of the time, in s?", guess=10)


# %%
def four_threads(load, people=20_000, threads=4, work_s=5.0):
    """Seconds from arrival to answer of each; Poisson arrivals, log-normal work, first come first served."""
    chance = random.Random(7)
    free_at = [0.0] * threads
    now_s, took_s = 0.0, []
    for _ in range(people):
        now_s += chance.expovariate(load * threads / work_s)
        begins_s = max(now_s, heapq.heappop(free_at))
        ends_s = begins_s + work_s * chance.lognormvariate(-(SPREAD**2) / 2, SPREAD)  # work_s on average
        heapq.heappush(free_at, ends_s)
        took_s.append(ends_s - now_s)
    return pd.Series(took_s)


loads = [0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98]
waits = pd.DataFrame({load: four_threads(load).quantile([0.5, 0.95, 0.99]) for load in loads}).T
waits.columns = ["median", "95th percentile", "99th percentile"]
slow.check(round(waits.loc[0.95, "99th percentile"]), "s")
waits.round(1)

# %%
frame = waits.rename_axis("load").reset_index().melt("load", var_name="who", value_name="s")
chart = alt.Chart(frame).encode(
    x=alt.X("load:Q", title="load, as a share of what the threads can do", axis=alt.Axis(format="%")),
    y=alt.Y("s:Q", title="seconds to the answer"),
    color=alt.Color(
        "who:N",
        scale=alt.Scale(domain=list(waits.columns), range=[GREEN, PURPLE, VERMILLION]),
        legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=3),
    ),
)
titled(
    chart.mark_line(point=True),
    "The last tenth of the load costs more than all before",
    "four threads that take 5 s on average; computed, not measured",
    height=240,
)

# %% [markdown]
# The median stays small the longest, so a dashboard of medians is calm until it is too late. The high percentiles
# leave first. That is why the service refuses early (`02_limits_and_backpressure`) and does not queue: a queue turns a
# little too much load into everybody's waiting time.

# %% [markdown]
# ## Try yourself
#
# The provider gets slower: 300 ms becomes 900 ms, at 20 per second. What does the law say, and what does the bulkhead
# of 4? Change `THINKS_S`, guess, run.

# %%
THINKS_S = 0.3
yours, seen = arrivals(20)
f"{in_flight(seen)['n'].max()} in flight at most; {dict(yours.by('provider'))}"

# %% [markdown]
# ## What held


# %%
def of_the_whole_run(calls):
    """Counted in flight against rate x time, from the first call to the end of the last one."""
    counts = in_flight(calls, every_s=0.002)
    rate_per_s = len(calls) / (calls["t"] + calls["duration_s"] - calls["t"].min()).max()
    return float(counts["n"].mean()) / (rate_per_s * calls["duration_s"].mean())


assert all(0.8 < of_the_whole_run(calls) < 1.25 for calls in runs.values()), "it holds on a slow machine, too"
assert all(len(calls) >= round(rate * LASTS_S) for rate, calls in runs.items()), "each question a call"
assert len(mostly_known) < len(answers) / 2, "what is known reaches nobody"
assert (len(two_shares), len(one_shares)) == (2, 1)
assert max(two_shares.values()) < one_shares.total() == two_shares.total() == 200
assert answered[1, None] == answered[2, None] == BURST
for workers in (1, 2):
    for name, calls in ledgers[workers, QUOTA].groupby("target"):
        tokens = (calls["input_tokens"] + calls["output_tokens"])[calls["status"] == 200]
        minutes = (calls["t"].max() - calls["t"].min()) / 60
        overdraft = 8 * tokens.max()  # output is paid when it is known, by eight at once
        assert tokens.sum() <= QUOTA * (1 + minutes) + overdraft, f"{name} gave more than it has"
assert limits.set_index("limit")["1 worker"].idxmin().startswith("quota")
assert answered[2, QUOTA] < BURST > answered[1, QUOTA], "the quota bound both"
assert most["anthropic"] <= 4, "and the bulkhead here"
assert len(by_provider["openai"]) > 0
assert all(answer.ok for answer in through), "nobody was lost for it"
assert waits["99th percentile"].is_monotonic_increasing
assert waits.loc[0.95, "99th percentile"] > 3 * waits.loc[0.5, "99th percentile"]

# %% [markdown]
# Next: `12_chapter_reviewed`, the chapter's sample code under the same light.
