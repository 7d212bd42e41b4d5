"""A private workbench as real processes: whatever the person configured, and however the block is left."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from door import home, ports, processes, running, state
from door.errors import UsageError
from door.home import ROOT
from door.part import PartFailed
from door.workbench import Workbench, workbench
from tests.door.cli import environment, eventually, lives

SECRET = "sk-live-0123456789"


@dataclass
class Private:
    """A workbench in the environment of somebody who lives on the live profile; `trap` is where all of that points."""

    lab: Workbench
    environ: dict[str, str]
    trap: socket.socket

    @property
    def pids(self) -> set[int]:
        return _ours(self.lab)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    folder = tmp_path_factory.mktemp("person")
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        there = f"127.0.0.1:{trap.getsockname()[1]}"
        (folder / "gauntlet.toml").write_text(
            f'profile = "live"\nredis_url = "redis://{there}/1"\n[providers.openai]\nbase_url = "http://{there}/file"\n'
        )
        person = environment(
            folder / "home",
            GAUNTLET_CONFIG=str(folder / "gauntlet.toml"),
            GAUNTLET_PROFILE="live",
            gauntlet_profile="live",
            GAUNTLET_RETRY__ATTEMPTS="many",
            GAUNTLET_PROVIDERS__ANTHROPIC__BASE_URL=f"http://{there}",
            GAUNTLET_PAYMENTS__BASE_URL=f"http://{there}",
            REDIS_URL=f"redis://{there}/2",
            redis_url=f"redis://{there}/3",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://{there}/v1/traces",
            OTEL_SDK_DISABLED="true",
            LANGFUSE_PUBLIC_KEY="pk",
            LANGFUSE_SECRET_KEY=SECRET,
            LANGFUSE_BASE_URL=f"http://{there}",
            ANTHROPIC_API_KEY=SECRET,
            OPENAI_API_KEY=SECRET,
            PAYMENTS_API_KEY=SECRET,
            http_proxy=f"http://{there}",
        )
        with workbench(person, dashboard=True, workers=1) as lab:
            yield Private(lab, person, trap)


def test_it_serves_a_chat_and_tells_its_own_collector_whatever_the_person_configured(private: Private) -> None:
    answer = _chat(private.lab)
    assert (answer["source"], answer["degraded"]) == ("live", [])
    ready = _get(private.lab.urls["service"] + "/ready")
    assert (ready["status"], ready["profile"]) == ("ready", "workbench")
    told = f"{private.lab.urls['collector']}/requests?request_id={answer['request_id']}"
    eventually(lambda: _get(told)["requests"], "its collector knows of the chat", bound_s=30)
    assert len(_get(private.lab.urls["simulator"] + "/sim/ledger")["calls"]) == 1
    with pytest.raises(BlockingIOError):  # nobody knocked where the person's settings point
        private.trap.accept()


def test_no_process_of_it_is_told_a_key_or_a_setting_of_the_person(private: Private) -> None:
    assert len(private.pids) >= 6
    there = str(private.trap.getsockname()[1])
    for pid in private.pids:
        seen = psutil.Process(pid).environ()
        assert not [name for name, value in seen.items() if SECRET in value or f":{there}" in value]
    service = next(
        psutil.Process(pid).environ() for pid in private.pids if psutil.Process(pid).cmdline()[1:3] == ["-m", "service"]
    )
    assert service["GAUNTLET_CONFIG"] == str(private.lab.home / "workbench.toml")
    assert "gauntlet_profile" not in service


def test_its_dashboard_shows_the_persons_runs(private: Private) -> None:
    with urllib.request.urlopen(private.lab.urls["dashboard"] + "/_stcore/health", timeout=10) as answer:  # noqa: S310
        assert answer.status == 200
    pages = next(
        psutil.Process(pid).environ()
        for pid in private.pids
        if psutil.Process(pid).cmdline()[1:3] == ["-m", "dashboard"]
    )
    assert pages["GAUNTLET_RUNS"] == str(Path(private.environ["GAUNTLET_HOME"]) / home.RUNS)


def test_it_is_found_like_an_up_by_whoever_is_told_its_home(private: Private) -> None:
    seen = running.lab({"GAUNTLET_HOME": str(private.lab.home)})
    assert seen is not None
    assert (seen.urls, seen.store_pid()) == (private.lab.urls, private.lab.store_pid())
    assert seen.worker_pids() == private.lab.worker_pids()


def test_a_killed_valkey_comes_back_under_another_pid_with_what_it_held(private: Private) -> None:
    lab = private.lab
    with redis.Redis.from_url(lab.urls["valkey"]) as client:
        client.set("kept", "yes")
    old = lab.store_pid()
    assert old is not None
    os.kill(old, signal.SIGKILL)
    eventually(lambda: not lives(old), "it is dead")
    assert lab.store_pid() is None
    eventually(lambda: lab.store_pid() not in (None, old), "it is back", bound_s=30)
    with redis.Redis.from_url(lab.urls["valkey"]) as client:
        eventually(lambda: _value(client, "kept") == b"yes", "it has its data", bound_s=30)
    assert lab.failure is None


def test_a_second_one_from_another_thread_has_other_ports_and_leaves_nothing_behind(private: Private) -> None:
    found: dict[str, Any] = {}

    def use() -> None:
        with workbench(environment(private.lab.home), workers=1, service_env={"GAUNTLET_ADMISSION": "7"}) as lab:
            found.update(urls=lab.urls, home=lab.home, pids=_ours(lab), answer=_chat(lab))
            found["service"] = psutil.Process(_pid(lab, "service")).environ()
            found["simulator"] = psutil.Process(_pid(lab, "simulator")).environ()

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found["answer"]["source"] == "live"
    assert not {_port(url) for url in found["urls"].values()} & {_port(url) for url in private.lab.urls.values()}
    assert "dashboard" not in found["urls"]
    assert found["service"]["GAUNTLET_ADMISSION"] == "7"
    assert "GAUNTLET_ADMISSION" not in found["simulator"]
    assert len(found["pids"]) >= 5
    assert not any(map(lives, found["pids"]))
    assert not found["home"].exists()
    assert _get(private.lab.urls["service"] + "/health") == {"status": "ok"}


def test_a_part_that_ends_for_good_is_noted_and_the_others_run_until_an_exception_leaves_the_block(
    tmp_path: Path,
) -> None:
    pids: set[int] = set()

    def use() -> None:
        with workbench(environment(tmp_path), workers=1, home=tmp_path / "kept") as lab:
            pids.update(_ours(lab))
            os.kill(_pid(lab, "simulator"), signal.SIGKILL)
            eventually(lambda: lab.failure, "it is noted", bound_s=10)
            assert "simulator was killed by SIGKILL" in str(lab.failure)
            assert _get(lab.urls["service"] + "/health") == {"status": "ok"}
            with (
                pytest.raises(home.AlreadyUp),
                workbench(environment(tmp_path), home=tmp_path / "kept"),
            ):
                pass
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert pids
    assert not any(map(lives, pids))
    assert (tmp_path / "kept" / "logs" / "service.log").exists()


def test_a_service_that_does_not_start_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = _children()
    with (
        pytest.raises(PartFailed, match=r"(service|worker) ended with exit code 2(.|\n)*retry\.attempts"),
        workbench(environment(tmp_path), service_env={"GAUNTLET_RETRY__ATTEMPTS": "many"}),
    ):
        pass
    assert _children() == before
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_somebody_takes_in_between_is_changed_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port = ports.free_port
    with ExitStack() as held, socket.create_server(("127.0.0.1", 0)) as somebody:
        number = somebody.getsockname()[1]
        chosen = [number]
        monkeypatch.setattr(ports, "free_port", lambda taken: chosen.pop() if chosen else free_port(taken))
        lab = held.enter_context(workbench(environment(tmp_path), workers=1))
        assert chosen == []
        assert number not in map(_port, lab.urls.values())
        assert _chat(lab)["source"] == "live"


@pytest.mark.parametrize("name", ["REDIS_URL", "GAUNTLET_PROFILE", "gauntlet_payments__base_url"])
def test_what_makes_it_private_cannot_be_set(tmp_path: Path, name: str) -> None:
    before = _children()
    with (
        pytest.raises(UsageError, match=f"{name.upper()} cannot be set for a private workbench"),
        workbench(environment(tmp_path), service_env={name: "live"}),
    ):
        pass
    assert _children() == before


HOLD = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background it is ignored
from door.workbench import workbench
with workbench(workers=1) as lab:
    print(lab.home, flush=True)
    time.sleep(600)
"""
ABANDON = """
from door.workbench import workbench
block = workbench(workers=1)
print(block.__enter__().home, flush=True)
input()
"""


