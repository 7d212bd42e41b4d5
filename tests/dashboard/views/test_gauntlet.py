"""The Gauntlet page against a real service: one message, many at once, faults, refusals, and nobody there."""

import asyncio
import uuid
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.backends.http import Away, Refused
from dashboard.control import who
from dashboard.control.warm_up import SpendGuard
from dashboard.views import asking, gauntlet, play_back
from dashboard.views.asking import Asked
from tests.stack import Stack
from tests.waiting import eventually

ASK, MANY = "Ask", "Ask many at once"


@pytest.fixture(autouse=True)
def _asker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant of its own for each test, and no pauses for the eye."""
    monkeypatch.setattr(who, "DEMO_ASKER", f"demo-t{uuid.uuid4().hex[:12]}-alice")
    monkeypatch.setattr(play_back, "PACE_S", 0)


async def run(at: AppTest) -> AppTest:
    """Draw the page beside the test's loop."""
    await asyncio.to_thread(at.run)
    assert not at.exception
    return at


async def press(at: AppTest, label: str) -> AppTest:
    (button,) = (button for button in at.button if button.label == label)
    button.click()
    return await run(at)


async def asked(at: AppTest, text: str, button: str = ASK) -> AppTest:
    if not at.text_input:
        await run(at)
    at.text_input(key="gauntlet_text").set_value(text)
    return await press(at, button)


def html(at: AppTest) -> str:
    return "\n".join(element.value for element in at.html)


def said(at: AppTest) -> str:
    return "\n".join(element.value for element in (*at.markdown, *at.caption, *at.error, *at.warning, *at.info))


def metric(at: AppTest, label: str) -> str:
    (found,) = (one.value for one in at.metric if one.label == label)
    return str(found)


async def test_before_the_first_message_the_stages_are_explained_and_questions_offered(
    stack: Stack, app: Callable[..., AppTest]
) -> None:
    at = await run(app("gauntlet", service=stack.url))
    for stage in ("cache", "rate limit", "fallback", "retry", "breaker", "bulkhead", "call"):
        assert f">{stage}</abbr>" in html(at)
    assert "Chapter, section" in html(at)
    assert "default" in at.selectbox[0].options
    await press(at, gauntlet.EXAMPLES[0])
    assert "Retries need jitter because" in html(at)
    assert at.text_input(key="gauntlet_text").value == gauntlet.EXAMPLES[0]


async def test_a_message_shows_every_stage_its_answer_and_what_it_cost(
    stack: Stack, app: Callable[..., AppTest]
) -> None:
    at = await asked(app("gauntlet", service=stack.url), "what is a bulkhead?")
    assert html(at).count("passed") >= 6
    assert "answered here" in html(at)
    assert "A bulkhead gives each provider its own limit" in html(at)
    (call,) = await stack.sim.calls()
    assert "**Answer from: live, primary**" in said(at)
    assert "anthropic claude-opus-4-7" in said(at)
    assert f"{call['input_tokens']} tokens in, {call['output_tokens']} out" in said(at)
    assert f"(request?request={call['request_id']})" in said(at)
    assert "USD" in said(at)


async def test_asked_again_it_is_a_hit_and_no_other_stage_is_reached(stack: Stack, app: Callable[..., AppTest]) -> None:
    at = await asked(app("gauntlet", service=stack.url), "what is a bulkhead?")
    await press(at, "Ask again")
    assert "**Answer from: cache**" in said(at)
    assert html(at).count("not reached") == 6
    assert len(await stack.sim.calls()) == 1


async def test_what_came_stays_when_the_page_is_drawn_anew(stack: Stack, app: Callable[..., AppTest]) -> None:
    at = await asked(app("gauntlet", service=stack.url), "what is a bulkhead?")
    before = html(at), said(at)
    await run(at)
    assert (html(at), said(at)) == before
    assert len(await stack.sim.calls()) == 1


