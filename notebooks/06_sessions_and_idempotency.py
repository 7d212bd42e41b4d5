# %% [markdown]
# # 06 · Sessions and idempotency: what must not be lost, and what must happen once
#
# A conversation that any worker can go on with, two messages at the same moment, a worker that dies between two turns.
# Then money: the same refund pressed twice, ten times at once, and over a connection that breaks after it was paid.
# Chapter, sections 5 and 6.
#
# About 25 minutes.

# %%
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import altair as alt
import httpx
import pandas as pd

from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures import swim_lanes
from notebooks.pictures.look import BLUE, GREEN, ORANGE, SKY, VERMILLION, titled

# %% [markdown]
# One setting is shorter here than by default: what a request has claimed and then leaves alone is free again after two
# seconds instead of five.

# %%
with workbench(settings={"sessions.idempotency_lease_s": 2}) as lab:
    lab.keep()

lab

# %% [markdown]
# ## A conversation, and who holds it
#
# The service runs in two worker processes, and each request goes to whichever the kernel picks. A model remembers
# nothing: whoever asks has to send what was said before, every time. So somebody must keep it. A `dict` in the handler
# is the obvious place, and it works on a laptop with one process.
#
# **Predict first.** A conversation goes on until both workers have had a turn in it. If each of them kept its own
# `dict`, how many of them would know the whole of it?

# %%
knows = predict("With a dict in each process, how many of two workers know all that was said?", guess=1)

# %%
turns = [lab.ask("My bridge is called Aurora and it is built of oak.")]
thread = turns[0].thread_id
while len(turns) < 5 or (len({turn.worker for turn in turns}) < 2 and len(turns) < 16):
    n = len(turns)
    turns.append(lab.ask(f"Remember for later: span {n} of the bridge is {20 * n} meters.", thread_id=thread))
turns.append(lab.ask("What is my bridge built of?", thread_id=thread))
spoke = [turn.worker for turn in turns]
knows.check(sum(set(spoke) == {worker} for worker in set(spoke)))
print(turns[-1].answer)