@pytest.mark.parametrize(
    ("code", "number"),
    [
        pytest.param(HOLD, signal.SIGINT, id="Ctrl-C"),
        pytest.param(
            HOLD,
            signal.SIGKILL,
            id="kill -9",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="elsewhere `gauntlet down` ends what is left"),
        ),
        pytest.param(ABANDON, None, id="the interpreter ends inside the block"),
    ],
)
def test_however_its_process_ends_no_part_is_left(tmp_path: Path, code: str, number: signal.Signals | None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(tmp_path / "home", TMPDIR=str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        pids = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        assert len(pids) >= 5
        if number is None:
            process.stdin.write("\n")
            process.stdin.close()
        else:
            process.send_signal(number)
        process.wait(60)
    eventually(lambda: not any(map(lives, pids)), "every part is gone", bound_s=30)
    assert folder.exists() == (number is signal.SIGKILL)


def test_the_folder_of_a_killed_one_is_deleted_by_the_next_and_that_of_a_living_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed, foreign = tmp_path / "gauntlet-killed", tmp_path / "gauntlet-foreign"
    for folder, name in ((killed, ".temporary"), (foreign, "notes.txt")):
        folder.mkdir()
        (folder / name).touch()
    with workbench(environment(tmp_path), workers=1) as first:
        assert not killed.exists()
        with pytest.raises(UsageError), workbench(environment(tmp_path), service_env={"REDIS_URL": "x"}):
            pass  # it has swept before it finds that it cannot start
        assert _chat(first)["source"] == "live"
        assert first.home.exists()
    assert foreign.exists()


def test_a_home_can_be_kept_with_what_valkey_held(tmp_path: Path) -> None:
    for expected in (None, b"yes"):
        with workbench(environment(tmp_path), workers=1, home=tmp_path / "kept") as lab:
            with redis.Redis.from_url(lab.urls["valkey"]) as client:
                assert client.get("kept") == expected
                client.set("kept", "yes")
            store = lab.store_pid()
            assert store is not None
            os.kill(store, signal.SIGSTOP)  # a paused one is ended in order, too
        assert not lives(store)


def _chat(lab: Workbench) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own
        lab.urls["service"] + "/chat",
        data=json.dumps({"text": "what is a workbench?"}).encode(),
        headers={"Authorization": "Bearer demo-alice", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own
        return dict(json.load(answer))


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
        return dict(json.load(answer))


def _value(client: redis.Redis, key: str) -> object:
    try:
        return client.get(key)
    except redis.RedisError:
        return None


def _pid(lab: Workbench, part: str) -> int:
    now = state.read(lab.home)
    assert now is not None
    return next(process.pid for process in now.parts if process.name == part)


def _ours(lab: Workbench) -> set[int]:
    now = state.read(lab.home)
    assert now is not None
    return {pid for leader in now.parts for pid in processes.group_members(leader)}


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _port(url: str) -> int:
    return urlsplit(url).port or 0
