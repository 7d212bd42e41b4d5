"""The chapter's seven pitfalls as programs, before and after, each with the number that gives it away (section 6).

    from notebooks.pitfalls import run_pitfall
    result = run_pitfall(3, short=True)
    result.numbers, result.chart()

A folder per pitfall holds small FastAPI applications as a reader would write them; `pitfall.toml` says what to watch.
Both sides run as processes of their own, each against a simulator of its own, under the same arrivals; what is counted
is read in the simulator's ledger and in the clients' answers. Read `running.py` next; then `runs/`, a file per pitfall.
"""

from notebooks.pitfalls.catalogue import Pitfall, all_pitfalls, named
from notebooks.pitfalls.result import Result
from notebooks.pitfalls.running import run_pitfall

__all__ = ["Pitfall", "Result", "all_pitfalls", "named", "run_pitfall"]
