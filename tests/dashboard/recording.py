"""Makes recorded runs for tests: by hand, as a load's writer would, without the dashboard's own code."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

BEGAN = 1_800_000_000.0


def write_run(
    folder: Path,
    *,
    seconds: int = 20,
    per_second: int = 2,
    ms: float = 100.0,
    failed: int = 0,
    calls: int = 1,
    nano_usd: int = 1_000_000,
    faults: Sequence[Mapping[str, Any]] = (),
    **about: Any,
) -> Path:
    """A run of so many chats per second, each of `ms` and as many calls; the first `failed` of all got no answer."""
    folder.mkdir(parents=True)
    began = about.get("began", BEGAN)
    count = seconds * per_second
    with duckdb.connect() as connection:
        connection.execute(f"""
CREATE TABLE requests AS SELECT i::VARCHAR AS request_id, {began} + i / {per_second} AS t,
  make_timestamp(((({began} + i / {per_second}))*1e6)::BIGINT) AS "time", {ms}::DOUBLE AS duration_ms,
  '/chat' AS endpoint, if(i < {failed}, 'failed', 'answered') AS outcome, if(i < {failed}, NULL, 'live') AS source,
  NULL::DOUBLE AS first_token_ms, {nano_usd}::BIGINT AS cost_nano_usd, 0::BIGINT AS saved_nano_usd
FROM range({count}) AS r(i)""")
        connection.execute(f"""
CREATE TABLE attempts AS SELECT request_id, "time", endpoint, 1.0::DOUBLE AS t_ms, 50.0::DOUBLE AS duration_ms,
  'anthropic' AS target, 'ok' AS status FROM requests, range({calls})""")
        for name in ("requests", "attempts"):
            connection.execute(f"COPY {name} TO '{folder / name}.parquet' (FORMAT parquet)")
    (folder / "events.json").write_text(json.dumps({"faults": faults}))
    (folder / "run.json").write_text(json.dumps({"began": began, "ended": began + seconds, **about}))
    return folder


def fault(begin_s: float, end_s: float, began: float = BEGAN) -> list[dict[str, Any]]:
    """An outage of a provider, as the simulator tells it; seconds since the run began."""
    about = {"index": 0, "target": "anthropic", "fault": "status", "params": {"status": 503}, "match": {}, "share": 1.0}
    return [
        {"seq": 1, "t": began + begin_s, "event": "started", "reason": "plan", "fault": about},
        {"seq": 2, "t": began + end_s, "event": "ended", "reason": "window", "fault": about},
    ]
