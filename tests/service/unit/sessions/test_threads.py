"""Threads: turns that follow each other, histories that are trimmed, and the store that forgets no side of a turn."""

import asyncio
import uuid

import pytest

from service.clock import SystemClock
from service.errors import Conflict, NotFound
from service.llm.provider import Message
from service.sessions.preferences import SYSTEM, Preferences
from service.sessions.threads import MOST_WAITING, Threads, Turn
from service.settings import SessionSettings
from service.store.guard import Store

from ..fakes import AwayStore

CLOCK = SystemClock()


@pytest.fixture
def threads(store: Store) -> Threads:
    return Threads(SessionSettings(), store=store, clock=CLOCK)


@pytest.fixture
def elsewhere(store: Store) -> Threads:
    """Another worker's."""
    return Threads(SessionSettings(), store=store, clock=CLOCK)


def soon() -> float:
    return CLOCK.monotonic() + 5


async def said(threads: Threads, text: str, thread_id: str | None = None, *, user: str = "alice") -> str:
    turn = await threads.begin("acme", user, thread_id, until_s=soon())
    await threads.commit(turn, text, f"re: {text}")
    return turn.thread_id


def contents(messages: tuple[Message, ...] | list[Message]) -> list[str]:
    return [message.content for message in messages]


async def test_a_conversation_grows_turn_by_turn(threads: Threads) -> None:
    name = await said(threads, "one")
    await said(threads, "two", name)
    turn = await threads.begin("acme", "alice", name, until_s=soon())
    assert contents(turn.history) == ["one", "re: one", "two", "re: two"]
    assert [message.role for message in turn.history] == ["user", "assistant"] * 2
    await threads.abandon(turn)
    assert contents(await threads.read("acme", "alice", name)) == contents(turn.history)


async def test_two_messages_at_once_follow_each_other(threads: Threads) -> None:
    name = await said(threads, "zero")
    await asyncio.gather(*(said(threads, text, name) for text in "abcd"))
    messages = contents(await threads.read("acme", "alice", name))
    assert len(messages) == 10
    assert all(answer == f"re: {text}" for text, answer in zip(messages[::2], messages[1::2], strict=True))


async def test_a_thread_that_stays_busy_until_the_deadline_is_a_conflict(threads: Threads) -> None:
    name = await said(threads, "one")
    turn = await threads.begin("acme", "alice", name, until_s=soon())
    with pytest.raises(Conflict, match="still being answered"):
        await threads.begin("acme", "alice", name, until_s=CLOCK.monotonic() + 0.1)
    await threads.commit(turn, "two", "re: two")
    await threads.abandon(await threads.begin("acme", "alice", name, until_s=soon()))


async def test_an_abandoned_turn_leaves_the_thread_as_it_was(threads: Threads) -> None:
    name = await said(threads, "one")
    turn = await threads.begin("acme", "alice", name, until_s=soon())
    await threads.abandon(turn)
    assert len(await threads.read("acme", "alice", name)) == 2
    await said(threads, "two", name)


async def test_even_a_lost_lease_cannot_interleave_turns(threads: Threads, elsewhere: Threads, store: Store) -> None:
    name = await said(threads, "one")
    turn = await threads.begin("acme", "alice", name, until_s=soon())
    await store.execute("DEL", f"thread-lease:{{acme:alice}}:{name}")
    await said(elsewhere, "quick", name)
    with pytest.raises(Conflict, match="changed while"):
        await threads.commit(turn, "slow", "re: slow")
    assert contents(await threads.read("acme", "alice", name)) == ["one", "re: one", "quick", "re: quick"]


async def test_a_late_turn_does_not_take_the_lease_of_who_came_after(
    threads: Threads, elsewhere: Threads, store: Store
) -> None:
    name = await said(threads, "one")
    late = await threads.begin("acme", "alice", name, until_s=soon())
    await store.execute("DEL", f"thread-lease:{{acme:alice}}:{name}")
    current = await elsewhere.begin("acme", "alice", name, until_s=soon())
    await threads.abandon(late)
    with pytest.raises(Conflict):
        await threads.begin("acme", "alice", name, until_s=CLOCK.monotonic())
    await elsewhere.abandon(current)


