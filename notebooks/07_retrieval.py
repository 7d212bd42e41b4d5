# %% [markdown]
# # 07 · Retrieval: answers from documents, for as long as there is time to look
#
# A model knows what it was trained on. What your handbook says, somebody has to find and hand to it, in a third of a
# second, with two more dependencies that fail. What each step of the search is good for, in figures; what is left of it
# when a part is out; and what is left out first when the house is full. Chapter, section 1 (layer 3).
#
# About 25 minutes.

# %%
import math
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import altair as alt
import pandas as pd

import notebooks
from gauntlet import workbench
from notebooks.guess import predict
from notebooks.pictures.look import GREEN, GREY, ORANGE, SKY, VERMILLION, YELLOW, scale, titled

# %% [markdown]
# One worker this time, which takes ten requests at once (by default it is 512), so that a dozen people can fill it up
# at the end.

# %%
ROOM = 10
settings = {
    "admission": ROOM,
    "admission_lag_s": 60,  # only how many there are shall count, not how busy this machine is
    "routes.handbook.deadline_s": 30,
    "retrieval.embeddings.timeout_s": 2,  # for our looks at single steps; a chat's third of a second stays
    "retrieval.rerank.timeout_s": 2,
}
with workbench(settings=settings, workers=1) as lab:
    lab.keep()

lab


# %%
def look(query: str, mode: str = "rerank", k: int = 5) -> dict:
    """What a search finds up to a step, without asking a model; admins only."""
    return lab.http("POST", "/retrieve", {"query": query, "mode": mode, "k": k}, user="admin").body


lab.until(lambda: look("warm up").get("mode") == "hybrid+rerank", "an index that is ready")
documents = lab.http("GET", "/admin/corpus", user="admin").body["documents"]
f"{len(documents)} documents of a handbook on production LLM systems"

# %% [markdown]
# ## With and without
#
# The same question twice: once to the model alone, once on the route `handbook`, which searches first and gives the
# model the five best passages as numbered sources.

# %%
question = "Which retry budgets do Finagle and Envoy use?"
alone = lab.ask(question)
with_sources = lab.ask(question, route="handbook", explain=True)
print(alone.answer, "", with_sources.answer, sep="\n")
pd.DataFrame(with_sources.body["citations"])

# %% [markdown]
# The model alone says something sensible about retry budgets, and nothing about Finagle: it was not told. With the
# passages it answers what was asked, and each `[n]` is a citation that a reader can follow. What it took is in the
# path: two calls more, and some hundreds of tokens of passages that have to be paid as input.

# %%
asked = lab.ledger()
asked[asked["request_id"].isin((alone.request_id, with_sources.request_id))][
    ["target", "endpoint", "input_tokens", "output_tokens", "billed_nano_usd"]
]

# %% [markdown]
# ## Four ways to look for the same thing
#
# - *lexical*: BM25, which counts words and knows that rare ones say more. Exact, and blind to synonyms.
# - *dense*: vectors, by meaning. Knows synonyms, and blurs what is exact: numbers, names, codes.
# - *hybrid*: both lists fused by reciprocal rank, so that what stands high in either comes to the top.
# - *rerank*: a model reads the twenty best candidates together with the question, and sorts them anew.
#
# **Predict first.** Somebody asks whether *a 529 is worth retrying*. The handbook has a passage about that. At which
# rank do the vectors find it (10: not among the first nine)?

# %%
by_meaning = predict("Is a 529 worth retrying? The rank of the right passage by vectors alone", guess=1)

# %%
MODES = ("lexical", "dense", "hybrid", "rerank")
DEPTH = 10
bench = Path(notebooks.__file__).parents[1] / "loadtests" / "bench" / "retrieval" / "questions.toml"
questions = tomllib.loads(bench.read_text())["question"][::3]
for one in questions:  # passages are named there without their corpus
    one["right"] = {"handbook/" + ".md#".join(name.split("#")) for name in one["passages"]}


def rank_of(one: dict, mode: str) -> int | None:
    """The rank of the first right passage; None where it is not among the first ten."""
    found = lab.until(lambda: not (seen := look(one["text"], mode, DEPTH)).get("degraded", True) and seen, "a search")
    ids = [passage["id"] for passage in found["passages"]]
    return next((n for n, name in enumerate(ids, 1) if name in one["right"]), None)