async def test_an_outage_shows_the_attempts_and_the_next_rung(stack: Stack, app: Callable[..., AppTest]) -> None:
    await stack.sim.fault("anthropic", "status", status=503)
    at = await asked(app("gauntlet", service=stack.url), "what is a bulkhead?")
    assert "The same rung, attempt 2" in html(at)
    assert "The next rung" in html(at)
    assert "full jitter of" in html(at)
    assert "**Answer from: other provider**" in said(at)
    assert "degraded: anthropic:unavailable" in said(at)
    assert len(await stack.sim.calls("openai")) == 1


async def test_a_broken_stream_is_struck_and_starts_over(stack: Stack, app: Callable[..., AppTest]) -> None:
    await stack.sim.fault("anthropic", "cut", fraction=0.5)
    at = await asked(app("gauntlet", service=stack.url), "what is a bulkhead?")
    assert ">A bulkhead gives" in html(at).split("<del", 1)[1]
    assert "restart:" in html(at)
    assert "drag the healthy ones down." in html(at)
    assert "**Answer from: other provider**" in said(at)


async def test_the_honest_message_is_shown_as_what_it_is(stack: Stack, app: Callable[..., AppTest]) -> None:
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "status", status=503)
    at = await asked(app("gauntlet", service=stack.url), "what is a bulkhead?")
    assert "I cannot answer right now" in html(at)
    assert "**Answer from: honest message**" in said(at)


async def test_a_stream_that_ends_in_an_error_says_so(stack: Stack, app: Callable[..., AppTest]) -> None:
    await stack.sim.fault("anthropic", "cut", fraction=0.5)
    at = await run(app("gauntlet", service=stack.url))
    at.selectbox[0].set_value("error")
    await asked(at, "what is a bulkhead?")
    assert "The stream ended in an error" in at.error[0].value
    assert "its waterfall" in said(at)


async def test_twenty_at_once_are_one_call(stack: Stack, app: Callable[..., AppTest]) -> None:
    at = await asked(app("gauntlet", service=stack.url), "what is a bulkhead?", MANY)
    assert len(await stack.sim.calls()) == 1
    assert metric(at, "Provider calls") == "1"
    assert int(metric(at, "Shared")) + int(metric(at, "Cache hits")) == 19
    assert html(at).count("request?request=") == 20
    assert "**20 requests, 1 call to a provider:**" in said(at)
    await run(at)
    assert len(await stack.sim.calls()) == 1


async def test_refusals_are_rows_with_their_words(stack: Stack, app: Callable[..., AppTest]) -> None:
    """A temperature goes round the cache, so every one of them needs a place in the user's bucket."""
    at = await run(app("gauntlet", service=stack.url))
    at.number_input[0].set_value(1.0)
    at.number_input[1].set_value(40)
    await asked(at, "what is a bulkhead?", MANY)
    limited = int(metric(at, "Limited"))
    assert limited > 0
    assert html(at).count("refused (429)") == limited
    assert "bucket for" in html(at)
    assert metric(at, "Provider calls") == str(len(await stack.sim.calls()))
    await asked(at, "what is a bulkhead?")
    if at.error:  # unless the bucket had time to fill again
        assert "429" in at.error[0].value
        assert "not told" in html(at)


async def test_a_refused_message_shows_where_it_was_stopped(stack: Stack, app: Callable[..., AppTest]) -> None:
    at = await run(app("gauntlet", service=stack.url))
    refused = Asked("what?", {})
    refused.failure, refused.took_ms = Refused(429, "the bucket for user is empty"), 3.0
    at.session_state["gauntlet_result"] = refused
    await run(at)
    assert "stopped here" in html(at)
    assert html(at).count("not reached") == 5
    assert "the bucket for user is empty" in at.error[0].value


