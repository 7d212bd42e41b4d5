# %% [markdown]
# # 12 · The chapter's sample code, reviewed by experiment
#
# The chapter's sections 4 and 5 show a client with retries and a cache, a circuit breaker and a refund. They are
# examples as short as possible, and people copy examples. Here each of their weak spots is shown by a run: the
# provider's ledger counts, and nobody needs to have an opinion.
#
# What you see below is not the chapter's code. It is the same constructs in our own words, as small as they go, with
# the real Anthropic SDK, tenacity and Valkey. Where a wait would only cost time it is shortened, and that is said.
#
# About 30 minutes.

# %%
import asyncio
import hashlib
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import altair as alt
import anthropic
import httpx2
import pandas as pd
import redis.asyncio as redis
import tenacity

from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures import histogram, swim_lanes
from notebooks.pictures.look import BLUE, GREEN, ORANGE, VERMILLION, titled

# %%
with workbench(settings={"breaker.cooldown_s": 1.0, "admission_lag_s": 60}) as lab:
    lab.keep()

lab

# %% [markdown]
# A few helpers. A notebook has an event loop of its own, so each experiment gets a fresh one in a thread, as a worker
# process has it. A call carries a name, by which the ledger tells who made it. And counts are drawn as bars.

# %%
MODEL = "claude-opus-4-7"


def in_a_loop(experiment):
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, experiment).result()


def sdk(kind, **more):
    http = anthropic.DefaultAsyncHttpxClient if kind is anthropic.AsyncAnthropic else anthropic.DefaultHttpxClient
    same = {"api_key": "none", "open_telemetry": False, "http_client": http(trust_env=False)}
    return kind(base_url=lab.urls["anthropic"], **same, **more)


def question(text, name, **more):
    """What all calls below have in common: the arguments of `messages.create`."""
    asked = {"model": MODEL, "max_tokens": 256, "messages": [{"role": "user", "content": text}], **more}
    return {**asked, "extra_headers": {"X-Request-ID": name}}


def calls_of(name):
    """The rows of all calls whose name begins so, when all of them have ended."""

    def ended():
        calls = lab.ledger()
        calls = calls[calls["request_id"].fillna("").str.startswith(name)]
        return (calls,) if calls["duration_s"].notna().all() else ()

    return lab.until(ended, "the end of all calls")[0]


def bars(rows, title, subtitle, unit="calls that reached the provider"):
    frame = pd.DataFrame(rows, columns=["case", "who", "n"])
    who = list(dict.fromkeys(frame["who"]))
    colours = [VERMILLION, *[ORANGE] * (len(who) - 2), GREEN]
    base = alt.Chart(frame).encode(
        y=alt.Y("case:N", sort=None, title=None, axis=alt.Axis(labelLimit=260), scale=alt.Scale(paddingInner=0.3)),
        yOffset=alt.YOffset("who:N", sort=who),
        x=alt.X("n:Q", title=unit, axis=alt.Axis(tickMinStep=1, format="d")),
    )
    drawn = base.mark_bar().encode(color=alt.Color("who:N", scale=alt.Scale(domain=who, range=colours)))
    words = base.mark_text(align="left", dx=4).encode(text="n:Q")
    height = 18 * len(frame) + 12 * frame["case"].nunique()
    return titled(drawn + words, title, subtitle, height=height)


# %% [markdown]
# ## A synchronous client in an `async def`
#
# The chapter's `call_llm` is a coroutine, but the client in it is the synchronous one. The claim beside it: one worker
# handles dozens of requests at once, since others go on while one waits.
#
# Four people ask at the same moment, the provider thinks for 300 ms, and a heart in the same event loop wants to
# beat every 20 ms.
#
# **Predict first.**

# %%
together = predict("Four people, synchronous client in async code: how many of their calls overlap?", guess=4)
beating = predict("How often does the heart beat while they wait?", guess=100)

# %%
lab.latency("anthropic", first_token_ms=300)
THINKS_S = 0.25  # at least: a row of the ledger may be closed a moment after its answer was read


