"""The Checklist page: what each item says after it happened, before, and while somebody is away."""

import re
import time
import uuid
from collections.abc import Callable
from html import unescape
from typing import Any

import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.checklist.items import ITEMS
from tests.caller import Caller
from tests.collector import Collector
from tests.settings import ROUTES
from tests.stack import Stack
from tests.telling import Teller, attempt
from tests.waiting import at_once, eventually

App = Callable[..., AppTest]

CALLS, HITS, LIMITS, EFFECTS, SESSIONS, PROVIDERS, WAITING, HEALTH, FOUND, PERSONAL = range(10)


def ran(page: AppTest) -> AppTest:
    st.cache_data.clear()
    page.run()
    assert not page.exception, page.exception
    return page


def found(page: AppTest) -> list[tuple[str, str]]:
    """State and evidence of each item, in order."""
    pills = [str(getattr(html, "body", "")) for html in page.get("html")]
    words = [match[1] for pill in pills if (match := re.search(r"&ensp;(.*?)</div>", pill))]
    assert len(words) == len(ITEMS)
    said = [element.value for element in page.markdown]
    promises = [said.index(f"**{number}. {item.promise}**") for number, item in enumerate(ITEMS, 1)]
    return [(unescape(word), said[at + 1]) for word, at in zip(words, promises, strict=True)]


def warned(page: AppTest) -> str:
    return "\n".join(element.value for element in page.warning)


async def make_everything_happen(stack: Stack) -> None:
    """What each item is about, once."""
    alice, bob = stack.caller("acme", "alice"), stack.caller("acme", "bob")
    for target in ("anthropic", "openai"):
        await stack.sim.latency(target, first_token_ms=30)
    await alice.chat("What is full jitter?")
    await at_once(40, lambda _: alice.chat("What is full jitter?"))
    await alice.chat("Write to jane@example.com, please.")
    for key in ("order-1", "order-1"):
        await alice.refund(key)
    await alice.request("POST", "/refund", {"charge": "ch_1", "amount": 1, "currency": "usd"})
    await go_on_elsewhere(bob)
    await stack.sim.fault("anthropic", "status", status=503, times=1)
    await bob.chat()
    await stack.sim.fault("anthropic", "hang", times=1)
    await bob.chat(route="brief")
    await stack.sim.fault("anthropic", "status", status=503)
    await at_once(8, lambda n: stack.caller("acme", f"user{n}").chat())
    await stack.sim.heal()
    greedy = stack.caller("acme", "greedy")
    assert 429 in {answer.status for answer in await at_once(30, lambda _: greedy.chat())}
    await stack.caller("acme", "modest").chat()


async def go_on_elsewhere(caller: Caller) -> None:
    """A thread whose turns both workers take."""
    first = await caller.chat()
    thread, workers = first.json()["thread_id"], {first.worker}

    async def both() -> bool:
        answer = await caller.chat(thread_id=thread)
        workers.add(answer.worker)
        return len(workers) > 1

    await eventually(both, "the other worker")


async def test_all_ten_are_seen_once_they_happened(app: App, own: Collector, start_stack: Callable[..., Stack]) -> None:
    patient = "[breaker]\ncooldown_s = 60\n[retry]\nbase_s = 0.05\nbudget_capacity = 1000\n"
    patient += "[telemetry]\nordinary_per_s = 1000\n"  # every trace is kept
    async with start_stack(collector=own, toml=patient + ROUTES) as stack:
        await make_everything_happen(stack)
        last = await stack.caller("acme", "modest").chat()
        request_id = last.headers["x-request-id"]
        await stack.told(f"select 1 from spans where attributes ->> 'gauntlet.request.id' = '{request_id}'")
        await stack.told(f"select 1 from requests where request_id = '{request_id}'")
        await stack.told("select 1 from breaker_events where state = 'open'")
        page = ran(app("checklist", collector=own.url, service=stack.url, simulator=stack.sim.url))
        findings = found(page)
        assert [(n, state) for n, (state, _) in enumerate(findings) if state != "seen"] == [], findings
        evidence = [words for _, words in findings]
        assert "circuits opened once" in evidence[CALLS]
        assert "of 5 s that a request has" in evidence[CALLS]
        assert re.search(r"refused with 429 in the last hour, of 1 user; .* answered", evidence[LIMITS])
        assert "They all came from one address, this machine's." in evidence[LIMITS]
        assert "3 refunds in the last hour: 1 key went to the provider, 1 answered again" in evidence[EFFECTS]
        assert "money moved for 1 key, twice for 0" in evidence[EFFECTS]
        assert "The store (Redis) answers" in evidence[SESSIONS]
        assert "anthropic (circuit open), openai (circuit closed)" in evidence[PROVIDERS]
        assert "says only `status`" in evidence[HEALTH]
        assert f"The newest request, `{request_id}`, is found by its id: " in evidence[FOUND]
        assert evidence[FOUND].endswith(f"[Look at it](/request?request={request_id})")
        assert "stood aside once in the last hour; by the traces that were kept once because" in evidence[PERSONAL]
        assert "**10 of 10** seen in the last hour" in page.markdown[0].value
        assert "not an audit" in page.markdown[0].value

        await stack.switch(cache=False, retry=False, rate_limit=False)
        states = [state for state, _ in found(ran(page))]
        assert [states[n] for n in (CALLS, HITS, LIMITS)] == ["off now"] * 3

        stack.service.end()
        page = ran(app("checklist", collector=own.url, service=stack.url, simulator=stack.sim.url))
        assert "The service is away" in warned(page)
        states = [state for state, _ in found(page)]
        assert states.count("not known now") == 1
        assert states[HEALTH] == "not known now"


