"""`gauntlet doctor`: facts, and what to do about those that are in the way."""

import os
import resource
import socket
from pathlib import Path

from door import ports
from tests.door.cli import Up, environment, gauntlet


def test_on_a_sound_machine_doctor_finds_nothing_to_do(tmp_path: Path) -> None:
    report = gauntlet("doctor", env=environment(tmp_path))
    assert report.returncode == 0, report.stdout
    assert "direct dependencies are installed" in report.stdout
    assert "embedded Valkey" in report.stdout
    assert report.stdout.count("is free") == len(ports.TABLE)


def test_a_strangers_port_is_told_with_who_holds_it_and_how_to_move(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        env = environment(tmp_path, GAUNTLET_OPENAI_PORT=str(server.getsockname()[1]))
        report = gauntlet("doctor", env=env)
    assert report.returncode == 1
    assert f"(openai) is held by pid {os.getpid()}: " in report.stdout
    assert "set GAUNTLET_OPENAI_PORT" in report.stdout


def test_ports_that_our_own_parts_hold_are_well(workbench: Up) -> None:
    numbers = {port.variable: workbench.urls[port.name].rsplit(":", 1)[1].split("/")[0] for port in ports.TABLE}
    report = gauntlet("doctor", env={**workbench.env, **numbers})
    assert report.returncode == 0, report.stdout
    assert "held by our service" in report.stdout
    assert f"an up runs (pid {workbench.process.pid})" in report.stdout


def test_an_up_that_was_moved_by_flags_is_looked_for_where_it_is(workbench: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        number = str(stranger.getsockname()[1])
        report = gauntlet("doctor", env={**workbench.env, "GAUNTLET_SERVICE_PORT": number})
    assert report.returncode == 0, report.stdout
    assert number not in report.stdout


def test_a_redis_url_where_nothing_answers_is_a_finding(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{closed.getsockname()[1]}/0"
        report = gauntlet("doctor", env=environment(tmp_path, REDIS_URL=url))
    assert report.returncode == 1
    assert "no Redis answers there" in report.stdout


def test_a_home_that_cannot_be_made_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    report = gauntlet("doctor", env=environment(tmp_path / "file" / "home"))
    assert report.returncode == 1
    assert "set GAUNTLET_HOME" in report.stdout


def test_too_few_open_files_are_a_finding(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        report = gauntlet("doctor", env=environment(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert report.returncode == 1
    assert "ulimit -n 4096" in report.stdout
