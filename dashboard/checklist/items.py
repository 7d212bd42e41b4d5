"""The ten items, a small function for each: what is looked at, and what it says. Read `facts.py` for where it is from.

The list is the chapter's (section 7); the words are ours. What is found is evidence of what happened while somebody
looked, not a proof: an audit tries on purpose to break each promise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..backends.http import Away, Refused
from ..settings import current
from .facts import NEWEST_RECORDS, NEWEST_REQUESTS, Facts
from .finding import Finding, State

HIT_TARGET = 0.3
ENOUGH_ANSWERS = 20
"""Before so many a hit rate says nothing."""
OVERTIME_S = 0.5
"""A call may end this long after its deadline: it is cut then, and what is cut is told a little later."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
Look = Callable[[Facts, str], Finding]


@dataclass(frozen=True, slots=True)
class Item:
    """An item: its promise, its term in the glossary, and the function that looks."""

    promise: str
    term: str
    look: Look


def calls_are_bounded(facts: Facts, span: str) -> Finding:
    """Timeouts, retries and circuit changes were seen, and no call outlasted the deadline."""
    how = "while the warm-up runs inject **Outage** for a provider (retries, circuit), then **Hang** (time limits)."
    calls, waits = facts.calls, facts.decisions.get(("retry", "wait"), 0)
    opened, deadline_s = sum(facts.opened.values()), facts.deadline_s
    if not calls["calls"]:
        return Finding(State.NOT_YET, f"No provider was called {span}.", how)
    evidence = (
        f"{_many(calls['calls'], 'call')} {span}{_longest(calls['longest_ms'], deadline_s)}; "
        f"{calls['timed_out']:,} timed out, {waits:,} times a retry was waited for, circuits opened "
        f"{_times(opened)}.{_stages(facts, 'retry', 'breaker')}"
    )
    if _off(facts, "retry", "breaker"):
        return Finding(State.OFF, evidence, "switch it on again in the sidebar.")
    longest_s = (calls["longest_ms"] or 0) / 1000
    if deadline_s is not None and longest_s > deadline_s + OVERTIME_S:
        return Finding(
            State.ATTENTION, evidence + " A call outlasted the deadline.", "look for it on the Request page."
        )
    return Finding(_seen(bool(calls["timed_out"] and waits and opened)), evidence, how)


def hits_are_measured(facts: Facts, span: str) -> Finding:
    """The hit rate is known and reaches the target."""
    how = "ask the same question twice; the warm-up repeats some of its own."
    answered, cached = int(facts.requests["answered"]), int(facts.requests["cached"])
    if not answered:
        return Finding(State.NOT_YET, f"Nothing was answered {span}.", how)
    rate = cached / answered
    evidence = (
        f"{cached:,} of {_many(answered, 'answer')} {span} came from the cache or were shared: **{rate:.1%}**; the "
        f"target is 30 to 70 %, and more is well where questions repeat.{_stages(facts, 'cache')}"
    ).replace("%**", " %**")
    if _off(facts, "cache"):
        return Finding(State.OFF, evidence, "switch the cache on again in the sidebar.")
    if answered >= ENOUGH_ANSWERS and rate < HIT_TARGET:
        return Finding(State.ATTENTION, f"{evidence} That is below it.", how)
    return Finding(_seen(cached > 0), evidence, how)


def limits_are_per_user(facts: Facts, span: str) -> Finding:
    """A user was refused while others at the same address were served."""
    how = "send more than 20 questions at once with one key (the burst that a user has), and one with another key."
    told, allowed = facts.requests, facts.decisions.get(("rate_limit", "allowed"), 0)
    where = " They all came from one address, this machine's." if _is_local() else ""
    evidence = f"{allowed:,} requests were let through and {int(told['limited']):,} refused with 429 {span}"
    if told["limited"]:
        served = facts.others_served
        evidence += (
            f", of {_many(told['limited_users'], 'user')}; around the newest refusal {_many(served, 'other user')} "
            f"{_was(served)} answered.{where if served else ''}"
        )
    else:
        evidence += "."
    evidence += _stages(facts, "rate_limit")
    if _off(facts, "rate_limit"):
        return Finding(State.OFF, evidence, "switch the rate limit on again in the sidebar.")
    return Finding(_seen(bool(told["limited"] and facts.others_served)), evidence, how)


