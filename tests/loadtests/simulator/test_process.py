"""The process: its ready line, its end, and ports that are taken; and the simulator inside another process."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Any

import pytest

from loadtests.simulator import PortInUseError, Simulator

from .lab import QUESTION, Lab, SimulatorProcess, user


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_promptly_even_with_calls_that_hang(signum: signal.Signals) -> None:
    process = SimulatorProcess()
    async with Lab(process.ready()) as lab:
        await lab.fault("anthropic", "hang")
        await lab.fault("openai", "stall")
        stream = {"model": "fake-small", "messages": [user(QUESTION)], "stream": True}
        calls = [
            asyncio.create_task(call) for call in (lab.messages(), lab.messages(), lab.chat(stream), lab.chat(stream))
        ]
        await lab.pending(4)
        took_s = await asyncio.to_thread(process.end, signum)
        assert all(isinstance(end, Exception) for end in await asyncio.gather(*calls, return_exceptions=True))
    assert process.child.returncode == 0
    assert took_s < 3


def test_a_taken_port_is_named_and_the_exit_code_is_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        free = {f"GAUNTLET_{name}_PORT": "0" for name in ("SIMULATOR", "ANTHROPIC", "PAYMENTS", "RETRIEVAL")}
        process = SimulatorProcess("--host", "127.0.0.1", **free, GAUNTLET_OPENAI_PORT=str(port))
        out, err = process.child.communicate(timeout=20)
    assert process.child.returncode == 2
    assert out == ""
    assert f"127.0.0.1:{port}" in err
    assert len(err.strip().splitlines()) == 1


def test_a_port_that_is_no_port_is_named_and_the_exit_code_is_2() -> None:
    process = SimulatorProcess("--openai-port", "many")
    _, err = process.child.communicate(timeout=20)
    assert process.child.returncode == 2
    assert "many" in err


async def test_it_runs_inside_another_process_too() -> None:
    async with Simulator(seed=5) as simulator, Lab(simulator.ports) as lab:
        await lab.reset()
        assert (await lab.messages())[0] == 200
        await lab.fault("anthropic", "reset", times=1)
        await lab.fault("anthropic", "refused", for_s=0.1, at_s=0.1)
        ask: dict[str, Any] = {"model": "fake-x", "messages": [user(QUESTION)]}
        stream = await lab.openai().chat.completions.create(**ask, stream=True)
        assert len([chunk async for chunk in stream]) > 3
        with pytest.raises(PortInUseError, match=str(simulator.ports["control"])):
            await Simulator(ports=simulator.ports).start()
