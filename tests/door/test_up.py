"""`gauntlet up` and `down` as real processes: start, second start, crash, Ctrl-C, kill -9 (design section 1)."""

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import redis

from door import parts, ports, state
from door.home import ROOT
from tests.door.cli import UP, Up, environment, eventually, gauntlet, lives

Start = Callable[..., Up]
USUAL = {"collector": 4318, "dashboard": 8501}


def test_up_says_where_things_are_and_its_curl_line_works(workbench: Up) -> None:
    line = next(line for line in workbench.output.splitlines() if line.strip().startswith("curl "))
    answer = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(answer.stdout)["answer"]
    for name in ("dashboard", "service", "simulator", "collector", "valkey"):
        assert workbench.urls[name] in workbench.output


def test_output_that_is_no_terminal_has_no_colours(workbench: Up) -> None:
    assert "\x1b" not in workbench.output


def test_a_second_up_in_the_same_home_names_the_first_and_leaves_it_alone(workbench: Up) -> None:
    numbers = {port.variable: str(_port(workbench.urls[port.name])) for port in ports.TABLE}
    began = time.monotonic()
    second = gauntlet("up", env=environment(workbench.home, **numbers))
    assert second.returncode == 1
    assert time.monotonic() - began < 10
    assert "our service" in second.stderr
    assert "our simulator" in second.stderr
    assert "our valkey" in second.stderr
    assert str(workbench.parts["valkey"]) in second.stderr
    assert all(map(lives, workbench.pids))


def test_an_up_in_another_home_names_the_process_on_its_port(workbench: Up, tmp_path: Path) -> None:
    second = gauntlet("up", "--port", str(_port(workbench.urls["service"])), env=environment(tmp_path))
    assert second.returncode == 1
    assert "held by pid" in second.stderr
    assert "service" in second.stderr
    assert "GAUNTLET_SERVICE_PORT=" in second.stderr


def test_a_strangers_port_is_told_with_pid_and_command_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        refused = gauntlet("up", "--simulator-port", str(number), env=environment(tmp_path))
    assert refused.returncode == 1
    assert f"port {number} (simulator) is held by pid {os.getpid()}: " in refused.stderr
    assert not (tmp_path / "logs").exists()


def test_strangers_on_the_usual_ports_of_collector_and_dashboard_move_these_and_not_the_strangers(
    start: Start,
) -> None:
    unchosen = {"GAUNTLET_COLLECTOR_PORT": "", "GAUNTLET_DASHBOARD_PORT": ""}
    with contextlib.ExitStack() as held:
        for number in USUAL.values():
            if not ports.is_held(number):  # or somebody has it already
                held.enter_context(socket.create_server(("127.0.0.1", number)))
        up = start(**unchosen).ready()
        doctor = gauntlet("doctor", env=environment(up.home / "other", **unchosen))
        for name, number in USUAL.items():
            assert f"port {number} ({name}) is held by " in up.output
            assert _port(up.urls[name]) != number
            assert f"{number} ({name}) is held by " in doctor.stdout
        assert doctor.returncode == 0, doctor.stdout
    with urllib.request.urlopen(up.urls["dashboard"] + "/_stcore/health", timeout=10) as answer:  # noqa: S310 - our own
        assert answer.status == 200
    with urllib.request.urlopen(up.urls["collector"] + "/health", timeout=10) as answer:  # noqa: S310 - our own
        assert answer.status == 200
    (told,) = [line for line in _environ(up.parts["service"]) if line.startswith("OTEL_EXPORTER_OTLP_ENDPOINT=")]
    assert told.endswith(up.urls["collector"])


def test_a_port_that_was_chosen_for_the_collector_is_not_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        refused = gauntlet("up", "--collector-port", str(number), env=environment(tmp_path))
    assert refused.returncode == 1
    assert f"port {number} (collector) is held by pid {os.getpid()}: " in refused.stderr