async def test_messages_of_one_thread_take_their_turns_in_the_order_of_arrival(threads: Threads) -> None:
    name = await said(threads, "first")
    await asyncio.gather(*(said(threads, f"n{number}", name) for number in range(20)))
    asked = contents(await threads.read("acme", "alice", name))[2::2]
    assert asked == [f"n{number}" for number in range(20)]


async def test_a_crowd_at_one_thread_is_refused_at_once(threads: Threads) -> None:
    name = await said(threads, "first")
    turn = await threads.begin("acme", "alice", name, until_s=soon())
    waiting = [asyncio.create_task(said(threads, "more", name)) for _ in range(MOST_WAITING - 1)]
    await asyncio.sleep(0)
    with pytest.raises(Conflict, match="wait already"):
        await threads.begin("acme", "alice", name, until_s=soon())
    await threads.abandon(turn)
    await asyncio.gather(*waiting)


async def test_a_long_thread_is_read_from_its_end_only(threads: Threads, store: Store) -> None:
    name = await said(threads, "first")
    for _ in range(40):
        await said(threads, "x" * 5_000, name)
    turn = await threads.begin("acme", "alice", name, until_s=soon())
    assert turn.length == 82
    assert 0 < sum(len(m.content) for m in turn.history) <= 32_000
    await threads.commit(turn, "last", "re: last")
    assert contents(await threads.read("acme", "alice", name))[-1] == "re: last"


@pytest.mark.parametrize("user", ["bob", "alice2"])
async def test_another_users_thread_is_not_found(threads: Threads, user: str) -> None:
    name = await said(threads, "one")
    with pytest.raises(NotFound):
        await threads.begin("acme", user, name, until_s=soon())
    with pytest.raises(NotFound):
        await threads.read("acme", user, name)
    with pytest.raises(NotFound):
        await threads.delete("acme", user, name)
    with pytest.raises(NotFound):
        await threads.read("globex", "alice", name)
    assert len(await threads.read("acme", "alice", name)) == 2


async def test_asking_for_an_unknown_thread_leaves_no_lease_behind(threads: Threads, store: Store) -> None:
    with pytest.raises(NotFound):
        await threads.begin("acme", "alice", "nothing", until_s=soon())
    assert await store.execute("DBSIZE") == 0


async def test_threads_are_listed_newest_first_and_deleted_for_good(threads: Threads, store: Store) -> None:
    names = [await said(threads, text) for text in "abc"]
    for age, name in enumerate(names):
        await store.execute("ZADD", "threads:{acme:alice}", round(CLOCK.time()) - age, name)
    assert [row["thread_id"] for row in await threads.overview("acme", "alice")] == names
    await threads.delete("acme", "alice", names[0])
    assert [row["thread_id"] for row in await threads.overview("acme", "alice")] == names[1:]
    with pytest.raises(NotFound):
        await threads.delete("acme", "alice", names[0])


async def test_threads_older_than_their_life_leave_the_list(threads: Threads, store: Store) -> None:
    name = await said(threads, "one")
    await store.execute("ZADD", "threads:{acme:alice}", round(CLOCK.time() - 8 * 86_400), "old")
    assert [row["thread_id"] for row in await threads.overview("acme", "alice")] == [name]


async def test_a_thread_lives_a_week_after_its_last_turn(threads: Threads, store: Store) -> None:
    name = await said(threads, "one")
    week_ms = 7 * 86_400_000
    assert week_ms - 10_000 < await store.execute("PTTL", f"thread:{{acme:alice}}:{name}") <= week_ms