lab.reset()
lab.latency("embeddings", first_token_ms=0)
lab.latency("rerank", first_token_ms=0)
ranks = {mode: [rank_of(one, mode) for one in questions] for mode in MODES}
vectors_made = int((lab.ledger()["target"] == "embeddings").sum())
table = pd.DataFrame(ranks, index=[one["text"] for one in questions]).astype("Int64")
table.insert(0, "kind", [one["kind"] for one in questions])
the_529 = table.loc["Is a 529 worth retrying?"]
by_meaning.check(DEPTH if pd.isna(the_529["dense"]) else the_529["dense"])

# %% [markdown]
# One question proves nothing; here are 24, of four kinds. Each row is a question, and the colour says how far down the
# right passage was.

# %%
shown = table.reset_index(names="question").melt(["question", "kind"], MODES, "step", "rank")
shown["place"] = pd.cut(
    shown["rank"].astype(float).fillna(99), [0, 1, 5, 10, 99], labels=["first", "2 to 5", "6 to 10", "not found"]
).astype(str)
shown["text"] = shown["rank"].map(lambda rank: "–" if pd.isna(rank) else str(rank))
PLACES = {"first": GREEN, "2 to 5": SKY, "6 to 10": YELLOW, "not found": VERMILLION}
cells = alt.Chart(shown).encode(
    x=alt.X("step:N", sort=list(MODES), title=None, axis=alt.Axis(labelAngle=0, orient="top")),
    y=alt.Y("question:N", sort=list(table.index), title=None, axis=alt.Axis(labelLimit=420)),
)
titled(
    cells.mark_rect(stroke="white", opacity=0.85).encode(color=alt.Color("place:N", scale=scale(PLACES)))
    + cells.mark_text(fontSize=11).encode(text="text:N"),
    "At which rank the right passage was found",
    "24 questions to the handbook, four ways to look",
    width=280,
    height=20 * len(table),
)

# %% [markdown]
# *Recall at 5* is the share of questions whose right passage is among the first five: those that the model gets. *MRR*
# is the mean of 1 / rank, and says how near to the top it was.


# %%
def quality(found: pd.DataFrame) -> pd.DataFrame:
    """Recall at 5 and MRR of each step."""
    numbers = found[list(MODES)].astype(float)
    return pd.DataFrame({"recall@5": numbers.le(5).mean(), "MRR": numbers.rdiv(1).fillna(0).mean()}).round(3)


figures = quality(table)
kinds = pd.concat({kind: quality(rows)["recall@5"] for kind, rows in table.groupby("kind", sort=False)}, axis=1)
figures.join(kinds)

# %% [markdown]
# Whoever uses a term of the handbook finds it in any way. Identifiers are where vectors are weak (they found nothing
# at all for the 529) and words strong, and paraphrases and situations are hard for all. Fusion alone gains little here:
# where one list is blind, it pulls the other one down (the 529 again). What it does is to bring the right passage among
# the twenty candidates, and then the reranker finds it. A step is worth what it adds in such a table, made with
# questions of your own users, and not what its reputation says. (The simulated models were weighed with these questions
# in sight: it shows what a step is for, not how good anybody's models are.)
#
# ## A vector is kept
#
# 24 questions were searched in three ways that need a vector of the question. How many times was one made?

# %%
print(f"{vectors_made} calls to embeddings for {len(questions) * 3} searches")
lab.reset()
first, second = look("who pays for a retry?"), look("who pays for a retry?")
vectors = len(lab.ledger("embeddings"))
pd.DataFrame([first, second])[["mode", "cached", "took_ms"]]

# %% [markdown]
# One for each question and two more: the vector of a text is always the same, so it is kept in Valkey for a day. (But
# for the question with `169.254.169.254` in it: that might be somebody's number, and what may be personal is not kept.)
# It saves money, but above all it is a dependency less: a question that was asked before is found by meaning even while
# the embeddings API is out.
#
# ## A part is out
#
# Embeddings and reranker are calls over the network, and fail like all of them. So the search goes on with what there
# is, and the answer says in `degraded` what it had to do without.
#
# **Predict.** Embeddings and the reranker are both dead, and somebody asks about Little's law. What becomes of the
# question: is it answered from the handbook, from the model's memory, or refused?

# %%
both_dead = predict("With embeddings and reranker dead, the answer comes from …", guess="the model's memory")

# %%
RIGHT = "refusing-early-at-the-gateway"
outages = {"nothing": (), "embeddings": ("embeddings",), "reranker": ("rerank",), "both": ("embeddings", "rerank")}
told = {}
for name, targets in outages.items():
    lab.reset()
    for target in targets:
        lab.fault(target, "status", status=503)
    told[name] = lab.ask(
        "How do I use Little's law to choose the bound for admission control?", route="handbook", explain=True
    )