async def four_people(ask, name):
    beats = []

    async def heart():
        while True:
            beats.append(time.time())
            await asyncio.sleep(0.02)

    heartbeat = asyncio.create_task(heart())
    await asyncio.gather(*(ask(question("What is back-pressure?", f"{name} {n + 1}")) for n in range(4)))
    heartbeat.cancel()
    calls = calls_of(name)
    ends = calls["t"] + THINKS_S
    most = max(int(((calls["t"] <= t) & (ends > t)).sum()) for t in calls["t"])
    return calls, most, beats, sum(calls["t"].min() < beat < ends.max() for beat in beats)


async def with_a_synchronous_client():
    with sdk(anthropic.Anthropic) as client:

        async def ask(what):
            return client.messages.create(**what)  # nothing is awaited: the loop stands still in here

        return await four_people(ask, "blocking")


async def with_an_asynchronous_client():
    async with sdk(anthropic.AsyncAnthropic) as client:

        async def ask(what):
            return await client.messages.create(**what)

        return await four_people(ask, "awaited")


blocking, most_blocking, heart_blocking, beats_blocking = in_a_loop(with_a_synchronous_client())
awaited, most_awaited, heart_awaited, beats_awaited = in_a_loop(with_an_asynchronous_client())
together.check(most_blocking)
beating.check(beats_blocking)
print(f"with `await`: {most_awaited} calls overlap, the heart beats {beats_awaited} times")

# %%
lanes = []
for name, calls, beats in (("sync client", blocking, heart_blocking), ("await", awaited, heart_awaited)):
    zero_s = calls["t"].min()
    spans = [
        (f"person {n + 1}", "a call at the provider", call.t, call.duration_s)
        for n, call in enumerate(calls.itertuples())
    ]
    spans += [("heart", "a heartbeat", beat, 0.006) for beat in beats]
    lanes += [
        {"lane": f"{name}: {who}", "what": what, "began_s": t - zero_s, "ended_s": t - zero_s + for_s}
        for who, what, t, for_s in spans
    ]
swim_lanes(
    lanes,
    began_s=0.0,
    colours={"a call at the provider": BLUE, "a heartbeat": VERMILLION},
    title="A synchronous client stops the whole worker",
    subtitle="the same four questions, as the provider saw them, and a heart in the same event loop",
)

# %% [markdown]
# One after another, and no beat at all: no other request, no `/health`, no timeout of anybody moves in that worker
# meanwhile. With `async def` around it this is worse than a plain `def`, which at least gets a thread.
#
# The service uses the asynchronous clients only ([service/llm/anthropic.py](../service/llm/anthropic.py)), and has such
# a heart itself: [service/lag.py](../service/lag.py) measures how late the loop is, and a worker that is late takes
# less.

# %% [markdown]
# ## Retries: of what, and how many?
#
# The chapter retries with tenacity: up to four attempts, `retry_if_exception_type(APIStatusError)`, and says that this
# is "5xx, 429, timeout". Two things to know of the SDK. `APIStatusError` is the class of *every* answer that is not
# 2xx, 400 included; a timeout or a reset is none, since no answer came. And the SDK retries by itself, twice unless
# told not to.
#
# Our waits are a fiftieth of the chapter's; the provider asks to come back in 20 ms, which the SDK obeys.
#
# **Predict.** One question each:

# %%
invalid = predict("A 400, the request is wrong: how many calls?", guess=1)
dead = predict("A 503, the provider is out: how many calls?", guess=4)
silent = predict("No answer in time, the SDK's own retries switched off: how many calls?", guess=4)

# %%
lab.reset()
lab.latency("openai", first_token_ms=20)
SOON = {"retry_after_ms": 20}
FAULTS = {
    "400 invalid request": ("status", {"status": 400}),
    "429 rate limit": ("status", {"status": 429, **SOON}),
    "503 unavailable": ("status", {"status": 503, **SOON}),
    "connection reset": ("reset", {}),
    "no answer in time": ("hang", {}),
}


