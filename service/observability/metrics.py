"""What is counted of each request, from its record, and which levels are read now and then.

Everything is counted, whatever the sampling keeps; an exemplar is given only where the trace is kept. Next:
``telemetry.py``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..settings import SEARCHERS
from . import names
from .attributes import operation_of
from .meter import Meter, Reading
from .record import Record

if TYPE_CHECKING:
    from ..parts import Service

STATES = {"closed": 0, "half_open": 1, "open": 2}
MOST_TENANTS = 200
"""Tenants with series of their own; later ones share one."""
OTHER_TENANT = "other"


class Metrics:
    """The instruments of a worker."""

    def __init__(self, meter: Meter) -> None:
        self._durations = meter.distribution(names.REQUEST_DURATION)
        self._requests = meter.counter(names.REQUESTS)
        self._first_tokens = meter.distribution(names.FIRST_TOKEN_DURATION)
        self._decisions = meter.counter(names.DECISIONS)
        self._attempts = meter.counter(names.ATTEMPTS)
        self._per_request = meter.distribution(names.ATTEMPTS_PER_REQUEST)
        self._backoffs = meter.distribution(names.BACKOFF)
        self._calls = meter.distribution(names.CALL_DURATION)
        self._first_chunks = meter.distribution(names.CALL_FIRST_CHUNK)
        self._tokens = meter.counter(names.TOKENS)
        self._spent = meter.counter(names.SPENT)
        self._saved = meter.counter(names.SAVED)
        self._unpriced = meter.counter(names.UNPRICED_ATTEMPTS)
        self._jobs = meter.counter(names.JOBS_ENDED)
        self._job_waits = meter.distribution(names.JOB_WAIT)
        self._job_runs = meter.distribution(names.JOB_RUN)
        self._traces = meter.counter(names.TRACES)
        self._agent_runs = meter.counter(names.AGENT_RUNS)
        self._retrievals = meter.distribution(names.RETRIEVAL_DURATION)
        self._vectors = meter.counter(names.EMBEDDINGS_READ)
        self._tenants: set[str] = set()

    def count(self, record: Record, reason: str, span: tuple[int, int] | None) -> None:
        """Count a request that has ended; ``span`` is its trace and server span where they are kept."""
        endpoint, route, outcome, source = record["endpoint"], record["route"], record["outcome"], record["source"]
        tenant = self._tenant(record["tenant"])
        self._durations.record(
            record["duration_ms"] / 1000, (record["method"], endpoint, record["status"], outcome), span
        )
        self._requests.add(1, (endpoint, route, outcome, source, tenant))
        self._traces.add(1, (reason, "kept" if span else "passed over"))
        if route is None:
            return
        for stage, decision, _ in record["path"]:
            self._decisions.add(1, (stage, decision))
        asked = sum(attempt["target"] not in SEARCHERS for attempt in record["attempts"])
        self._per_request.record(asked, (endpoint, route))
        if (found := record["retrieval"]) is not None:
            self._retrievals.record(found["duration_ms"] / 1000, (route, found["mode"]), span)
            if found["cached"] is not None:
                self._vectors.add(1, ("hit" if found["cached"] else "miss",))
        if record["first_token_ms"] is not None:
            self._first_tokens.record(record["first_token_ms"] / 1000, (endpoint, route, source), span)
        if record["saved_nano_usd"]:
            self._saved.add(record["saved_nano_usd"], (endpoint, route, source, tenant))
        before: Record | None = None
        for attempt in record["attempts"]:
            self._count_attempt(record, attempt, tenant, span)
            if before is not None and (before["target"], before["model"]) == (attempt["target"], attempt["model"]):
                waited_ms = attempt["t_ms"] - before["t_ms"] - (before["duration_ms"] or 0)
                self._backoffs.record(max(waited_ms, 0) / 1000, (attempt["target"],), span)
            before = attempt

    def count_run(self, outcome: str) -> None:
        """A run of the agent has ended."""
        self._agent_runs.add(1, (outcome,))

    def _count_attempt(self, record: Record, attempt: Record, tenant: str | None, span: tuple[int, int] | None) -> None:
        target, model, status = attempt["target"], attempt["model"], attempt["status"]
        endpoint, route = record["endpoint"], record["route"]
        operation = operation_of(target)
        self._attempts.add(1, (target, model, status))
        error = None if status == "ok" else status
        self._calls.record((attempt["duration_ms"] or 0) / 1000, (operation, target, model, error), span)
        if attempt["first_token_ms"] is not None:
            self._first_chunks.record(attempt["first_token_ms"] / 1000, (operation, target, model), span)
        for kind, tokens in (("input", attempt["input_tokens"]), ("output", attempt["output_tokens"])):
            if tokens:
                self._tokens.add(tokens, (endpoint, route, target, model, tenant, kind))
        if attempt["cost_nano_usd"] is None:
            self._unpriced.add(1, (target, model))
        elif attempt["cost_nano_usd"]:
            self._spent.add(attempt["cost_nano_usd"], (endpoint, route, target, model, tenant, attempt["purpose"]))

    def job_ended(self, record: Record) -> None:
        """Count a job that has ended."""
        kind, outcome = record["kind"], record["outcome"]
        self._jobs.add(1, (kind, outcome))
        self._job_waits.record(record["wait_ms"] / 1000, (kind,))
        self._job_runs.record(record["run_ms"] / 1000, (kind, outcome))

    def _tenant(self, tenant: str | None) -> str | None:
        if tenant is None or tenant in self._tenants:
            return tenant
        if len(self._tenants) >= MOST_TENANTS:
            return OTHER_TENANT
        self._tenants.add(tenant)
        return tenant


def read_levels(meter: Meter, service: "Service", in_flight: Callable[[], int]) -> None:
    """Let the meter read the levels of the service's parts at each collection."""
    breaker, bulkhead, retry, store = service.breaker, service.bulkhead, service.retry, service.store

    def of_circuits(field: str) -> Callable[[], Reading]:
        return lambda: [((row["provider"],), row[field]) for row in breaker.snapshot()]

    meter.gauge(names.IN_FLIGHT, lambda: [((), in_flight())])
    meter.gauge(names.LAG, lambda: [((), round(service.lag.mean_s, 3))])
    meter.gauge(names.BREAKER_STATE, lambda: [((r["provider"],), STATES[r["state"]]) for r in breaker.snapshot()])
    meter.gauge(names.BREAKER_FAILURES, of_circuits("failures"))
    meter.gauge(names.BREAKER_PROBE_IN, of_circuits("probe_in_s"))
    meter.gauge(names.BREAKER_PAUSED_FOR, of_circuits("paused_for_s"))
    meter.gauge(names.BULKHEAD_HELD, lambda: [((name,), held) for name, held in bulkhead.held.items()])
    meter.gauge(names.RETRY_BUDGET, lambda: [((), round(retry.budget.left, 3))])
    rate_limit, budgets = service.rate_limit, service.budgets
    meter.gauge(names.BUCKET_LEVEL, lambda: [((tenant, bucket), n) for tenant, bucket, n in rate_limit.levels.rows()])
    meter.gauge(names.BUDGET_SPENT, lambda: [((t, state), spent) for t, spent, _, state in budgets.snapshot()])
    meter.gauge(names.BUDGET_LIMIT, lambda: [((tenant,), limit) for tenant, _, limit, _ in budgets.snapshot()])
    depths = service.queue.depths
    meter.gauge(names.QUEUE_WAITING, lambda: [((lane,), depth.waiting) for lane, depth in depths.items()])
    meter.gauge(names.QUEUE_DELAYED, lambda: [((lane,), depth.delayed) for lane, depth in depths.items()])
    meter.gauge(names.QUEUE_RUNNING, lambda: [((lane,), depth.running) for lane, depth in depths.items()])
    meter.gauge(names.QUEUE_OLDEST, lambda: [((lane,), depth.oldest_s) for lane, depth in depths.items()])
    of_webhooks = service.webhooks.reading
    meter.gauge(names.WEBHOOKS_PENDING, lambda: of_webhooks("pending"))
    meter.gauge(names.WEBHOOKS_OLDEST, lambda: of_webhooks("oldest_s"))
    meter.gauge(names.WEBHOOKS_DEAD, lambda: of_webhooks("dead"))
    meter.gauge(names.STORE_AWAY, lambda: [((), int(store.away))])