def searched(answer) -> dict:
    """What the search had found in the end, as the path tells it."""
    return next(
        step["inputs"] for step in answer.path if step["stage"] == "retrieval" and step["decision"] in ("found", "none")
    )


both_dead.check("the handbook" if told["both"].body["citations"] else "the model's memory")
pd.DataFrame(
    {
        "out": name,
        "status": answer.status,
        "degraded": answer.degraded,
        "searched by": searched(answer).get("mode", ""),
        "passages": searched(answer).get("passages", 0),
        "cites": [cited["anchor"] for cited in answer.body["citations"]],
    }
    for name, answer in told.items()
)

# %% [markdown]
# Words are still words: BM25 runs inside the worker and needs nobody. For this question it is even as good; the table
# above tells for which kind it would not be. An answer that was made with less is not put into the cache, where it
# would outlive the outage.
#
# ## A part hangs
#
# Dead is easy. What if the embeddings API takes the call and says nothing? The whole search has 0.3 s of the five that
# an answer may take, and the question's vector half of that, so that there is time left to search by words and to
# rerank.

# %%
lab.reset()
lab.fault("embeddings", "hang")
hung = lab.ask("What is the difference between full jitter and equal jitter?", route="handbook", explain=True)
search = lab.sql(f"select retrieval from requests where request_id = '{hung.request_id}'").loc[0, "retrieval"]
print(f"searched by {search['mode']} in {search['duration_ms']:.0f} ms")
print(hung.degraded, [cited["anchor"] for cited in hung.body["citations"]], sep="\n")
hung.steps().query("stage in ('call', 'retry', 'retrieval')").assign(why=lambda rows: rows["why"].str.slice(0, 90))

# %%
bars = [
    {
        "what": step["inputs"]["provider"],
        "ended_ms": step["t_ms"],
        "began_ms": step["t_ms"] - step["inputs"]["duration_ms"],
    }
    for step in hung.path
    if step["stage"] == "call"
]
of_whom = {"embeddings": VERMILLION, "rerank": ORANGE, "anthropic": GREEN}
limit = alt.Chart(pd.DataFrame([{"ms": 300, "words": "0.3 s"}])).encode(x="ms:Q")
titled(
    alt.Chart(pd.DataFrame(bars))
    .mark_bar(height=14, cornerRadius=2)
    .encode(
        x=alt.X("began_ms:Q", title="ms since the request arrived"),
        x2="ended_ms:Q",
        y=alt.Y("what:N", sort=list(of_whom), title=None),
        color=alt.Color("what:N", scale=scale(of_whom), legend=None),
    )
    + limit.mark_rule(color=GREY, strokeDash=[4, 3])
    + limit.mark_text(align="left", dx=4, y=6, color=GREY, fontSize=11).encode(text="words:N"),
    "Embeddings hang, and the answer hardly does",
    "the calls of one question: half of the search's time is given to the vector, then words must do",
    height=110,
)

# %% [markdown]
# ## When the house is full
#
# A search is the optional part of an answer. When a worker fills up, it is better to answer everybody a little worse
# than to turn people away: *brownout* (Klein and others, ICSE 2014). Pressure is the share of `admission` that is in
# flight, and the steps go in the order of what they cost: from 50 % on nothing is reranked, from 70 % on the model gets
# two passages instead of five, from 85 % on nothing is searched. At 100 % the next one is refused.
#
# The model takes four seconds now (more where the machine is slow: nobody may leave before the last one has come), and
# one person after the other comes in: each when the one before has got as far as the model. There is room for ten;
# twelve come.
#
# **Predict.** How many of the twelve get an answer with five passages in it?

# %%
lab.reset()
CROWD = ROOM + 2
lab.latency("anthropic", first_token_ms=0)
comes_in_ms = lab.ask("What is the first thing to do?", route="handbook", explain=True).ms
lab.reset()
stays_ms = max(4_000, 3 * CROWD * comes_in_ms)  # three times as long as all of them take to come in
lab.latency("anthropic", first_token_ms=min(stays_ms, 12_000))
full = predict(f"Of {CROWD}, how many are answered from five passages?", guess=10)