# %%
history = pd.DataFrame(
    {"turn": n, "worker": f"worker {turn.worker}", "tokens": turn.body["usage"]["input_tokens"]}
    for n, turn in enumerate(turns, 1)
)
titled(
    alt.Chart(history)
    .mark_bar()
    .encode(
        x=alt.X("turn:O", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("tokens:Q", title="tokens sent to the model"),
        color=alt.Color("worker:N", scale=alt.Scale(range=[BLUE, ORANGE])),
    ),
    "One conversation, two processes",
    "whoever has the turn sends all that was said before, so each turn costs more than the one before it",
    height=180,
)

# %% [markdown]
# Neither: nobody would have heard all of it, and the answer would depend on whom the kernel picks. Here the thread is
# in Valkey, and a worker that has the turn reads it there, asks, and appends both sides of the turn.

# %%
said = lab.http("GET", f"/threads/{thread}").body["messages"]
pd.DataFrame(said)

# %% [markdown]
# ## Two messages at the same moment
#
# Somebody presses return twice, or has two tabs open. Both messages want to go on from the same history. Let them both,
# and the second answer knows nothing of the first, and one of them overwrites the other.
#
# **Predict.** Of the two, how many are answered?

# %%
lab.reset()
lab.latency("anthropic", first_token_ms=500)
both = predict("Of two messages at once in one thread, how many are answered?", guess=1)

# %%
pair = lab.ask_many(["Is oak good for a bridge?", "And for a second bridge?"], at_once=2, thread_id=thread)
both.check(sum(answer.ok for answer in pair))

# %%
rows = [
    {
        "lane": f"message {n}",
        "what": "a person waits",
        "began_s": answer.began_s,
        "ended_s": answer.began_s + answer.ms / 1000,
        "words": f"answered by worker {answer.worker}",
    }
    for n, answer in enumerate(pair, 1)
]
for n, answer in enumerate(pair, 1):
    call = lab.ledger(request_id=answer.request_id).iloc[0]
    words = f"{call['input_tokens']} tokens in"
    ended_s = call["t"] + call["duration_s"]
    rows.append(
        {"lane": f"call for {n}", "what": "the model writes", "began_s": call["t"], "ended_s": ended_s, "words": words}
    )
swim_lanes(
    sorted(rows, key=lambda row: row["lane"][-1]),
    colours={"a person waits": SKY, "the model writes": GREEN},
    title="Two at once, one after the other",
    subtitle="the second call begins when the first turn is in the thread: it has more tokens to send",
)

# %% [markdown]
# Both, one after the other. A turn holds the thread's lease, in Valkey, so that it does not matter which worker the
# other message went to. Whoever cannot wait that long is told so: a client with 300 ms of patience
# (`X-Deadline-Ms`) gets a 409, and the thread stays in order.

# %%
lab.latency("anthropic", first_token_ms=1500)
with ThreadPoolExecutor() as people:
    begun = len(lab.ledger())
    asked = people.submit(lab.ask, "How long does oak last?", thread_id=thread)
    lab.until(lambda: len(lab.ledger()) > begun, "the call of this turn")
    hasty = lab.http("POST", "/chat", {"text": "Hello?", "thread_id": thread}, headers={"X-Deadline-Ms": "300"})
    patient = asked.result()
print(hasty, patient, sep="\n")

# %% [markdown]
# ## A worker dies
#
# kill -9, between two turns. With the memory in the process, half of the conversations would be gone now. (What was on
# its way to the dead one is lost, and asked again.)

# %%
lab.reset()
before = lab.http("GET", f"/threads/{thread}").body["messages"]
dead = lab.kill_worker()
question = "What is the name of my bridge?"
after_death = lab.until(lambda: (answer := lab.ask(question, thread_id=thread)).ok and answer, "an answer")
kept = lab.http("GET", f"/threads/{thread}").body["messages"]
print(f"worker {dead} is dead, {after_death.worker} answers: {after_death.answer}")
print(f"{len(before)} messages before, {len(kept)} now")

# %% [markdown]
# ## Money moves once
#
# A chat that is asked twice costs a cent too much. A refund that is asked twice costs a refund. People press twice,
# clients retry after a timeout, and so do we. So `POST /refund` wants an `Idempotency-Key`, which the client makes up
# once for what it means to do, and sends again with every try.

# %%
lab.whole_again()
lab.reset()
refund = {"charge": "ch_17", "amount": 1250, "currency": "usd"}


def ask_refund(key: str | None, body: dict = refund):
    """One try, as a client sends it."""
    return lab.http("POST", "/refund", body, headers={"Idempotency-Key": key} if key else {})


tries = {
    "without a key": ask_refund(None),
    "the first try": ask_refund("order-17"),
    "the same again": ask_refund("order-17"),
    "the key, another amount": ask_refund("order-17", {**refund, "amount": 9900}),
}
pd.DataFrame(
    {
        "tried": name,
        "status": answer.status,
        "replayed": answer.headers.get("idempotency-replayed", ""),
        "refund": answer.body.get("id", ""),
        "said": answer.body.get("detail", ""),
    }
    for name, answer in tries.items()
)

# %% [markdown]
# 400 for no key, since a guess of ours would be wrong one day. The second try gets the stored response of the first,
# byte for byte. The same key with another body is a client's mistake, and 422 says so: neither answer would be right.
# What the payments provider saw of the four:

# %%
moved = lab.charges()
moved

# %% [markdown]
# ## Ten at once
#
# That was easy, and this handler can do it as well:

# %%
done: dict[str, dict] = {}
provider = httpx.Client(base_url=lab.urls["payments"], timeout=30, trust_env=False)


def pay(body: dict) -> dict:
    """The payments provider itself, over HTTP."""
    return provider.post("/v1/refunds", json=body).json()


def naive_refund(key: str, body: dict) -> dict:
    """Look whether it was done; if not, do it and write it down."""
    if key in done:
        return done[key]
    done[key] = pay(body)
    return done[key]


lab.reset()
first, second = naive_refund("order-18", refund), naive_refund("order-18", refund)
print(first["id"] == second["id"], len(lab.charges()))

# %% [markdown]
# Now ten at the same moment, with a payments provider that takes half a second. First the handler from above, then the
# service.
#
# **Predict.** How often does the money move?

# %%
lab.reset()
lab.latency("payments", first_token_ms=500)
naive_moves = predict("Ten at once, the handler above: how many refunds?", guess=10)
our_moves = predict("Ten at once, the service: how many refunds?", guess=1)

# %%
PRESSED = 10


def timed(n: int) -> dict:
    """A press of the button in a thread of its own, as a row of the picture."""
    began_s = time.time()
    paid = naive_refund("order-19", refund)
    return {"lane": f"naive {n + 1}", "began_s": began_s, "ended_s": time.time(), "refund": paid["id"]}


with ThreadPoolExecutor(PRESSED) as people:
    naive = list(people.map(timed, range(PRESSED)))
naive_charges = len(lab.charges())
naive_moves.check(naive_charges)

ten = lab.at_once(PRESSED, "POST", "/refund", refund, headers={"Idempotency-Key": "order-20"})
our_charges = len(lab.charges()) - naive_charges
our_moves.check(our_charges)
ten.by("status")

# %%
TOLD = {"the money moved": VERMILLION, "409: in flight": SKY, "200: replayed": GREEN}


def came_of(answer) -> str:
    """Of a press of the button, by what the service told."""
    if answer.status == 409:
        return "409: in flight"
    return "200: replayed" if "idempotency-replayed" in answer.headers else "the money moved"


swim_lanes(
    [{**row, "what": "the money moved", "words": row["refund"]} for row in naive],
    colours=TOLD,
    title=f"Check, then act: ten presses, {naive_charges} refunds",
    subtitle="each looked, found nothing, and paid; between the look and the note is half a second",
)

# %%
swim_lanes(
    [
        {
            "lane": f"client {n + 1}",
            "what": came_of(answer),
            "began_s": answer.began_s,
            "ended_s": answer.began_s + answer.ms / 1000,
            "words": answer.body.get("id") or f"come back in {answer.retry_after_s:.0f} s",
        }
        for n, answer in enumerate(
            sorted(ten, key=lambda answer: (came_of(answer) != "the money moved", answer.began_s))
        )
    ],
    colours=TOLD,
    title=f"Claim, then act: ten presses, {our_charges} refund",
    subtitle="who comes first claims the key; the others are told at once that somebody is on it",
)

# %% [markdown]
# Between *look* and *write down* is half a second in which everybody may look. The service does both in one step, in
# Valkey: the first one claims the key, whichever of the workers it is in, and all others find the claim. They are not
# made to wait: 409 with `Retry-After`, and once they come back they get what the first one got.

# %%
later = lab.at_once(PRESSED, "POST", "/refund", refund, headers={"Idempotency-Key": "order-20"})
print(later.by("status"), {answer.body["id"] for answer in later}, len(lab.charges()) - naive_charges)

# %% [markdown]
# ## The money moves, and the line goes dead
#
# The worst failure is the one in between: the payments provider pays, and the connection breaks before it can say so.
# To give up means to tell the customer that nothing happened. To try again means to pay twice, for somebody who does
# not send a key downstream.
#
# **Predict.** `charge_then_drop` strikes the next call. The naive handler raises, and its user presses again. The
# service tries again by itself. How many refunds have there been for each?

# %%
lab.reset()
naive_twice = predict("Naive, pressed again after the error: how many refunds?", guess=1)
our_once = predict("The service: how many refunds?", guess=1)

# %%
lab.fault("payments", "charge_then_drop", times=1)
try:
    naive_refund("order-21", refund)
except httpx.HTTPError as error:
    print(f"the naive handler: {type(error).__name__}. Pressed again.")
    naive_refund("order-21", refund)
dropped_naive = len(lab.charges())
naive_twice.check(dropped_naive)

lab.reset()
lab.fault("payments", "charge_then_drop", times=1)
dropped = ask_refund("order-22")
our_once.check(len(lab.charges()))
print(dropped.status, dropped.body)
lab.ledger("payments")[["request_id", "attempt", "fault", "status", "completed"]]

# %% [markdown]
# Two calls, one refund. The service's own call carries a key as well, made of the caller and his key and of nothing
# else. So a second attempt, a second worker, or a process that starts after a crash says the same thing to the
# payments provider, and that replays its own answer. Idempotency does not end at our door: each hop needs it.

# %%
one_key = lab.charges()
books = lab.books()
one_key

# %% [markdown]
# ## Without a memory, no money
#
# Valkey is where the claims are. While it is away a chat goes on without memory, for an answer is better than none.
# A refund cannot: nobody could know whether it was paid already.
#
# **Predict.** The status of a refund while Valkey is paused?

# %%
lab.reset()
refused_with = predict("A refund while the store is away: which status?", guess=500)

# %%
with lab.store_paused():
    refused = ask_refund("order-23")
    chat = lab.ask("What is idempotency?")
refused_with.check(refused.status)
print(refused, chat, sep="\n")
while_away = len(lab.charges())
since = []
lab.until(lambda: since.append(ask_refund("order-23")) or since[-1].ok, "a refund after the store is back")
print(f"{while_away} while it was away, {len(lab.charges())} since it is back, after {len(since)} tries:")
pd.Series([answer.status for answer in since]).value_counts()

# %% [markdown]
# Refused rather than risked, before anything was sent to the payments provider. The refund goes through after that,
# with the same key, but there may have been a surprise on the way: 409, *in flight*, for two seconds. The claim had
# been sent when Valkey was stopped. Nobody waited for it any more when it woke up, and it took it all the same. That is
# what the claim's lease is for: a claim that nobody renews belongs to nobody.
#
# ## Try yourself
#
# Mend the naive handler. A `threading.Lock` around it is the first thing that comes to mind: does it hold for ten at
# once? Here it is. What does it do to the nine who wait, and to a tenth who wants to pay for something else? And which
# of the experiments above does it not survive: another worker process, `charge_then_drop`, a restart?

# %%
one_at_a_time = threading.Lock()


def locked_refund(key: str) -> dict:
    """Yours to change."""
    with one_at_a_time:
        return naive_refund(key, refund)


lab.reset()
with ThreadPoolExecutor(PRESSED) as people:
    began_s = time.monotonic()
    list(people.map(locked_refund, [f"order-{30 + n % 3}" for n in range(PRESSED)]))
f"{len(lab.charges())} refunds for three orders in {time.monotonic() - began_s:.2f} s"

# %% [markdown]
# ## What held

# %%
assert len(set(spoke)) == 2, "both workers had a turn"
assert all(turn.status == 200 and turn.thread_id == thread for turn in turns)
assert "oak" in turns[-1].answer, "and whoever had the last one knew what was said in the first"
assert len(said) == 2 * len(turns)
tokens = [turn.body["usage"]["input_tokens"] for turn in turns]
assert tokens == sorted(tokens)
assert pair.by("status") == {200: 2}
assert [message["role"] for message in before] == ["user", "assistant"] * (len(before) // 2), "no turn inside another"
assert hasty.status == 409
assert patient.status == 200
assert len(before) == len(said) + 6, "two at once and the patient one; the hasty one left no trace"
assert "Aurora" in after_death.answer
assert after_death.worker != dead
assert len(kept) == len(before) + 2
assert [answer.status for answer in tries.values()] == [400, 200, 200, 422]
assert tries["the same again"].body == tries["the first try"].body
assert len(moved) == 1
assert naive_charges > 1, "check-then-act"
assert our_charges == 1
assert set(ten.by("status")) <= {200, 409}
assert later.by("status") == {200: PRESSED}
assert len({answer.body["id"] for answer in [*later, *ten] if answer.ok}) == 1, "all were told of the same refund"
assert dropped_naive == 2
assert dropped.status == 200
assert len(one_key) == 1
assert books["verdict"] == "balanced"
assert refused.status == 503
assert (while_away, chat.degraded) == (0, ["session"])
assert {answer.status for answer in since[:-1]} <= {409, 503}
assert since[-1].status == 200

# %% [markdown]
# Next: `07_retrieval`, where the answers come from documents, for as long as there is time to look.
