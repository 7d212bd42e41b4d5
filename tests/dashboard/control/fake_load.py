"""Speaks as `gauntlet load … --json` does, without a service: scenarios `good`, `bad` and those that misbehave.

    python fake_load.py FOLDER --list --json
    python fake_load.py FOLDER NAME --json [--for S] …

FOLDER gets `said.jsonl`: the words it was called with, the home, and each line it was told. Nothing of this project is
imported, so that it starts at once.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

TICK_S = 0.05
NAMES = ("good", "bad", "unjudged", "refused", "crash", "garbage", "hang", "deaf", "orphan", "silent")
WHY = "Half of the callers must not notice."
EXPECTED = [
    {
        "measure": "success_share", "during": ["outage"], "callers": None, "kind": None, "target": None,
        "bound": ">= 99 %", "measured": 0.5, "said": "50 %", "unit": "share", "passed": False, "why": WHY,
    },
    {
        "measure": "p99_ms", "during": [], "callers": "quiet", "kind": None, "target": None, "bound": "<= 5,000 ms",
        "measured": 812.0, "said": "812 ms", "unit": "ms", "passed": True, "why": "A person waits no longer.",
    },
]  # fmt: skip

folder = Path(sys.argv[1])
words = sys.argv[2:]


def note(**what: Any) -> None:
    with (folder / "said.jsonl").open("a") as file:
        file.write(json.dumps(what) + "\n")


def tell(event: str, **what: Any) -> None:
    print(json.dumps({"event": event, **what}), flush=True)


class Wishes(threading.Thread):
    """What it is told on its standard input."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.scale, self.stopped = 1.0, False
        self.start()

    def run(self) -> None:
        for line in sys.stdin:
            note(told=line.strip())
            word, *rest = line.split()
            if word == "scale":
                self.scale = float(rest[0])
            elif word == "stop":
                self.stopped = True


def verdict(word: str, **more: Any) -> None:
    expected = EXPECTED[1:] if word == "pass" else EXPECTED
    tell(
        "verdict", run="20260101-000000", verdict=word, reason=more.get("reason"), expectations=expected,
        books="balanced", report=None,
    )  # fmt: skip


def main() -> int:
    note(words=words, home=os.environ.get("GAUNTLET_HOME"), pid=os.getpid(), cwd=str(Path.cwd()))
    if "--list" in words:
        shown = [
            {"name": name, "title": f"The {name} one", "about": "Something.", "duration_s": 90.0, "short_s": 20.0,
             "shape": "open"}
            for name in NAMES
        ]  # fmt: skip
        print(json.dumps(shown))
        return 0
    name = words[0]
    if name == "refused":
        tell("refused", reason="another run is under way: *20260101*")
        return 2
    if name == "crash":
        print("Traceback (most recent call last):\nZeroDivisionError: by nothing", file=sys.stderr)
        return 1
    wishes = Wishes()
    ended = threading.Event()
    if name in ("hang", "deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN if name == "deaf" else signal.SIG_DFL)
    else:
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
    lasts_s = float(words[words.index("--for") + 1]) if "--for" in words else 90.0
    phases = [{"name": "calm", "at_s": 0, "for_s": 5}, {"name": "outage", "at_s": 5, "for_s": lasts_s - 5}]
    tell(
        "started", run="20260101-000000", scenario=name, title=f"The {name} one", seed=7, lasts_s=lasts_s, phases=phases
    )
    if name == "orphan":  # whom a crash leaves behind
        left = subprocess.Popen([sys.executable, "-c", "import time\nwhile True: time.sleep(1)"])
        note(left=left.pid)
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "silent":  # it hears a SIGTERM, and nothing else
        ended.wait()
        note(tidied=True)
        return 130
    if name in ("hang", "deaf"):
        while True:
            time.sleep(1)
    if name == "garbage":
        print('Traceback\n{"event": "progress"}\n[1]\nnull', flush=True)
        sys.stdout.buffer.write(b"\xff\xfe\n" + b"x" * 3_000_000 + b"\n")
        sys.stdout.flush()
    begun = time.monotonic()
    pace = float(os.environ.get("FAKE_PACE", "50"))
    while not (ended.is_set() or wishes.stopped):
        at_s = min((time.monotonic() - begun) * pace, lasts_s)
        late = at_s > 5
        tell(
            "progress", at_s=at_s, phase="outage" if late else "calm", sent=int(at_s * 20), in_flight=3,
            faults=["anthropic: status 503"] if late else [], rate_per_s=20.0 * wishes.scale, success_share=0.991,
            degraded_share=0.4 if late else None, p95_ms=812.4, scale=wishes.scale,
        )  # fmt: skip
        if at_s >= lasts_s:
            break
        ended.wait(TICK_S)
    if ended.is_set():
        note(tidied=True)
        return 130
    if wishes.stopped:
        verdict("unknown", reason="it was stopped early")
        return 2
    word = {"bad": "fail", "unjudged": "unknown"}.get(name, "pass")
    verdict(word, reason="the load generator is saturated" if name == "unjudged" else None)
    return 0 if word == "pass" else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        note(broken=True)
        os._exit(1)
