"""Processes of the benchmark: their ready line, their cost, and their end."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from loadtests.bench.processes import DidNotStartError, Process, own_environment, parse_ready_line, split_cpus

READY = 'import json, sys; print(json.dumps({"ready": True, "url": "http://127.0.0.1:1"}), flush=True); '


def python(logs: Path, code: str) -> Process:
    return Process("child", [sys.executable, "-c", code], {}, [], logs)


def test_the_ready_line_is_found_among_others() -> None:
    line = '{"ready": true, "url": "http://127.0.0.1:8000", "workers": 1, "pid": 7}'
    found = parse_ready_line(f'starting\n{{"ready": false}}\n[true]\n{line}\n{{"ready": true, "url": "later"}}')
    assert found == {"ready": True, "url": "http://127.0.0.1:8000", "workers": 1, "pid": 7}
    assert parse_ready_line('{"ready": true, "ur') is None
    assert parse_ready_line("") is None


def test_a_process_is_started_told_ready_costed_and_ended_with_its_children(tmp_path: Path) -> None:
    nap = "import time; time.sleep(60)"
    # The system counts in hundredths of a second: a start alone may be none.
    busy = "import time\nwhile time.process_time() < 0.05: pass\n"
    process = python(
        tmp_path, busy + f"import subprocess; subprocess.Popen([sys.executable, '-c', {nap!r}]); ".join([READY, nap])
    )
    try:
        assert process.wait_ready()["url"] == "http://127.0.0.1:1"
        children = psutil.Process(process.pid).children()
        assert process.cpu_s() >= 0.04
        assert process.rss_bytes() > 2**20
    finally:
        process.end()
    assert not process.is_running()
    assert len(children) <= 1
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert process.rss_bytes() == 0
    process.end()


def test_a_process_that_ends_before_it_serves_says_why(tmp_path: Path) -> None:
    process = python(tmp_path, "raise SystemExit('the port is taken')")
    with pytest.raises(DidNotStartError, match=r"(?s)ended with status 1.*the port is taken"):
        process.wait_ready()


def test_the_users_proxies_and_settings_do_not_reach_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "no_proxy", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "GAUNTLET_PROFILE", "OTEL_X"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("HOME", "/somewhere")
    environment = own_environment()
    assert environment["HOME"] == "/somewhere"
    assert not {"HTTPS_PROXY", "no_proxy", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "GAUNTLET_PROFILE"} & set(
        environment
    )


def test_the_process_under_test_shares_no_cpu_with_the_tools() -> None:
    subject, tools = split_cpus()
    assert not set(subject) & set(tools)
    assert len(subject) <= 1
    assert len(subject) + len(tools) <= (os.cpu_count() or 1)