def as_in_the_chapter(name, read_s, **more):
    """One question; what is left of it when all retries are used up is of no interest here."""
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(4),
        wait=tenacity.wait_exponential(multiplier=0.02, min=0.02, max=0.2),
        retry=tenacity.retry_if_exception_type(anthropic.APIStatusError),
    )
    client = sdk(anthropic.Anthropic, timeout=httpx2.Timeout(30, read=read_s), **more)
    with client, suppress(tenacity.RetryError, anthropic.APIError):
        retrying(client.messages.create, **question("What is a bulkhead?", name))


retried, answers = [], {}
for what, (fault, given) in FAULTS.items():
    lab.close_circuits()
    lab.heal()
    lab.fault("anthropic", fault, **given)
    read_s = 0.4 if fault == "hang" else 30  # so much stands for the chapter's 30 s
    with ThreadPoolExecutor(3) as threads:
        threads.submit(as_in_the_chapter, f"{what}: chapter", read_s)
        threads.submit(as_in_the_chapter, f"{what}: SDK off", read_s, max_retries=0)
        answers[what] = threads.submit(lab.ask, f"What helps against this: {what}?").result()
    ours = calls_of(answers[what].request_id)
    retried += [
        (what, "as in the chapter", len(calls_of(f"{what}: chapter"))),
        (what, "the same, SDK's retries off", len(calls_of(f"{what}: SDK off"))),
        (what, "the service", int((ours["target"] == "anthropic").sum())),
    ]
counted = {(what, who): n for what, who, n in retried}
invalid.check(counted["400 invalid request", "as in the chapter"])
dead.check(counted["503 unavailable", "as in the chapter"])
silent.check(counted["no answer in time", "the same, SDK's retries off"])

# %%
bars(
    retried, "One question, so many calls", "what the provider's ledger counted for a single question under each fault"
)

# %% [markdown]
# - A wrong request is sent four times, and is as wrong the fourth time. (The chapter itself warns of that in section
#   6, and recommends this very line against it.)
# - Four attempts of three calls each: **twelve calls** for one question to a provider that is down. In the middle of an
#   outage your users are its twelvefold load.
# - What is worth a retry, a lost connection or a timeout, tenacity lets pass. Only the SDK repeats it, so with
#   `timeout=30` one question may hang for 3 x 30 s. Who hears of the twelve and switches the SDK's retries off has none
#   left here.
#
# The service switches the SDK's retries off and has one stage that knows the difference
# ([service/stages/retry.py](../service/stages/retry.py)): wrong requests are refused at once, and what failed goes on
# to the other provider, all within one deadline of five seconds:

# %%
pd.DataFrame([{"fault": what, "the service answered": repr(answer)} for what, answer in answers.items()])

# %% [markdown]
# ## "Exponential backoff with jitter"
#
# So the chapter says of `wait_exponential`. Thirty people meet the same 503 in the same moment and try twice more. Our
# first wait is 0.5 s, the chapter's is 1 s.

# %%
waits = predict("Thirty people wait before their second call: how many different waits?", guess=30)

# %%
lab.reset()
lab.fault("anthropic", "status", status=503)


async def thirty(name, wait):
    waited = []
    async with sdk(anthropic.AsyncAnthropic, max_retries=0) as client:

        @tenacity.retry(
            stop=tenacity.stop_after_attempt(3),
            wait=wait,
            retry=tenacity.retry_if_exception_type(anthropic.APIStatusError),
            before_sleep=lambda state: waited.append((state.attempt_number, state.upcoming_sleep)),
        )
        async def ask(n):
            await client.messages.create(**question("Jitter?", f"{name} {n}"))

        async def person(n):
            with suppress(tenacity.RetryError):
                await ask(n)

        await asyncio.gather(*(person(n) for n in range(30)))
    return {seconds for attempt, seconds in waited if attempt == 1}