def test_down_ends_everything_and_what_valkey_held_is_there_in_the_next_up(start: Start) -> None:
    up = start().ready()
    with redis.Redis.from_url(up.urls["valkey"]) as client:
        client.set("kept", "yes")
    ended = gauntlet("down", env=up.env)
    assert (ended.returncode, ended.stdout) == (0, "ended\n")
    assert up.process.wait(10) == 0, up.output
    assert up.all_gone()
    assert gauntlet("down", env=up.env).stdout == "nothing is up\n"

    detached = gauntlet("up", "--detach", env=up.env)
    assert detached.returncode == 0, detached.stderr
    assert "down` ends everything" in detached.stdout
    now = state.read(up.home)
    assert now is not None
    with redis.Redis.from_url(now.urls["valkey"]) as client:
        assert client.get("kept") == b"yes"
    second = gauntlet("up", "--detach", env=up.env)
    assert second.returncode == 1
    assert "an up is running" in second.stderr


def test_when_the_service_dies_its_workers_and_the_other_parts_end_but_not_a_redis_of_ones_own(
    workbench: Up, start: Start
) -> None:
    up = start(REDIS_URL=workbench.urls["valkey"], GAUNTLET_WORKERS="2").ready()
    assert set(up.parts) == {"collector", "simulator", "service", "worker", "dashboard"}
    assert workbench.urls["valkey"] in up.output
    os.kill(up.parts["service"], signal.SIGKILL)
    assert up.process.wait(60) == 1
    assert "service was killed by SIGKILL" in up.output
    assert "service.log" in up.output
    assert up.all_gone()
    assert all(map(lives, workbench.pids))


def test_a_killed_valkey_comes_back_with_its_data_after_a_rest_and_the_others_go_on(start: Start) -> None:
    up = start().ready()
    others = up.pids - {up.parts["valkey"]}
    with redis.Redis.from_url(up.urls["valkey"]) as client:
        client.set("kept", "yes")
    began = time.monotonic()
    os.kill(up.parts["valkey"], signal.SIGKILL)

    def named() -> int:
        now = state.read(up.home)
        assert now is not None
        return next(part.pid for part in now.parts if part.name == "valkey")

    eventually(lambda: named() != up.parts["valkey"], "up.json names the new Valkey")
    assert time.monotonic() - began >= parts.VALKEY_REST_S
    eventually(lambda: "valkey     ready after" in up.output.partition("is started again in 3 s")[2], "it is ready")
    assert "valkey was killed by SIGKILL by itself" in up.output
    with redis.Redis.from_url(up.urls["valkey"]) as client:
        assert client.get("kept") == b"yes"
        assert client.info("server")["process_id"] == named()
    eventually(lambda: _status(up.urls["service"] + "/ready") == 200, "the service is ready again")
    assert up.process.poll() is None
    assert all(map(lives, others))
    report = gauntlet("doctor", env=up.env)
    assert f"held by our valkey, pid {named()}" in report.stdout
    up.pids.add(named())
    assert gauntlet("down", env=up.env).returncode == 0
    assert up.all_gone()


def test_ctrl_c_while_valkey_rests_ends_everything_at_once(start: Start) -> None:
    up = start().ready()
    os.kill(up.parts["valkey"], signal.SIGKILL)
    eventually(lambda: "is started again in 3 s" in up.output, "its death is noticed")
    assert up.end(signal.SIGINT) == 0
    assert up.all_gone()
    assert "ready after" not in up.output.partition("is started again in 3 s")[2]


def test_a_setting_that_cannot_be_used_ends_with_2_and_the_end_of_the_log(start: Start) -> None:
    up = start(GAUNTLET_RETRY__ATTEMPTS="many")
    assert up.process.wait(60) == 2
    assert re.search("(service|worker) ended with exit code 2 before it was ready", up.output)  # who reads it first
    assert "retry.attempts" in up.output


