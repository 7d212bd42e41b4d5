"""What the service told the collector, in SQL, once it has told all of it (docs/telemetry.md). Read `answer.py` next.

Telemetry leaves a worker up to half a second after the request. So a question in SQL first waits until the record of
each request that this lab has made is there, with its spans where its trace was kept: the answer depends on what was
done, not on how long ago that was.
"""

from __future__ import annotations

import json
import subprocess
import warnings
from typing import TYPE_CHECKING, Any

from door import collector, parts
from door.errors import DoorError
from door.home import ROOT
from door.lab.answer import Answer
from door.lab.streamed import Streamed
from door.lab.turning import Turning
from door.workbench import Workbench

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

METRICS = "metric_points"
RECORDS_WITHIN_S = 30.0
SPANS_WITHIN_S = 30.0
ROWS = 100_000
BOOKS_WITHIN_S = 120.0


class Told(Turning):
    """The collector."""

    def __init__(self, running: Workbench, seed: int) -> None:
        super().__init__(running, seed)
        self._recorded: set[str] = set()

    def sql(self, query: str) -> pd.DataFrame:
        """One SELECT over what the service told, as a frame; `lab.tables()` lists what there is to select from.

        Waits until all that was done so far is told; where the query names `metric_points`, also for the metrics.
        Raises DoorError with DuckDB's own words for what it does not take.
        """
        from door import telemetry

        self.catch_up(metrics=METRICS in query)
        return telemetry.sql(query, self.urls["collector"])

    def tables(self) -> pd.DataFrame:
        """Tables, views and their columns: name, column, type, what it means."""
        return self.sql(
            "select table_name as name, column_name as column, data_type as type, comment as meaning "
            "from duckdb_columns() where schema_name = 'main' order by all"
        )

    def trace(self, of: Answer | Streamed | str) -> dict[str, Any]:
        """All that is known of one request, by its answer or its id: `{request, attempts, decisions, spans, logs}`."""
        request_id = of if isinstance(of, str) else of.request_id
        self.catch_up()
        return dict(collector.get(self.urls["collector"], f"/traces/{request_id}"))

    def catch_up(self, *, metrics: bool = False) -> None:
        """Return when the collector knows of each request that was made here. Raises DoorError when it never does."""
        self.until(self._all_recorded, "the records of all requests at the collector", within_s=RECORDS_WITHIN_S)
        try:
            self.until(lambda: not self._traceless(), "the spans of all kept traces", within_s=SPANS_WITHIN_S)
        except DoorError as error:  # spans illustrate; they may be dropped, and are then counted
            warnings.warn(f"some spans are missing: {error}", stacklevel=3)
        self._recorded.clear()
        if metrics:
            self.until(self._all_measured, "the metrics of all workers at the collector", within_s=RECORDS_WITHIN_S)

    def books(self) -> dict[str, Any]:
        """What `gauntlet books` says of the time since the last `reset`: do service and providers tell the same?

        `verdict` is `balanced`, `different` or `not judged`; the rest is every line that was compared.
        """
        self.catch_up()
        places = [word for name in ("collector", "simulator") for word in (f"--{name}", self.urls[name])]
        since = f"@{self.since!r}"  # not how long ago: a Python that starts takes its time
        command = [parts.python(), "-m", "gauntlet", "books", "--since", since, "--json", *places]
        done = subprocess.run(  # noqa: S603 - our own command line
            command, cwd=ROOT, capture_output=True, text=True, timeout=BOOKS_WITHIN_S, check=False
        )
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            raise DoorError(f"the books could not be read: {done.stderr or done.stdout}") from None

    def _all_recorded(self) -> bool:
        if self._untold:
            listed = ", ".join(f"'{request_id}'" for request_id in self._untold)
            query = f"select distinct request_id from requests where request_id in ({listed})"  # noqa: S608 - UUIDs
            found = {row[0] for row in collector.sql(self.urls["collector"], query, ROWS)["rows"]}
            self._untold -= found
            self._recorded |= found
        return not self._untold

    def _traceless(self) -> bool:
        if not self._recorded:
            return False
        listed = ", ".join(f"'{request_id}'" for request_id in self._recorded)
        query = (
            f"select count(*) from requests where request_id in ({listed}) and kept is not null "  # noqa: S608 - UUIDs
            "and trace_id not in (select trace_id from spans where kind = 'server')"
        )
        return bool(collector.sql(self.urls["collector"], query, 1)["rows"][0][0])

    def _all_measured(self) -> bool:
        """Whether each worker that lives has told a point since it ended its last request."""
        alive = ", ".join(f"'{pid}'" for pid in self._running.worker_pids()) or "''"
        query = (
            "select count(*) from (select instance, max(time + to_microseconds(cast(duration_ms * 1000 as bigint))) "  # noqa: S608 - pids
            f"as ended from requests where split_part(instance, '-', 1) in ({alive}) group by instance) r "
            "where not exists (select 1 from metric_points m where m.instance = r.instance and m.time > r.ended)"
        )
        return not collector.sql(self.urls["collector"], query, 1)["rows"][0][0]

    def _forgive(self) -> None:
        """A worker was killed: what it had to tell may never come."""
        self._untold.clear()
        self._recorded.clear()
