"""The masker and its child: everything is masked, or not shown; nothing that happens to the child stops the worker."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import psutil
import pytest

from service.clock import SystemClock
from service.observability import masking
from service.observability.masking import NOT_MASKED, Masker, serve
from tests.waiting import wait_for

from ..fakes import until

PATIENT_S = 100.0
"""For a child's start on a machine that has much else to do."""
CANARIES = "jane.doe@example.com, +1 (555) 010-1234, 4111111111111111, DE89370400440532013000, 078-05-1120, 192.0.2.17"


def patient(answer_s: float = PATIENT_S) -> Masker:
    return Masker(clock=SystemClock(), timeout_s=PATIENT_S, answer_s=answer_s)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "BACK_OFF_S", 0.01)
    monkeypatch.setattr(masking, "START_WITHIN_S", PATIENT_S)


@pytest.fixture
async def masker() -> AsyncIterator[Masker]:
    masker = patient()
    yield masker
    await masker.aclose()


def child_of(masker: Masker) -> psutil.Process:
    assert masker._child is not None
    return psutil.Process(masker._child.pid)


async def test_both_looks_mask_and_our_own_ids_stay(masker: Masker) -> None:
    ours = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736 4bf92f3577b34da6a3ce929d0e0e4736 2026-11-25T12:30:45.123Z 12.3456789 s"
    given = [CANARIES, ours, "", "half of a pair \ud83d", "from ::ffff:c000:211, or 2 0 0 5 5 5"]
    first, second, *others = await masker.mask(given)
    assert first == "[email], [number], [number], [iban], [number], [ip]"
    assert second == ours
    assert others == ["", "half of a pair \ud83d", "from [ip], or 2 0 0 5 5 5"]
    assert masker.dropped == 0


async def test_the_loop_goes_on_meanwhile(masker: Masker) -> None:
    rich = " and ".join([CANARIES.replace("@", " at ")] * 200)
    ticks = 0
    asking = asyncio.create_task(masker.mask([rich]))
    while not asking.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert NOT_MASKED not in await asking
    assert ticks > 10


async def test_many_at_once_are_answered_each_with_its_own(masker: Masker) -> None:
    answers = await asyncio.gather(*(masker.mask([f"question {n}", "x@example.com"]) for n in range(50)))
    assert answers == [[f"question {n}", "[email]"] for n in range(50)]


async def test_a_killed_child_is_replaced_and_nothing_is_lost(masker: Masker) -> None:
    assert await masker.mask(["a@example.com"]) == ["[email]"]
    first = child_of(masker)
    first.kill()
    await until(lambda: masker._child is not None and masker._child.returncode is not None, pause_s=0.01)
    assert await masker.mask(["b@example.com"]) == ["[email]"]
    assert child_of(masker).pid != first.pid
    assert masker.dropped == 0


async def test_a_stopped_child_costs_the_text_it_has_and_is_replaced() -> None:
    masker = patient(answer_s=0.5)
    try:
        while await masker.mask(["a@example.com"]) != ["[email]"]:
            pass
        dropped, first = masker.dropped, child_of(masker)
        first.send_signal(signal.SIGSTOP)
        assert await masker.mask(["b@example.com", "c"]) == [NOT_MASKED] * 2
        assert masker.dropped == dropped + 2
        while await masker.mask(["d@example.com"]) != ["[email]"]:
            pass
        assert not first.is_running()
    finally:
        await masker.aclose()


async def test_who_waits_too_long_gets_the_placeholder_never_the_text() -> None:
    masker = Masker(clock=SystemClock(), timeout_s=0.05)
    began_s = time.monotonic()
    assert await masker.mask(["a@example.com", "b"]) == [NOT_MASKED] * 2
    assert time.monotonic() - began_s < 5
    assert masker.dropped == 2
    await masker.aclose()


async def test_of_too_many_the_one_that_waits_longest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "MOST_WAITING", 3)
    masker = patient()
    asking = [asyncio.create_task(masker.mask([f"question {n}"])) for n in range(5)]
    answers = await asyncio.gather(*asking)
    assert answers == [[NOT_MASKED]] * 2 + [[f"question {n}"] for n in (2, 3, 4)]
    assert masker.dropped == 2
    await masker.aclose()


async def test_a_caller_that_leaves_disturbs_nobody(masker: Masker) -> None:
    leaving = asyncio.create_task(masker.mask(["gone"]))
    await asyncio.sleep(0)
    staying = asyncio.create_task(masker.mask(["a@example.com"]))
    leaving.cancel()
    assert await staying == ["[email]"]


async def test_a_child_that_cannot_be_started_is_tried_again(masker: Masker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    asking = asyncio.create_task(masker.mask(["a@example.com"]))
    await until(lambda: masker._failures >= 3, pause_s=0.01)
    monkeypatch.undo()
    assert await asking == ["[email]"]


async def test_it_ends_at_once_whatever_the_child_does() -> None:
    for stopped in (False, True):
        masker = patient()
        await masker.mask(["a"])
        child = child_of(masker)
        if stopped:
            child.send_signal(signal.SIGSTOP)
        asking = asyncio.create_task(masker.mask(["b@example.com"]))
        await asyncio.sleep(0)
        began_s = time.monotonic()
        await masker.aclose()
        assert time.monotonic() - began_s < 1
        assert (await asking)[0] in (NOT_MASKED, "[email]")
        assert not child.is_running()
        assert await masker.mask(["c@example.com"]) == [NOT_MASKED]


async def test_a_masker_that_was_never_used_has_no_child() -> None:
    masker = patient()
    await masker.aclose()
    assert masker._child is None


WORKER = """
import asyncio, sys
from service.clock import SystemClock
from service.observability.masking import Masker
async def main():
    masker = Masker(clock=SystemClock(), timeout_s=100, answer_s=100)
    assert await masker.mask(["a@example.com"]) == ["[email]"]
    assert not {"presidio_analyzer", "spacy", "tldextract"} & set(sys.modules)
    print(masker._child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_it_ends_with_a_worker_that_is_killed(stopped: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        child = psutil.Process(int(worker.stdout.readline()))
        if stopped:
            child.send_signal(signal.SIGSTOP)
        worker.kill()
        wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child's end")


def test_the_child_answers_until_its_input_ends() -> None:
    asked = masking._message(["a", "b"]) + masking._message([]) + b"\0\0"
    answers = io.BytesIO()
    serve(io.BytesIO(asked), answers, str.upper)
    assert answers.getvalue() == masking._message([]) + masking._message(["A", "B"]) + masking._message([])


def test_a_signal_for_all_of_the_terminal_is_the_workers() -> None:
    command = [sys.executable, "-m", "service.observability.masking"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.read(6) == masking._message([])
        os.kill(child.pid, signal.SIGINT)
        child.stdin.write(masking._message(["a@example.com"]))
        child.stdin.close()
        assert child.stdout.read() == masking._message(["[email]"])
        assert child.wait(30) == 0