def effects_need_a_key(facts: Facts, span: str) -> Finding:
    """Refunds were replayed by their key, refused without one, and no key moved money twice."""
    how = "`POST /refund` twice with one `Idempotency-Key`, then once without it."
    told = facts.refunds
    evidence = (
        f"{_many(told['asked'], 'refund')} {span}: {_many(told['keys'], 'key')} went to the provider, "
        f"{int(told['replayed']):,} answered again from the stored response, {int(told['keyless']):,} refused with "
        "400 (no key, or not readable)."
    )
    try:
        charges = facts.charges
    except (Away, Refused) as error:
        return Finding(_seen(bool(told["replayed"] and told["keyless"])), f"{evidence} {_without(error)}", how)
    twice = sum(count > 1 for count in charges.values())
    if charges:
        evidence += f" By the simulator's ledger money moved for {_many(len(charges), 'key')}, twice for {twice:,}."
    if twice:
        return Finding(State.ATTENTION, evidence, "compare the ledger with the refunds: `gauntlet books`.")
    return Finding(_seen(bool(told["replayed"] and told["keyless"])), evidence, how)


def sessions_are_outside(facts: Facts, span: str) -> Finding:
    """A thread went on in another worker process, and the store is there."""
    how = "send the `thread_id` of an answer with more questions, each on a new connection, until both workers had one."
    told, workers = facts.threads, int(facts.requests["workers"])
    evidence = (
        f"{_many(workers, 'worker')} answered {span}. Of {_many(told['threads'], 'thread')} in the newest traces "
        f"{int(told['continued']):,} had more than one turn, and {int(told['moved']):,} went on in another worker."
    )
    try:
        redis = str(facts.ready.document.get("redis"))
    except (Away, Refused) as error:
        return Finding(_seen(told["moved"] > 0), f"{evidence} {_without(error)}", how)
    if redis != "ok":
        return Finding(State.ATTENTION, f"{evidence} The store is not there: `{redis}`.", "see `gauntlet doctor`.")
    return Finding(_seen(told["moved"] > 0), f"{evidence} The store (Redis) answers.", how)


def providers_are_two(facts: Facts, span: str) -> Finding:
    """There are two providers, and another one than the first has answered."""
    how = "inject **Outage** for the first provider in the sidebar, and ask something new."
    elsewhere = int(facts.requests["elsewhere"])
    evidence = f"{_many(elsewhere, 'answer')} {span} came from another provider or a smaller model than the first."
    if _off(facts, "fallback"):
        return Finding(State.OFF, evidence + _stages(facts, "fallback"), "switch the fallback on again in the sidebar.")
    try:
        providers = facts.providers
    except (Away, Refused) as error:
        return Finding(_seen(elsewhere > 0), f"{evidence} {_without(error)}", how)
    named = ", ".join(f"{name} (circuit {state.replace('_', '-')})" for name, state in providers.items())
    evidence = f"{_many(len(providers), 'provider')}: {named}. {evidence}"
    if len(providers) < 2:
        return Finding(State.ATTENTION, evidence, "name a second one under `providers` and in a route's rungs.")
    return Finding(_seen(elsewhere > 0), evidence, how)


def waiting_blocks_nobody(facts: Facts, span: str) -> Finding:
    """One worker had several requests under way at once."""
    how = "start the warm-up, or ask twenty questions at once on the Gauntlet page."
    most = facts.at_once
    if not most:
        return Finding(State.NOT_YET, f"Nothing was asked {span}.", how)
    evidence = (
        f"Up to **{most:,}** chats were under way at the same time in one worker {span} (among the newest "
        f"{NEWEST_REQUESTS:,}); a worker that blocks has one."
    )
    return Finding(_seen(most > 1), evidence, how)


def health_is_not_readiness(facts: Facts, span: str) -> Finding:
    """`/health` touches nothing and says nothing of others; `/ready` looks at the store."""
    how = "pause the store with `kill -STOP` and its pid (`gauntlet doctor` tells it): only `/ready` turns to 503."
    health, ready = facts.health, facts.ready
    looked = sorted(set(ready.document) - {"status"})
    evidence = (
        f"Asked just now: `/health` {health.status} in {health.took_ms:.1f} ms, says only "
        f"`{', '.join(sorted(health.document))}`; `/ready` {ready.status} in {ready.took_ms:.1f} ms, looks at "
        f"`{', '.join(looked)}` and calls no provider."
    )
    if health.status != 200 or set(health.document) != {"status"}:
        return Finding(State.ATTENTION, evidence, "`/health` should touch nothing and say only that the process lives.")
    return Finding(_seen("redis" in ready.document), evidence, how)