# %%
topics = [one["text"] for one in questions]
with ThreadPoolExecutor(CROWD) as people:
    coming = []
    for n in range(CROWD):
        ask = people.submit(lab.ask, topics[n], user=f"acme-p{n}", route="handbook", explain=True)
        lab.until(lambda: ask.done() or (lab.ledger()["target"] == "anthropic").sum() > n, "a question on its way")  # noqa: B023
        coming.append(ask)
    crowd = [ask.result() for ask in coming]
lab.reset()

rows = []
for n, answer in enumerate(crowd, 1):
    found = searched(answer) if answer.ok else {}
    why = [reason for reason in answer.degraded if "pressure" in reason or "fewer" in reason]
    rows.append({"person": n, "status": answer.status, "passages": found.get("passages", 0), "less": ", ".join(why)})
house = pd.DataFrame(rows)
full.check(int(house["passages"].eq(5).sum()))
house

# %%
SERVED = {
    "five passages, reranked": GREEN,
    "five, not reranked": SKY,
    "two passages": YELLOW,
    "nothing searched": ORANGE,
    "refused": VERMILLION,
}


def served(row) -> str:
    """A person's row as one of the words above."""
    if row["status"] != 200:
        return "refused"
    if row["passages"] == 0:
        return "nothing searched"
    if row["passages"] == 2:
        return "two passages"
    return "five, not reranked" if row["less"] else "five passages, reranked"


house["served"] = house.apply(served, axis=1)
base = alt.Chart(house).encode(
    x=alt.X("person:O", title="person, in the order of arrival", axis=alt.Axis(labelAngle=0))
)
titled(
    base.mark_bar()
    .encode(
        y=alt.Y(
            "shown:Q", title="passages for the model", scale=alt.Scale(domain=[0, 5.5]), axis=alt.Axis(values=[0, 2, 5])
        ),
        color=alt.Color("served:N", scale=scale(SERVED, house["served"])),
    )
    .transform_calculate(shown="max(datum.passages, 0.12)")
    + alt.Chart(
        pd.DataFrame(
            {"person": [math.ceil(ROOM * share) for share in (0.5, 0.7, 0.85)], "words": ["50 %", "70 %", "85 %"]}
        )
    )
    .mark_text(y=4, color=GREY, fontSize=11)
    .encode(x="person:O", text="words:N"),
    "What a search costs is what a full house saves",
    f"{CROWD} people come in one after the other, and nobody leaves; there is room for {ROOM}",
    height=200,
)

# %% [markdown]
# Only the last two were turned away. To those before them the service gave what it could, and said so in `degraded`.
#
# ## Try yourself
#
# The bad day: the embeddings API is out, and half of the questions are paraphrases. What does the table above look like
# without vectors? And which of your questions would you write differently, knowing that words alone must do? Ask yours,
# by each step.

# %%
mine = "How do I stop an agent from paying too much?"
pd.DataFrame({mode: [passage["anchor"] for passage in look(mine, mode, 3)["passages"]] for mode in MODES})

# %% [markdown]
# ## What held

# %%
assert alone.body["citations"] == []
assert "Finagle" in with_sources.answer
assert "Finagle" not in alone.answer
assert "a-budget-for-repeated-calls" in [cited["anchor"] for cited in with_sources.body["citations"]]
assert len(questions) <= vectors_made < 2 * len(questions), "a vector is made once"
assert figures["recall@5"].idxmax() == figures["MRR"].idxmax() == "rerank"
assert kinds.loc["lexical", "keyword"] == 1
assert pd.isna(the_529["dense"])
assert the_529["lexical"] == the_529["rerank"] == 1
assert (first["cached"], second["cached"], vectors) == (False, True, 1)
assert all(answer.status == 200 for answer in told.values())
assert all(RIGHT in [cited["anchor"] for cited in answer.body["citations"]] for answer in told.values())
assert {reason.split(":")[0] for reason in told["both"].degraded} == {"embeddings", "rerank"}
assert hung.status == 200
assert "embeddings:timed_out" in hung.degraded
assert searched(hung)["mode"].startswith("lexical")
assert house["status"].tolist() == [200] * ROOM + [503] * (CROWD - ROOM)
assert (
    house["less"].tolist()[4:10]
    == ["rerank:pressure"] * 2 + ["rerank:pressure, retrieval:fewer"] * 2 + ["retrieval:pressure"] * 2
)
assert house["passages"][4:10].le([5, 5, 2, 2, 0, 0]).all()

# %% [markdown]
# Next: `08_background_and_agent`, for what takes longer than anybody waits.