async def two_crowds():
    return await asyncio.gather(
        thirty("plain", tenacity.wait_exponential(multiplier=0.5)),
        thirty("spread", tenacity.wait_random_exponential(multiplier=0.5)),
    )


plain, spread = in_a_loop(two_crowds())
waits.check(len(plain))
print(f"with full jitter, tenacity's wait_random_exponential: {len(spread)}")

# %%
NAMES = {"plain": "wait_exponential: all at the same time", "spread": "wait_random_exponential: full jitter"}
arrived = [
    {"s": t - calls_of(name)["t"].min(), "who": words} for name, words in NAMES.items() for t in calls_of(name)["t"]
]
histogram(
    arrived,
    value="s",
    label="who",
    unit="seconds since the first call",
    title="Who fails together comes back together",
    subtitle="90 calls of thirty people as they arrived; a provider that is getting up would meet such a wave",
)

# %% [markdown]
# Without jitter the back-off only moves the crowd. The service draws each wait from U(0, min(cap, base x 2^n)), and
# pays for each retry from a budget besides: `03_retries`.

# %% [markdown]
# ## A breaker with two states
#
# The chapter's breaker is closed or open; when 30 seconds are over it lets in whoever comes. Ours has a clock that we
# turn by hand, so the 30 seconds cost nothing. Two objects stand for two worker processes: the state is a Python
# attribute, and each process has its own.


# %%
class TwoStates:
    """Closed, or open until a moment; nothing between."""

    def __init__(self, clock, most_failures=5, cooldown_s=30.0):
        self.clock, self.most_failures, self.cooldown_s = clock, most_failures, cooldown_s
        self.failures, self.shut_until = 0, 0.0

    def lets_in(self):
        """Whether one may call."""
        return self.clock() >= self.shut_until

    def tell(self, worked):
        """How the call went."""
        self.failures = 0 if worked else self.failures + 1
        if worked:
            self.shut_until = 0.0
        elif self.failures >= self.most_failures:
            self.shut_until = self.clock() + self.cooldown_s


learning = predict("Two workers, one dead provider: how many calls until both know?", guess=5)
stampede = predict("It is still dead after 30 s, thirty people ask at once: how many calls?", guess=1)

# %%
lab.reset()
lab.fault("anthropic", "status", status=503)
now_s = 0.0


async def two_workers():
    global now_s
    workers = [TwoStates(lambda: now_s) for _ in range(2)]
    async with sdk(anthropic.AsyncAnthropic, max_retries=0) as client:

        async def ask(breaker, name):
            if not breaker.lets_in():
                return  # straight to the fallback
            try:
                await client.messages.create(**question("Are you there?", name))
                breaker.tell(True)
            except anthropic.APIError:
                breaker.tell(False)

        for breaker in workers:
            for _ in range(20):  # one after another
                await ask(breaker, "1 learning")
        await asyncio.gather(*(ask(breaker, "2 open") for breaker in workers for _ in range(15)))
        now_s += 30
        await asyncio.gather(*(ask(breaker, "3 cooled down") for breaker in workers for _ in range(15)))


in_a_loop(two_workers())
two_states = {phase: len(calls_of(phase)) for phase in ("1 learning", "2 open", "3 cooled down")}
learning.check(two_states["1 learning"])
stampede.check(two_states["3 cooled down"])

# %% [markdown]
# While it is open it does its work. Then everybody calls at once: there is nobody who tries first (*half-open*), so a
# provider that is just getting up meets the full load every thirty seconds. And each process pays for its own five
# failures: forty workers, two hundred calls.
#
# Now the service, with two real worker processes and its cool-down set to one second.

# %%
lab.reset()
lab.latency("openai", first_token_ms=20)
lab.fault("anthropic", "status", status=503)
fallen = iter(range(20))
lab.until(lambda: lab.ask(f"Question {next(fallen)}?") and lab.breakers()["anthropic"] == "open", "an open circuit")
opened_s = time.time()
until_open = len(lab.ledger("anthropic"))
lab.until(lambda: time.time() > opened_s + 1.0, "the end of the cool-down")
people = [f"acme-p{n}" for n in range(30)]
back = lab.ask_many((f"Riddle {n}?" for n in range(30)), at_once=30, user=people)
probes = len(lab.ledger("anthropic")) - until_open
print(back, f"workers: {dict(back.by('worker'))}", sep="\n")