def trimmed(history_tokens: int, *sizes: int) -> list[int]:
    """The sizes, in tokens, of the messages that are kept of a conversation whose messages have these sizes."""
    threads = Threads(SessionSettings(history_tokens=history_tokens), store=AwayStore(), clock=CLOCK)
    roles = ("user", "assistant")
    messages = [Message(roles[i % 2], "x" * 4 * size) for i, size in enumerate(sizes)]  # type: ignore[arg-type]
    return [len(message.content) // 4 for message in threads._trimmed(messages)]


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ((), []),
        ((1, 2, 3, 4), [1, 2, 3, 4]),
        ((5, 2, 3, 4), [3, 4]),  # all but the first would fit, but a history begins with the user
        ((90, 1, 2, 3, 3, 1), [2, 3, 3, 1]),
        ((1, 1, 1, 11), []),
        ((1, 1, 10, 1), []),
        ((2, 2, 3, 3), [2, 2, 3, 3]),
    ],
)
def test_a_history_is_trimmed_to_the_newest_turns_that_fit(sizes: tuple[int, ...], kept: list[int]) -> None:
    assert trimmed(10, *sizes) == kept


async def test_the_whole_thread_is_kept_although_only_its_end_is_sent(store: Store) -> None:
    threads = Threads(SessionSettings(history_tokens=10), store=store, clock=CLOCK)
    name = await said(threads, "a" * 20)
    for text in "bcd":
        await said(threads, text, name)
    turn: Turn = await threads.begin("acme", "alice", name, until_s=soon())
    await threads.commit(turn, "e", "re: e")
    assert contents(turn.history)[0] == "b" or contents(turn.history)[0] == "c"
    assert len(await threads.read("acme", "alice", name)) == 10


async def test_with_the_store_away_a_turn_goes_on_without_memory() -> None:
    threads = Threads(SessionSettings(), store=AwayStore(), clock=CLOCK)
    known = uuid.uuid4().hex
    turn = await threads.begin("acme", "alice", known, until_s=soon())
    assert (turn.stored, turn.history, turn.thread_id) == (False, (), known)
    await threads.abandon(turn)


@pytest.mark.parametrize("name", ["4111111111111111", "nowhere", "", "0" * 32, "6B0C5B1E9D8E4B57A4F3C2D1E0F90A8B"])
async def test_what_cannot_be_an_id_of_ours_is_not_found_and_never_comes_to_the_store(name: str) -> None:
    threads = Threads(SessionSettings(), store=AwayStore(), clock=CLOCK)
    for call in (
        threads.begin("acme", "alice", name, until_s=soon()),
        threads.read("acme", "alice", name),
        threads.delete("acme", "alice", name),
    ):
        with pytest.raises(NotFound, match="no thread of yours has this id"):
            await call


async def test_preferences_are_replaced_as_a_whole_and_rendered_into_the_system_message(threads: Threads) -> None:
    assert await threads.preferences("acme", "alice") == Preferences()
    await threads.set_preferences("acme", "alice", Preferences("economy", "like a pirate"))
    turn = await threads.begin("acme", "alice", None, until_s=soon())
    assert turn.preferences == Preferences("economy", "like a pirate")
    assert turn.preferences.system() == f"{SYSTEM} Answer in this style: like a pirate"
    await threads.set_preferences("acme", "alice", Preferences(style="brief"))
    assert await threads.preferences("acme", "alice") == Preferences(None, "brief")
    assert await threads.preferences("acme", "bob") == Preferences()
    assert Preferences().system() == SYSTEM


async def test_a_new_thread_has_an_id_once_its_first_turn_is_kept(threads: Threads) -> None:
    turn = await threads.begin("acme", "alice", None, until_s=soon())
    assert turn.known_id is None, "nothing to go on in yet"
    await threads.commit(turn, "one", "re: one")
    assert turn.known_id == turn.thread_id
    again = await threads.begin("acme", "alice", turn.thread_id, until_s=soon())
    await threads.abandon(again)
    assert again.known_id == turn.thread_id, "an aborted turn leaves the thread"


async def test_the_index_forgets_threads_that_have_ended(store: Store) -> None:
    threads = Threads(SessionSettings(thread_ttl_s=1), store=store, clock=CLOCK)
    for name in ("old", "older"):
        await store.execute("ZADD", "threads:{acme:alice}", CLOCK.time() - 10, name)
    kept = await said(threads, "one")
    assert await store.execute("ZRANGE", "threads:{acme:alice}", 0, -1) == [kept.encode()]