def all_is_found(facts: Facts, span: str) -> Finding:
    """The newest request is found by its id, and by its user's pseudonym."""
    how = "ask anything, and look for it on the Request page by its `X-Request-ID` or by your name."
    newest = facts.newest
    if newest is None:
        return Finding(State.NOT_YET, f"Nothing was asked {span}.", how)
    request_id, told = str(newest["request_id"]), facts.trace(str(newest["request_id"]))
    if told is None:
        return Finding(State.ATTENTION, f"The newest request, `{request_id}`, is not found by its id.", how)
    evidence = (
        f"The newest request, `{request_id}`, is found by its id: {_many(len(told['attempts']), 'attempt')}, "
        f"{_many(len(told['decisions']), 'decision')}, {_many(len(told['spans']), 'span')} and "
        f"{_many(len(told['logs']), 'further log line')}; by its user's pseudonym, `{newest['user']}`, "
        f"{_many(newest['of_user'], 'request')} {span}."
    )
    return Finding(State.SEEN, evidence, how, request_id)


def personal_data_stays_out(facts: Facts, span: str) -> Finding:
    """The cache stood aside for personal data, and none is found in what was told."""
    how = "ask something with an e-mail address in it, such as *write to jane@example.com*."
    told, personal, aside = facts.personal, facts.bypassed, facts.decisions.get(("cache", "bypass"), 0)
    evidence = (
        f"The cache stood aside {_times(aside)} {span}; by the traces that were kept {_times(personal)} because a "
        f"question may hold personal data. Of {int(told['read']):,} log records and spans, the newest "
        f"{NEWEST_RECORDS:,} of each at most, {int(told['found']):,} hold an e-mail address or an IBAN."
    )
    if told["found"]:
        return Finding(State.ATTENTION, evidence, "see which by SQL: `log_records`, `body LIKE '%@%'`.")
    return Finding(_seen(personal > 0), evidence, how)


ITEMS: tuple[Item, ...] = (
    Item(
        "No call to a provider runs without end, is repeated blindly, or goes to one that is down",
        "bounded calls",
        calls_are_bounded,
    ),
    Item("How often the cache answers is known, and it is often", "hit rate", hits_are_measured),
    Item("Each user has limits of their own, whatever address they share", "bucket", limits_are_per_user),
    Item("What moves money is done once for a key, and not at all without one", "idempotency", effects_need_a_key),
    Item("A conversation goes on in any worker process", "outside sessions", sessions_are_outside),
    Item("When one provider is out, another answers", "fallback", providers_are_two),
    Item("A request that waits for a model holds up no other", "waiting", waiting_blocks_nobody),
    Item("Being alive and being ready are asked apart", "readiness", health_is_not_readiness),
    Item("Every request is found by its id and by its user", "searchable", all_is_found),
    Item("Personal data is neither cached nor logged", "personal data", personal_data_stays_out),
)
"""In the order of the chapter's list."""


def look(item: Item, facts: Facts, span: str) -> Finding:
    """The item's finding; unknown, with the reason, while whom it needs is away."""
    try:
        return item.look(facts, span)
    except Away as error:
        return Finding(State.UNKNOWN, f"This needs the {error.name}, which is away.", "see `gauntlet doctor`.")
    except Refused as error:
        return Finding(State.UNKNOWN, f"What it needs was refused: {error}", "choose a shorter time.")


def _seen(happened: bool) -> State:
    return State.SEEN if happened else State.NOT_YET


def _off(facts: Facts, *stages: str) -> list[str]:
    return [stage for stage in stages if facts.off is not None and stage in facts.off]


def _stages(facts: Facts, *stages: str) -> str:
    """Whether the stages are on, as the end of a sentence."""
    if facts.off is None:
        named = " and ".join(stages).replace("_", " ")
        return f" Whether {named} {'is' if len(stages) == 1 else 'are'} on is not known now."
    return "".join(f" **{stage.replace('_', ' ')} is switched off.**" for stage in _off(facts, *stages))


def _without(error: Away | Refused) -> str:
    return f"More is not known now: {error}."


def _longest(longest_ms: float | None, deadline_s: float | None) -> str:
    if longest_ms is None or longest_ms != longest_ms:  # NaN: every call was streamed
        return ""
    of = "" if deadline_s is None else f" of {deadline_s:g} s that a request has"
    return f", the longest not streamed {longest_ms / 1000:.2f} s{of}"


def _many(count: float, one: str, several: str | None = None) -> str:
    """`1 call`, `2 calls`."""
    return f"{int(count):,} {one if count == 1 else several or one + 's'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _is_local() -> bool:
    return urlsplit(current().service).hostname in LOOPBACK