# %%
bars(
    [
        ("until the circuits are open", "two states, in each process", two_states["1 learning"]),
        ("until the circuits are open", "the service: half-open, shared", until_open),
        ("thirty people after the cool-down", "two states, in each process", two_states["3 cooled down"]),
        ("thirty people after the cool-down", "the service: half-open, shared", probes),
    ],
    "Who tries first?",
    "calls to a provider that stays dead, with two workers",
)

# %% [markdown]
# Five failures over the whole fleet, then one probe, with a lease, for all workers; everybody else is answered by the
# next provider meanwhile. [service/stages/circuit.py](../service/stages/circuit.py) is the state machine, and
# `04_breaker_and_fallback` runs it beside breakers from libraries.

# %% [markdown]
# ## Idempotency: look, then pay, then write it down
#
# The chapter's refund looks whether the key is known, pays, and stores the answer for a day. Its exercise asks that a
# *second* call gets the stored answer. It does.
#
# **Predict.** The money goes through a payments provider that takes 300 ms, and it keeps a ledger, too.

# %%
again = predict("A second call with the same key: how many refunds in all?", guess=1)
ten = predict("Ten calls at the same moment with one key: how many refunds?", guess=1)

# %%
lab.reset()
lab.latency("payments", first_token_ms=300)


async def look_pay_write(store, http, key, amount):
    kept = await store.get(f"review:{key}")
    if kept:
        return json.loads(kept)
    paid = await http.post(
        f"{lab.urls['payments']}/v1/refunds",
        json={"charge": "ch_1", "amount": amount, "currency": "usd"},
        headers={"Authorization": "Bearer none"},
    )
    await store.set(f"review:{key}", paid.text, ex=86_400)
    return paid.json()


async def refunds():
    refunded = {}
    store = redis.from_url(lab.urls["valkey"])
    async with store, httpx2.AsyncClient(trust_env=False, timeout=30) as http:

        async def moved(case, *asked):
            before = len(lab.charges())
            answers = await asyncio.gather(*(look_pay_write(store, http, key, amount) for key, amount in asked))
            refunded[case] = len(lab.charges()) - before
            return answers

        await moved("twice, one after the other", ("a", 500))
        first = refunded["twice, one after the other"]
        await moved("twice, one after the other", ("a", 500))
        refunded["twice, one after the other"] += first
        await moved("ten at once", *[("b", 500)] * 10)
        told = await moved("another amount, known key", ("a", 70_000))
        await moved("another person, who chose the same key", ("a", 500))
    return refunded, told[0]["amount"]


naive, told = in_a_loop(refunds())
again.check(naive["twice, one after the other"])
ten.check(naive["ten at once"])
print(f"asked for 70,000 with a known key, it says: refunded {told}")

# %% [markdown]
# One caller at a time it looks right. At once, ten look before the first has written: *check-then-act*. Two more
# things one sees only by asking: the body is not compared, so a refund of another amount is confirmed and never made;
# and the key is everybody's, so whoever happens to choose the same one gets a stranger's receipt instead of money.
#
# The same through the service:


# %%
def refund(key, amount=500, user="alice", at_once=1):
    before = len(lab.charges())
    body = {"charge": "ch_1", "amount": amount, "currency": "usd"}
    answers = lab.at_once(at_once, "POST", "/refund", body, user=user, headers={"Idempotency-Key": key})
    return len(lab.charges()) - before, dict(answers.by("status"))


