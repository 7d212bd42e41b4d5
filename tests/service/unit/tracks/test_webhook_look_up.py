"""The system's resolver: a tenant whose names never answer holds up no other, and no slot is lost."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from service.tracks.webhook_look_up import LOOK_UPS, LOOK_UPS_PER_TENANT, SystemResolver


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Names that begin with "silent" are answered when this event is set; all others at once."""
    answers = threading.Event()

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        if host.startswith("silent"):
            answers.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield answers
    answers.set()


async def test_a_tenant_whose_names_never_answer_holds_up_no_other(silent: threading.Event) -> None:
    resolver = SystemResolver()
    stuck = [asyncio.create_task(resolver(f"silent{number}", 443, "acme")) for number in range(LOOK_UPS)]
    async with asyncio.timeout(10):
        assert await resolver("example.com", 443, "globex") == ["192.0.2.1"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await resolver("example.com", 443, "acme")
    silent.set()
    assert await asyncio.gather(*stuck) == [["192.0.2.1"]] * LOOK_UPS


async def test_a_look_up_for_which_there_is_no_thread_keeps_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = SystemResolver()

    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        for _ in range(LOOK_UPS_PER_TENANT + 1):
            with pytest.raises(TimeoutError, match="thread"):
                await resolver("localhost", 443, "acme")
    async with asyncio.timeout(10):
        assert await resolver("localhost", 443, "acme")