async def test_before_anything_happened_nothing_is_red(app: App, own: Collector, stack: Stack) -> None:
    page = ran(app("checklist", collector=own.url, service=stack.url, simulator=stack.sim.url))
    states = [state for state, _ in found(page)]
    assert states.pop(HEALTH) == "seen"
    assert set(states) == {"not seen yet"}
    assert any("Nothing has happened yet" in element.value for element in page.markdown)
    assert not page.warning
    assert not page.error


async def test_without_the_collector_only_what_the_service_says_is_known(app: App, stack: Stack) -> None:
    page = ran(app("checklist", service=stack.url, simulator=stack.sim.url))
    findings = found(page)
    assert findings.pop(HEALTH)[0] == "seen"
    assert {state for state, _ in findings} == {"not known now"}
    assert {words for _, words in findings} == {"This needs the collector, which is away."}
    assert "The collector is away" in warned(page)


def test_without_service_and_simulator_the_telemetry_still_speaks(app: App, own: Collector) -> None:
    with Teller(own) as teller:
        tell_answers(teller, hits=4, of=10)
        teller.record(endpoint="/refund", charge_key="k", source=None)
        teller.record(endpoint="/refund", replayed=True, source=None)
        teller.record(endpoint="/refund", status=400, outcome="refused", source=None)
        teller.told()
    page = ran(app("checklist", collector=own.url))
    findings = found(page)
    state, words = findings[HITS]
    assert state == "seen"
    assert words == (
        "4 of 10 answers in the last hour came from the cache or were shared: **40.0 %**; the target is 30 to 70 %, "
        "and more is well where questions repeat. Whether cache is on is not known now."
    )
    assert findings[EFFECTS][0] == "seen"
    assert "More is not known now: the simulator does not answer" in findings[EFFECTS][1]
    assert findings[HEALTH] == ("not known now", "This needs the service, which is away.")
    assert "The simulator is away" in warned(page)
    assert "The service is away" in warned(page)


def test_a_hit_rate_below_the_target_asks_for_attention(app: App, own: Collector) -> None:
    with Teller(own) as teller:
        tell_answers(teller, hits=2, of=20)
        teller.told()
    state, words = found(ran(app("checklist", collector=own.url)))[HITS]
    assert state == "attention"
    assert "**10.0 %**" in words


def test_a_call_that_outlasts_the_deadline_asks_for_attention(app: App, own: Collector) -> None:
    with Teller(own) as teller:
        call = attempt(1, "anthropic", "claude-opus-4-7", duration_ms=7000.0)
        record = teller.record(attempts=[call])
        attributes = {"gauntlet.deadline_s": 5.0, "http.route": "/chat"}
        teller.trace(record, [("POST /chat", 0, 7000, attributes, [], [])])
        teller.told()
    state, words = found(ran(app("checklist", collector=own.url)))[CALLS]
    assert state == "attention"
    assert "the longest not streamed 7.00 s of 5 s that a request has" in words


def test_an_address_in_the_log_asks_for_attention(app: App, own: Collector) -> None:
    with Teller(own) as teller:
        teller.record(user="5f000783da9204f6")
        teller.event("gauntlet.oops", "could not write to jane@example.com")
        teller.told()
    state, words = found(ran(app("checklist", collector=own.url)))[PERSONAL]
    assert state == "attention"
    assert "1 hold an e-mail address or an IBAN" in words


def test_who_was_refused_alone_proves_no_limit_per_user(app: App, own: Collector) -> None:
    now = time.time()
    refused: dict[str, Any] = {"status": 429, "outcome": "refused", "error": "rate_limited", "source": None}
    with Teller(own) as teller:
        teller.record(t=now - 300, user="a" * 16, **refused)
        teller.record(t=now - 100, user="b" * 16)
        teller.told()
        page = app("checklist", collector=own.url)
        assert found(ran(page))[LIMITS][0] == "not seen yet"
        teller.record(t=now - 290, user="b" * 16)
        teller.told()
        assert found(ran(page))[LIMITS][0] == "seen"


def test_the_most_at_once_is_counted_in_each_worker(app: App, own: Collector) -> None:
    now = time.time()
    with Teller(own, "1-aa") as one, Teller(own, "2-bb") as two:
        for at_s in (0.0, 0.1, 0.2, 5.0):
            one.record(t=now - 60 + at_s, duration_ms=1000.0)
        two.record(t=now - 60, duration_ms=1000.0)
        one.told()
        two.told()
    state, words = found(ran(app("checklist", collector=own.url)))[WAITING]
    assert state == "seen"
    assert "Up to **3** chats" in words


def test_a_longer_time_has_what_a_shorter_one_has_not(app: App, own: Collector) -> None:
    with Teller(own) as teller:
        teller.record(t=time.time() - 5000, user="a" * 16)
        teller.told()
    page = ran(app("checklist", collector=own.url))
    assert found(page)[FOUND][0] == "not seen yet"
    page.segmented_control(key="checklist_range").set_value("24 h")
    assert found(ran(page))[FOUND][0] == "seen"


def tell_answers(teller: Teller, *, hits: int, of: int) -> list[dict[str, Any]]:
    """So many answers, the first of them from the cache."""
    return [
        teller.record(str(uuid.uuid4()), source="cache" if number < hits else "live", user="a" * 16)
        for number in range(of)
    ]