key, other = uuid.uuid4().hex, uuid.uuid4().hex
first, second = refund(key), refund(key)
served = {
    "twice, one after the other": (first[0] + second[0], {200: 2}),
    "ten at once": refund(other, at_once=10),
    "another amount, known key": refund(key, amount=70_000),
    "another person, who chose the same key": refund(key, user="bob"),
}
right = {"twice, one after the other": 1, "ten at once": 1, "another amount, known key": "0, and a refusal"}
pd.DataFrame(
    [
        {
            "case": case,
            "right": right.get(case, 1),
            "look, pay, write": naive[case],
            "the service": count,
            "its answers": ", ".join(f"{n} x {status}" for status, n in statuses.items()),
        }
        for case, (count, statuses) in served.items()
    ]
)

# %%
bars(
    [
        (case, who, n)
        for case, (count, _) in served.items()
        for who, n in (("look, pay, write", naive[case]), ("the service", count))
    ],
    "How often did the money move?",
    "refunds in the ledger of the payments provider",
    unit="refunds",
)

# %% [markdown]
# The service claims a key before it pays, in one step in Valkey, with an owner and a lease
# ([service/sessions/idempotency.py](../service/sessions/idempotency.py)): 409 while the first is under way, 422 for
# another body, the stored answer after that; per caller. It also sends a key of its own to the payments provider, so
# that a crash between paying and writing costs nothing. (And `Idempotency-Key` is a draft of the IETF, no RFC.)

# %% [markdown]
# ## The cache: whose answer is this?
#
# The chapter's key is a hash of model and messages. That is all its own call has; it becomes a leak with the first
# parameter that somebody adds, and has no place for *whose* answer it is. What it keeps is the text of the first block,
# however the answer ended.
#
# **Predict.** One question is asked; then again with each difference below; then ten people ask another one at once;
# then an answer arrives cut in half.

# %%
found = predict("Same words, but another tenant, a system prompt, a shorter limit: how many of the 3 call?", guess=3)
herd = predict("Ten people, one new question, at once: how many calls?", guess=1)
half = predict("An answer was cut; somebody asks again, all is well: what does he get? (whole, half)", guess="whole")

# %%
lab.reset()
lab.latency("anthropic", first_token_ms=300)


async def cached_answers():
    store = redis.from_url(lab.urls["valkey"])
    async with store, sdk(anthropic.AsyncAnthropic) as client:

        async def ask(text, name, tenant="acme", **more):  # `tenant` has no place to go
            asked = question(text, name, **more)
            body = json.dumps([asked["model"], asked["messages"]])
            place = f"review:{hashlib.sha256(body.encode()).hexdigest()}"
            if kept := await store.get(place):
                return kept.decode()
            message = await client.messages.create(**asked)
            await store.set(place, message.content[0].text, ex=3600)
            return message.content[0].text

        await ask("What is a token bucket?", "first")
        await ask("What is a token bucket?", "other 1", tenant="globex")
        await ask("What is a token bucket?", "other 2", system="Answer like a pirate.")
        await ask("What is a token bucket?", "other 3", max_tokens=5)
        await asyncio.gather(*(ask("What is a bulkhead?", "herd") for _ in range(10)))
        lab.fault("anthropic", "truncate", times=1)
        return await ask("Why do retries need jitter?", "cut"), await ask("Why do retries need jitter?", "cut")


cut, cut_again = in_a_loop(cached_answers())
found.check(len(calls_of("other")))
herd.check(len(calls_of("herd")))
half.check("half" if cut == cut_again else "whole")
cut_again

# %% [markdown]
# That half sentence is now everybody's for an hour. The service counts a cut answer as a failure, asks again, and keeps
# what is whole; the key has tenant, system prompt, limits and seed in it, and of ten at once one calls (`01_cache`).

# %%
lab.heal()
lab.fault("anthropic", "truncate", times=1)
whole = lab.ask("Why do retries need jitter?")
kept = lab.ask("Why do retries need jitter?")
print(whole, kept, kept.answer, sep="\n")
lab.ledger(request_id=whole.request_id)[["attempt", "status", "fault", "completed", "output_tokens"]]