def test_after_kill_9_of_up_the_rest_ends_and_what_does_not_is_told_and_ended_by_down(start: Start) -> None:
    up = start().ready()
    stopped = up.parts["valkey"]
    os.kill(stopped, signal.SIGSTOP)  # a stopped process does not act on the TERM that it gets
    up.end(signal.SIGKILL)
    if sys.platform == "linux":  # only there the kernel tells a child of its parent's death
        eventually(lambda: not any(map(lives, up.pids - {stopped})), "the other parts ended by themselves")
    refused = gauntlet("up", env=up.env)
    assert refused.returncode == 1
    assert "of an earlier up still run" in refused.stderr
    assert "valkey" in refused.stderr
    doctor = gauntlet("doctor", env=up.env)
    assert doctor.returncode == 1
    assert f"valkey (pid {stopped})" in doctor.stdout
    assert gauntlet("reset", "--yes", env=up.env).returncode == 1
    os.kill(stopped, signal.SIGCONT)
    assert gauntlet("down", env=up.env).returncode == 0
    assert up.all_gone()


def test_a_redis_url_where_nothing_answers_is_refused_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://me:secret@127.0.0.1:{closed.getsockname()[1]}/0"
        refused = gauntlet("up", env=environment(tmp_path, REDIS_URL=url))
    assert refused.returncode == 1
    assert "no Redis answers there" in refused.stderr
    assert "secret" not in refused.stderr


def test_a_redis_url_that_accepts_and_never_answers_is_refused_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        refused = gauntlet("up", env=environment(tmp_path, REDIS_URL=url))
    assert refused.returncode == 1
    assert "no Redis answers there" in refused.stderr


def test_every_process_is_told_the_ports_it_serves_on(workbench: Up) -> None:
    for name in (port.name for port in ports.TABLE):
        assert ports.is_held(_port(workbench.urls[name])), name


def test_ctrl_c_through_make_ends_an_up_that_is_still_starting(tmp_path: Path) -> None:
    """A terminal sends the signal to the whole foreground group, as here."""
    with subprocess.Popen(
        ["make", "--no-print-directory", f"PYTHON={sys.executable}", "up"],
        cwd=ROOT,
        env=environment(tmp_path / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as make:
        # Whoever does not obey is ended, so that the output ends and the test fails instead of waiting.
        watchdog = threading.Timer(60, os.killpg, (make.pid, signal.SIGTERM))
        watchdog.start()
        assert make.stdout is not None
        lines = []
        for line in make.stdout:
            lines.append(line)
            if line.startswith("  simulator "):
                pids = [child.pid for child in psutil.Process(make.pid).children(recursive=True)]
                os.killpg(make.pid, signal.SIGINT)
        obeyed = watchdog.is_alive()
        watchdog.cancel()
    assert obeyed
    assert "ended" in lines[-1] or "ended" in lines[-2], "".join(lines)
    eventually(lambda: not any(map(lives, pids)), "all processes gone")


def _environ(pid: int) -> list[str]:
    return [f"{name}={value}" for name, value in psutil.Process(pid).environ().items()]


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/")[0])


def test_a_second_detached_up_is_refused_and_leaves_the_firsts_log_alone(workbench: Up) -> None:
    log = workbench.home / "logs" / "up.log"
    log.write_text("what the first said")
    numbers = {port.variable: str(_port(workbench.urls[port.name])) for port in ports.TABLE}
    second = gauntlet("up", "--detach", env=environment(workbench.home, **numbers))
    assert second.returncode == 1
    assert "our service" in second.stderr
    assert log.read_text() == "what the first said"


def test_hang_up_does_not_end_what_was_started_with_nohup(start: Start) -> None:
    up = start(command=("nohup", *UP)).ready()
    up.process.send_signal(signal.SIGHUP)
    assert gauntlet("ask", "what is a hang-up?", env=up.env).returncode == 0
    assert up.process.poll() is None
