# %% [markdown]
# # 05 · Streaming: what a reader has in front of them
#
# Why people bear a slow model that talks at once, what to do when it stops in the middle of a sentence, how an answer
# says that it is whole, what a reader who leaves costs, and why an open stream is no good news yet. Chapter, sections
# 2 and 5.
#
# About 20 minutes.

# %%
import json
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pandas as pd

from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures import breaker_strip, stream_lanes

# %% [markdown]
# One route is added for this notebook, `held`: as the default one, but with another policy for streams that break. And
# circuits are quicker here than by default: they open after four failures in a row instead of five, for one second
# instead of thirty.

# %%
rungs = [{"provider": "anthropic", "model": "claude-opus-4-7"}, {"provider": "openai", "model": "gpt-5.5"}]
held = json.dumps({"rungs": rungs, "broken_stream": "buffer"})

with workbench(settings={"routes.held": held, "breaker.failures": 4, "breaker.cooldown_s": 1}) as lab:
    lab.keep()

lab

# %% [markdown]
# ## The first word
#
# A model that takes 300 ms to its first token and 20 ms for each one after that: an answer of forty tokens takes more
# than a second, however it is sent. `POST /chat` sends it when it is whole, `POST /chat/stream` as it comes, as
# server-sent events.
#
# **Predict first.** For what part of that time does the reader of the stream look at nothing?

# %%
lab.latency("anthropic", first_token_ms=300, per_token_ms=20)
nothing = predict("Until the first word, of the time until the last, in percent?", guess=50)

# %%
whole = lab.ask("Why do retries need jitter?", user="alice")
stream = lab.stream("Why do retries need jitter?", user="bob")  # of another tenant, so nothing is shared
nothing.check(100 * stream.first_token_ms / stream.ms, "%")
stream

# %%
stream_lanes(
    {
        "POST /chat": [{"t_ms": whole.ms, "event": "done"}],
        "POST /chat/stream": stream.frame(),
    },
    title="The same waiting, and something to read",
    subtitle="the same question to the same model; a tick is a piece of text",
)

# %% [markdown]
# Nothing got faster: the last word comes as late as before. But people judge a system by its first sign of life, and
# they read no faster than it writes. So there are two times to watch, and they need two limits: the deadline of five
# seconds holds for the first token; after that, a stream may go on for a minute, as long as it is never silent for two
# seconds.
#
# A stream is the event `delta` again and again, then `done`, with all the facts that `/chat` tells:

# %%
stream.done

# %% [markdown]
# ## It breaks after the first word
#
# Before the first token a failure is nobody's business: the service tries again or goes elsewhere, and the reader sees
# a slow answer. After it the reader has half a sentence in front of them, and another model would not end it with the
# same words. Gluing two halves together is out of the question; three honest things are left, and which one is right
# depends on who reads:
#
# | policy | what the reader gets | for whom |
# |---|---|---|
# | `restart` | `restart` (drop what you have), then another answer from its beginning | our own front end |
# | `error` | an error inside the stream, and no end mark | clients of the OpenAI API |
# | `buffer` | nothing until the answer is whole | programs that cannot take a word back |
#
# Three readers ask, one for each policy, and each one's stream from Anthropic is cut in the middle. The second reader
# is OpenAI's own SDK, as it comes, with `base_url` set to the service.
#
# **Predict.** How many of the three end up with a whole answer?

# %%
lab.reset()
answered = predict("Of three readers, how many have a whole answer in the end?", guess=1)


def with_the_sdk(question: str) -> tuple[list[dict], str | None]:
    """Events as `lab.stream` has them, and the code of the error that the SDK raised."""
    asked, events = [{"role": "user", "content": question}], []
    http = openai.DefaultHttpxClient(trust_env=False)  # by no proxy
    url = f"{lab.urls['service']}/v1"
    with openai.OpenAI(base_url=url, api_key="demo-alice", max_retries=0, http_client=http) as client:
        client.models.list()  # its first request takes longer
        began = time.monotonic()

        def note(event: str) -> None:
            events.append({"t_ms": (time.monotonic() - began) * 1000, "event": event})

        try:
            for chunk in client.chat.completions.create(model="default", messages=asked, stream=True):
                if chunk.choices[0].delta.content:
                    note("delta")
                if chunk.choices[0].finish_reason:
                    note("done")
        except openai.APIError as error:
            note("error")
            return events, error.code
    return events, None


# %%
lab.fault("anthropic", "cut", times=1)
restarted = lab.stream("What is a circuit breaker?")
lab.fault("anthropic", "cut", times=1)
sdk, sdk_error = with_the_sdk("What is idempotency?")
lab.fault("anthropic", "cut", times=1)
buffered = lab.stream("What is a token bucket?", route="held")
answered.check(sum(bool(one.done) for one in (restarted, buffered)) + (sdk_error is None))

