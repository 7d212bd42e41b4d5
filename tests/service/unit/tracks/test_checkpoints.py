"""The savers: who is refused, what a file that cannot be used is told, two processes on one, and nobody called home."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from service.settings import CHECKPOINT_SCHEMES, ConfigurationError, load
from service.tracks.checkpoints import SAVERS, Checkpoints, CheckpointsUnusable, Fenced
from service.tracks.orders import Order
from tests.root import ROOT

EMPTY = {"v": 1, "id": "1", "ts": "", "channel_values": {}, "channel_versions": {}, "versions_seen": {}}
CONFIG = {"configurable": {"thread_id": "run", "checkpoint_ns": ""}}


@pytest.mark.parametrize("given", ["postgres://x", "sqlite:", "sqlite", "", "runs.sqlite", "pickle:x"])
def test_an_unknown_saver_is_refused_at_the_start(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUNTLET_AGENT__CHECKPOINTS", given or " ")
    with pytest.raises(ConfigurationError, match=r"agent\.checkpoints.*sqlite:…"):
        load()


def test_the_settings_know_the_savers() -> None:
    assert set(SAVERS) == set(CHECKPOINT_SCHEMES)


async def test_a_file_is_made_with_its_folder_and_shared_by_a_log_of_its_own(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b.sqlite"
    several = [Checkpoints(f"sqlite:{place}") for _ in range(4)]
    await asyncio.gather(*(one.saver() for one in several))
    with sqlite3.connect(place) as there:
        assert there.execute("pragma journal_mode").fetchone() == ("wal",)
    await asyncio.gather(*(one.aclose() for one in several))


@pytest.mark.parametrize("kind", ["corrupt", "folder", "below a file"])
async def test_a_place_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "x"
    if kind == "corrupt":
        place.write_bytes(b"no database at all" * 100)
    elif kind == "folder":
        place.mkdir()
    else:
        place.write_text("")
        place = place / "y.sqlite"
    checkpoints = Checkpoints(f"sqlite:{place}")
    for _ in range(2):
        with pytest.raises(
            CheckpointsUnusable, match=f"agent.checkpoints: {place} cannot be used .*the runs go on then"
        ):
            await checkpoints.saver()
    if kind == "corrupt":
        place.unlink()
        assert await checkpoints.saver(), "mended, it is used"
    await checkpoints.aclose()


READS_ONLY = """
import asyncio, os, sys
from service.tracks.checkpoints import Checkpoints, CheckpointsUnusable
if os.getuid() == 0:
    os.setuid(65534)  # to root no file is read-only
try:
    asyncio.run(Checkpoints(sys.argv[1]).saver())
except CheckpointsUnusable as error:
    print(error)
"""


def test_a_file_that_can_only_be_read_is_refused_before_anything_runs() -> None:
    with TemporaryDirectory(prefix="read-only-") as folder:
        place = Path(folder) / "x.sqlite"

        async def made() -> None:
            checkpoints = Checkpoints(f"sqlite:{place}")
            await checkpoints.saver()
            await checkpoints.aclose()

        asyncio.run(made())
        place.chmod(0o444)
        Path(folder).chmod(0o555)
        command = [sys.executable, "-c", READS_ONLY, f"sqlite:{place}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        Path(folder).chmod(0o755)
    assert "cannot be used" in done.stdout, done.stderr[-2000:]
    assert "readonly" in done.stdout or "unable to open" in done.stdout


async def test_a_late_workers_checkpoint_is_not_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(f"sqlite:{tmp_path / 'x.sqlite'}")
    saver = await checkpoints.saver()

    async def lost() -> None:
        raise LookupError

    async def kept() -> None:
        raise AssertionError

    fenced = Fenced(saver, lost, kept)
    with pytest.raises(LookupError):
        await fenced.aput(CONFIG, EMPTY, {}, {})  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        await fenced.aput_writes({"configurable": {**CONFIG["configurable"], "checkpoint_id": "1"}}, [("a", 1)], "t")
    assert await fenced.aget_tuple(CONFIG) is None  # type: ignore[arg-type]
    await checkpoints.aclose()


async def test_whoever_is_cancelled_ends_its_write_and_leaves_no_lock(tmp_path: Path) -> None:
    checkpoints = Checkpoints(f"sqlite:{tmp_path / 'x.sqlite'}")
    saver = await checkpoints.saver()
    assert isinstance(saver, AsyncSqliteSaver)
    commit, written, go_on = saver.conn.commit, asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        written.set()
        await go_on.wait()
        await commit()

    saver.conn.commit = slow  # type: ignore[method-assign]

    async def nothing() -> None:
        """It is ours."""

    fenced = Fenced(saver, nothing, nothing)
    config = {"configurable": {**CONFIG["configurable"], "checkpoint_id": "1"}}
    for write in (
        lambda: fenced.aput(CONFIG, EMPTY, {}, {}),  # type: ignore[arg-type]
        lambda: fenced.aput_writes(config, [("a", 1)], "t"),  # type: ignore[arg-type]
    ):
        written.clear()
        go_on.clear()
        writing = asyncio.create_task(write())
        await written.wait()
        writing.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert not saver.conn.in_transaction
    await checkpoints.aclose()


async def test_no_class_and_no_pickle_comes_back_from_a_file(tmp_path: Path) -> None:
    saver = await (checkpoints := Checkpoints(f"sqlite:{tmp_path / 'x.sqlite'}")).saver()
    with pytest.raises(TypeError):
        saver.serde.dumps_typed(object())
    order = Order("a-1", "a mug", "ch_1", 1, 0, "usd")
    assert not isinstance(saver.serde.loads_typed(saver.serde.dumps_typed([order]))[0], Order)
    with pytest.raises(NotImplementedError):
        saver.serde.loads_typed(("pickle", b"cos\nsystem\n(S'true'\ntR."))
    await checkpoints.aclose()


CALLS_HOME = """
import asyncio, json, os
from service.tracks.agent_track import AgentTrack
from langgraph.graph import START, StateGraph
from langsmith.utils import tracing_is_enabled

graph = StateGraph(dict)
graph.add_node("one", lambda state: {"x": 1})
graph.add_edge(START, "one")
asyncio.run(graph.compile().ainvoke({}))
from langchain_core.tracers.langchain import wait_for_all_tracers
wait_for_all_tracers()
left = [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]
print(json.dumps({"enabled": bool(tracing_is_enabled()), "left": left}))
"""


async def test_variables_of_langsmith_send_nothing_away() -> None:
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    meant = {
        **{f"{kind}_TRACING_V2": "true" for kind in ("LANGSMITH", "LANGCHAIN")},
        **{f"{kind}_TRACING": "true" for kind in ("LANGSMITH", "LANGCHAIN")},
        **{f"{kind}_ENDPOINT": url for kind in ("LANGSMITH", "LANGCHAIN")},
        **{f"{kind}_API_KEY": "lsv2_x" for kind in ("LANGSMITH", "LANGCHAIN")},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CALLS_HOME, cwd=ROOT, env={**os.environ, **meant},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, wrong = await process.communicate()
    server.close()
    assert process.returncode == 0, wrong.decode()[-2000:]
    assert json.loads(said) == {"enabled": False, "left": []}
    assert heard == []