# %% [markdown]
# ## An apology, remembered
#
# One thing the chapter gets right by luck: a fallback answer is never cached, since the exception flies past the line
# that stores. But its handler appends to the session whatever was shown. After the outage, what does the model read?

# %%
lab.reset()
history = []
with sdk(anthropic.Anthropic, max_retries=0) as client:
    for name, text in (("in the outage", "What is a dead letter?"), ("after it", "And what is a poison pill?")):
        lab.heal()
        if name == "in the outage":
            lab.fault("anthropic", "status", status=503)
        asked = [*history, {"role": "user", "content": text}]
        try:
            said = client.messages.create(**question(text, name, messages=asked)).content[0].text
        except Exception:  # noqa: BLE001 - as broad as the chapter's
            said = "Please try again later."
        history = [*asked, {"role": "assistant", "content": said}]
[message["content"] for message in asked]

# %% [markdown]
# The model reads our apology as its own words, and is billed for it, turn after turn. In the service an apology belongs
# to no conversation:

# %%
for provider in ("anthropic", "openai"):
    lab.fault(provider, "status", status=503)
apology = lab.ask("What is a dead letter?")
print(apology, f"thread: {apology.thread_id}", sep="\n")

# %% [markdown]
# ## Try yourself
#
# Mend one of them: the cheapest is the refund. Valkey's `SET name value NX` stores only where nothing is. Change
# `claim_first` until ten at once move the money once. Then think of what happens when the process dies between the two
# lines: who may go on, and when?

# %%
lab.reset()
lab.latency("payments", first_token_ms=300)


async def claim_first(store, http, key):
    if await store.get(f"review:{key}"):  # `await store.set(…, "claimed", nx=True, ex=60)` tells who was first
        return
    body = {"charge": "ch_1", "amount": 500, "currency": "usd"}
    await http.post(f"{lab.urls['payments']}/v1/refunds", json=body, headers={"Authorization": "Bearer none"})
    await store.set(f"review:{key}", "paid", ex=86_400)


async def ten_at_once(key):
    store = redis.from_url(lab.urls["valkey"])
    async with store, httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        await asyncio.gather(*(claim_first(store, http, key) for _ in range(10)))


in_a_loop(ten_at_once(uuid.uuid4().hex))
f"{len(lab.charges())} refunds for one key"

# %% [markdown]
# ## What held

# %%
assert most_blocking == 1, "one after another"
assert most_awaited > 1
assert beats_blocking == 0 < beats_awaited, "nothing else moved in that loop"
chapter, without_sdk, ours = (
    [counted[what, who] for what in FAULTS] for who in dict.fromkeys(who for _, who, _ in retried)
)
assert chapter == [4, 12, 12, 3, 3]
assert without_sdk == [4, 4, 4, 1, 1]
assert ours[0] == 1, "no retry of what is wrong"
assert max(ours) <= 4
assert answers["400 invalid request"].status == 400, "a wrong request is its sender's"
assert all(answer.ok for what, answer in answers.items() if not what.startswith("400"))
assert len(plain) == 1, "no jitter"
assert len(spread) > 20
assert two_states == {"1 learning": 10, "2 open": 0, "3 cooled down": 30}
assert until_open < 10, "known to the fleet"
assert 1 <= probes <= 5, "one a cool-down; a slow machine may see a second"
assert all(answer.ok for answer in back)
assert naive["twice, one after the other"] == 1, "the chapter's exercise is passed"
assert naive["ten at once"] > 1, "and yet"
assert naive["another amount, known key"] == naive["another person, who chose the same key"] == 0
assert [count for count, _ in served.values()] == [1, 1, 0, 1]
assert served["another amount, known key"][1] == {422: 1}
assert calls_of("other").empty
assert (whole.ok, kept.source) == (True, "cache")
assert kept.answer == whole.answer != cut == cut_again
assert history[1]["content"] in [message["content"] for message in asked]
assert apology.thread_id is None

# %% [markdown]
# That was the last one. What you would do differently you can now prove: `notebooks/exercises` has a seat for you.