async def test_a_key_that_is_not_taken_is_said_in_the_services_words(
    stack: Stack, app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(who, "DEMO_ASKER", "wrong")
    at = await asked(app("gauntlet", service=stack.url), "what is a bulkhead?")
    assert "401" in at.error[0].value
    assert "not known" in at.error[-1].value


async def test_an_empty_message_is_not_sent(stack: Stack, app: Callable[..., AppTest]) -> None:
    at = await asked(app("gauntlet", service=stack.url), " ")
    assert "Type a message first" in said(at)
    assert not await stack.sim.calls()


def test_a_service_that_is_away_is_said_and_the_page_goes_on(app: Callable[..., AppTest]) -> None:
    at = app("gauntlet").run()
    assert not at.exception
    assert "The service is away" in at.warning[0].value
    assert ">bulkhead</abbr>" in html(at)
    at.text_input(key="gauntlet_text").set_value("what?")
    for label in (ASK, MANY):
        (button,) = (button for button in at.button if button.label == label)
        button.click().run()
        assert not at.exception
        assert "The service is away" in at.warning[-1].value
    assert html(at).count("does not answer") == 20
    assert metric(at, "Failed") == "20"


def test_in_the_live_profile_one_message_is_allowed_with_ones_own_key_and_many_are_not(
    app: Callable[..., AppTest],
) -> None:
    at = app("gauntlet", profile="live").run()
    buttons = {button.label: button for button in at.button}
    assert buttons[ASK].disabled
    assert buttons[MANY].disabled
    assert "--max-usd" in said(at)
    at.text_input(key="asker_key_given").set_value("mine").run()
    buttons = {button.label: button for button in at.button}
    assert not buttons[ASK].disabled
    assert buttons[MANY].disabled
    with pytest.raises(SpendGuard):
        asking.ask_at_once("what?", {}, "mine", 20)


def test_markup_in_an_answer_is_text(app: Callable[..., AppTest]) -> None:
    at = app("gauntlet").run()
    told = Asked("<b>what?</b>", {})
    told.events += [("delta", {"text": "<img src=x> $5 and $6"}), ("error", {"detail": "it broke"})]
    told.took_ms = 3.0
    at.session_state["gauntlet_result"] = told
    at.run()
    assert "&lt;img src=x&gt; $5 and $6" in html(at)
    assert "<b>what?</b>" not in html(at)


def test_followed_a_request_gives_each_event_once_and_ends_with_it() -> None:
    told = Asked("what?", {})
    told.events += [("delta", {"text": "a"}), ("delta", {"text": "b"})]
    following = told.follow()
    assert [next(following), next(following), next(following)] == [*told.events, None]
    told.failure, told.took_ms = Away("service", "http://x", "gone"), 1.0
    assert list(following) == []


async def test_the_handbook_is_searched_and_its_passages_are_cited(stack: Stack, app: Callable[..., AppTest]) -> None:
    at = await run(app("gauntlet", service=stack.url))
    number = 0

    async def cited() -> bool:
        nonlocal number
        number += 1
        at.selectbox[0].set_value("handbook")
        await asked(at, f"why do retries need jitter? (no. {number})")
        return all(shown in html(at) for shown in ("#", "[1]", "passages by hybrid"))

    # A search that a busy machine has no time for is by words alone, or none.
    await eventually(cited, "an answer from the handbook by the whole search", within_s=60)
    assert ">retrieval</abbr>" in html(at)
    await stack.switch(retrieval=False)
    try:
        await asked(at, "what is a bulkhead?")
        assert "switched off" in html(at)
    finally:
        await stack.switch(retrieval=True)


async def test_embeddings_that_fail_are_named_where_the_search_is_told(
    stack: Stack, app: Callable[..., AppTest]
) -> None:
    at = await run(app("gauntlet", service=stack.url))
    await stack.sim.fault("embeddings", "status", status=503)

    async def told() -> bool:
        at.selectbox[0].set_value("handbook")
        await asked(at, f"how do clients come back apart? {uuid.uuid4().hex}")
        return "less than wished" in html(at)

    await eventually(told, "a search by words only", within_s=60)
    assert "searches by words only: embeddings" in html(at)
    assert "degraded: embeddings:" in said(at)