# %%
stream_lanes(
    {
        "restart · /chat/stream": restarted.frame(),
        "error · /v1/chat/completions": sdk,
        "buffer · route held": buffered.frame(),
    },
    title="Cut in the middle, under three policies",
    subtitle="what the readers of three streams had in front of them, and when",
    words={"error · /v1/chat/completions": f"the SDK raises APIError: {sdk_error}"},
)

# %% [markdown]
# The first reader sees words vanish and a whole answer after them; they stay until the other model's first word is
# there. The second gets an exception and knows that what came is a part. The third notices nothing but the wait: no
# first word before the last one, which is the price of never taking one back.
#
# And the half answers are paid for, too. The cost that `done` tells is of both calls:

# %%
print(f"{restarted.done['source']}, {restarted.done['degraded']}, ${restarted.done['cost_usd']:.6f}")
lab.ledger()[["target", "fault", "status", "output_tokens", "completed", "billed_nano_usd"]]

# %% [markdown]
# ## Six ways to stop
#
# Notice the status in that ledger: 200. A stream has told that all is well before it knows. What comes after can go
# wrong in many ways, and only some of them look like failures:
#
# - `cut`: the connection breaks. `stream_error`: an error comes as an event. `malformed_chunk`: a piece is no JSON.
# - `truncate`: the response ends in good order, only the end mark (`message_stop`, `[DONE]`) is missing. To HTTP that
#   is a whole response.
# - `stall`: nothing more comes, and the connection stays. `stall_pings`: the same, with a ping every 200 ms, so that
#   the line looks alive.
#
# **Predict.** Six people ask at once, each one's stream gets another of these. How many of the six end with a part of
# an answer that looks like a whole one?

# %%
lab.reset()
lab.latency("anthropic", first_token_ms=600, per_token_ms=6)
ways = ["cut", "stream_error", "malformed_chunk", "truncate", "stall", "stall_pings"]
for way in ways:
    lab.fault("anthropic", way, times=1)
fooled = predict("Of six readers, how many take a part for the whole?", guess=2)

# %%
began_s = time.time()
with ThreadPoolExecutor(len(ways)) as people:
    broken = list(people.map(lambda n: lab.stream(f"What is the number {n}?", user=f"acme-p{n}"), range(len(ways))))
calls = lab.ledger()
met = calls.dropna(subset=["fault"]).set_index("request_id")["fault"]
looks_whole = [one for one in broken if one.done]
complete = calls[calls["completed"]].set_index("request_id")["target"]
fooled.check(sum(complete.get(one.request_id) is None for one in looks_whole))

# %%
noticed = lab.sql(f"""
    select request_id, attempts.status as noticed_as, round(attempts.duration_ms) as after_ms, exact
    from attempts join requests using (request_id) where target = 'anthropic' and requests.t >= {lab.since}
""").set_index("request_id")
billed = calls[calls["target"] == "anthropic"].set_index("request_id")[["output_tokens", "billed_nano_usd"]]
ends = pd.concat([met, noticed, billed], axis=1).set_index("fault").reindex(ways)
ends

# %%
lanes = {met.get(one.request_id, "none"): one for one in sorted(broken, key=lambda one: one.ms)}
stream_lanes(
    {way: one.frame() for way, one in lanes.items()},
    title="Six streams that stopped, six whole answers",
    subtitle="grey: what was taken back; blue: the other provider's answer, from its beginning",
    words={way: f"{ends.loc[way, 'noticed_as']}".replace("_", " ") for way in lanes if way in ends.index},
)

# %% [markdown]
# Four break off and are noticed at once, `truncate` among them, since an answer is whole when its end mark has come
# and not when the connection closes. The two that stall are ended by our own clock, after two seconds without a
# token. Pings do not wind that clock: they prove that a server lives, not that a model writes.
#
# ## An open stream is no success
#
# All six calls were answered with 200, and a circuit breaker that counts status codes, or calls it a success once the
# first token is there, has seen six successes in a row. Ours waits for the end. Four streams broke, so it is open. The
# second of cool-down passes, and one stream more is asked for: the probe.

# %%
# Until one goes to Anthropic again.
lab.latency("anthropic", first_token_ms=400, per_token_ms=20)
more = iter(f"What is the number {n}?" for n in range(20, 60))
probe = lab.until(
    lambda: (one := lab.stream(next(more), user="acme-probe")).done["provider"] == "anthropic" and one, "a probe"
)
TOLD = f"""
    select provider, state, epoch(time) as t from breaker_events
    where provider = 'anthropic' and epoch(time) >= {lab.since} order by t
"""
changes = lab.until(
    lambda: (told := lab.sql(TOLD).to_dict("records")) and told[-1]["state"] == "closed" and told,
    "the circuit's closing",
)

