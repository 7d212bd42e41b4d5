"""`gauntlet pitfall` as a person calls it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from door.home import ROOT
from tests.door.cli import BOUND_S, environment, eventually, gauntlet, lives


def test_without_a_number_it_lists_the_seven(tmp_path: Path) -> None:
    shown = gauntlet("pitfall", env=environment(tmp_path, COLUMNS="80"))
    assert shown.returncode == 0
    assert "A health check that calls the LLM" in shown.stdout
    listed = json.loads(gauntlet("pitfall", "--json", env=environment(tmp_path)).stdout)
    assert [row["pitfall"] for row in listed] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("8",), "there is no pitfall '8'; there are 1 all_sync"),
        (("3", "--for", "1s"), "--for is 1 s; pitfall 3 shows itself in 5 to 300 s"),
        (("3", "--short", "--for", "9s"), "give one"),
        (("3", "--guess", "many"), "expected a number such as 12"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    refused = gauntlet("pitfall", *words, env=environment(tmp_path))
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.alone
def test_a_call_without_a_timeout_hangs_on_and_programs_are_told_so(tmp_path: Path) -> None:
    done = gauntlet("pitfall", "no_timeout", "--short", "--json", "--guess", "12", env=environment(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    numbers = document["numbers"]
    assert document["verdict"] == "shown"
    assert document["guess"] == 12
    assert numbers["in_flight"]["before"] >= 100
    assert numbers["in_flight"]["after"] <= 0.5 * numbers["in_flight"]["before"]
    assert numbers["still_waiting"]["before"] > 0 == numbers["still_waiting"]["after"]
    assert "p99_ms" in document["at_least"]
    assert numbers["p99_ms"]["before"] > numbers["p99_ms"]["after"]
    assert Path(document["chart"]).read_text().startswith("<svg")
    assert Path(document["chart"]).is_relative_to(tmp_path)


@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    output = tmp_path / "out"
    with output.open("wb") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "gauntlet", "pitfall", "6", "--for", "60s"],
            cwd=ROOT,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        eventually(lambda: b"200 requests" in output.read_bytes() or running.poll() is not None, "the load")
        children = {child.pid for child in psutil.Process(running.pid).children(recursive=True)}
        assert len(children) == 4  # two forms, each with its simulator
        begun = time.monotonic()
        running.send_signal(number)
        assert running.wait(BOUND_S) == 130, output.read_text()
        assert time.monotonic() - begun < 60  # it did not run to its end
    finally:
        running.kill()
        running.wait()
    eventually(lambda: not any(map(lives, children)), "every process gone")
    assert "Traceback" not in output.read_text()
