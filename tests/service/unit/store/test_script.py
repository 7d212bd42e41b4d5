"""Scripts run by their SHA-1, and by their text where the server has forgotten them; settling waits for all work."""

import asyncio

import pytest
from structlog.testing import capture_logs

from service.errors import StoreUnavailable
from service.store.guard import Store
from service.store.script import Script
from service.store.settle import Settle

from ..fakes import AwayStore


async def test_a_server_that_forgot_a_script_is_told_it_again(store: Store) -> None:
    script = Script(store, "service.sessions", "renew")
    assert await script(("lease",), "me", 1000) == 0
    await store.execute("SCRIPT", "FLUSH")
    await store.execute("SET", "lease", "me")
    assert await script(("lease",), "me", 1000) == 1
    assert 0 < await store.execute("PTTL", "lease") <= 1000


async def test_a_script_without_its_store_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await Script(AwayStore(), "service.sessions", "renew")(("lease",), "me", 1000)


async def test_draining_waits_for_what_was_posted_and_for_what_that_posts() -> None:
    settle, done = Settle(), []

    async def work(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)
        if number < 3:
            settle.post(work(number + 1), "test")

    settle.post(work(0), "test")
    await settle.drain()
    assert done == [0, 1, 2, 3]


async def test_work_that_the_store_loses_disturbs_nobody() -> None:
    settle = Settle()
    with capture_logs() as logs:
        settle.post(AwayStore().execute("SET"), "cache")
        await settle.drain()
    assert [row["event"] for row in logs] == ["not_settled"]