# %%
breaker_strip(
    changes,
    began_s=began_s,
    until_s=time.time(),
    calls=lab.ledger(),
    title="Every call to Anthropic was a 200",
)

# %% [markdown]
# The dark ticks are what the status codes say: calls that were answered. The strip is what came of them. Look at the
# probe: half-open is as long as its stream. All that while other people's questions go to OpenAI, since nobody knows
# yet.
#
# ## The reader leaves
#
# Closed tabs and lost patience are most of what ends a stream early. A service that does not notice reads on, to the
# last token, for nobody, and pays.
#
# **Predict.** Two answers of some forty tokens, 50 ms each: one reader stays to the end, the other leaves after three
# pieces of text (a piece is one token here). How many tokens is the second one billed?

# %%
lab.reset()
lab.latency("anthropic", first_token_ms=200, per_token_ms=50)
paid = predict("Tokens billed for the reader who leaves after three?", guess=40)

# %%
with ThreadPoolExecutor() as people:
    staying = people.submit(lab.stream, "Which failures are worth a retry?")
    left = lab.stream("Why do we need timeouts?", leave_after=3)
    stayed = staying.result()
lab.until(lambda: lab.ledger()["cancelled"].any(), "the end of the abandoned call")
tokens = lab.ledger().set_index("request_id")
paid.check(tokens.loc[left.request_id, "output_tokens"])
tokens.loc[[stayed.request_id, left.request_id], ["output_tokens", "completed", "cancelled", "billed_nano_usd"]]

# %%
stream_lanes(
    {"stayed": stayed.frame(), "left": [*left.events, {"t_ms": left.ms, "event": "left"}]},
    title="Who leaves ends the call",
    subtitle="the provider writes on until it is told that nobody reads",
    words={
        "stayed": f"{tokens.loc[stayed.request_id, 'output_tokens']} tokens billed",
        "left": f"{tokens.loc[left.request_id, 'output_tokens']} tokens billed",
    },
)

# %% [markdown]
# The service notices, closes its connection to the provider, and the model stops. What it wrote until then is on the
# bill, with the few tokens that were on their way. The provider never told how many those were, so our own book has an
# estimate and says so (`exact` is false), with the most that it can be:

# %%
story = lab.sql(f"""
    select outcome, attempts.status, purpose, exact, attempts.output_tokens, attempts.cost_nano_usd, most_nano_usd
    from attempts join requests using (request_id) where request_id = '{left.request_id}'
""")
story

# %% [markdown]
# ## Try yourself
#
# Two people ask the same question at the same moment, which is one call (`01_cache`), and one of them leaves. Is the
# other one's answer cut off? Is anything billed twice? Guess, run, and change who leaves. And what should become of
# the answer if both leave: would you let the model end it, for the cache?

# %%
lab.reset()
lab.latency("anthropic", first_token_ms=200, per_token_ms=20)
with ThreadPoolExecutor() as people:
    impatient = people.submit(lab.stream, "What is back-pressure?", leave_after=3)
    patient = people.submit(lab.stream, "What is back-pressure?")
print(impatient.result(), patient.result(), sep="\n")
lab.ledger()[["target", "output_tokens", "completed", "cancelled"]]

# %% [markdown]
# ## What held

# %%
assert stream.done["answer"] == stream.answer, "the pieces are the answer"
assert [event["event"] for event in stream.events].count("delta") > 3
assert restarted.done["source"] == "provider"
assert restarted.done["degraded"] == ["anthropic:stream_broken"]
assert restarted.answer == restarted.done["answer"], "nothing of the half answer is left"
assert [event["event"] for event in sdk][-1] == "error", "nor does it end as if it were whole"
assert sdk_error == "stream_broken"
assert [event["event"] for event in buffered.events] == ["delta", "done"], "nothing before all of it"
assert set(met) == set(ways)
assert all(one.done and one.answer == one.done["answer"] for one in broken)
assert all(complete[one.request_id] == "openai" for one in broken)
assert ends.drop(["stall", "stall_pings"])["noticed_as"].eq("stream_broken").all()
assert ends.loc[["stall", "stall_pings"], "noticed_as"].eq("timed_out").all()
assert calls["status"].eq(200).all(), "each of them had begun well"
assert changes[0]["state"] == "open"
assert probe.done["answer"] == probe.answer
assert tokens.loc[left.request_id, "cancelled"]
assert 3 <= tokens.loc[left.request_id, "output_tokens"] < tokens.loc[stayed.request_id, "output_tokens"]
assert story.loc[0, "outcome"] == "cancelled"
assert patient.result().done

# %% [markdown]
# Next: `06_sessions_and_idempotency`, where what was said must not be lost, and what was paid must not be paid again.
