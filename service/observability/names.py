"""Every name that the service tells others: spans, attributes, events, metrics. Nothing else spells one out.

Standard names are OpenTelemetry's semantic conventions (those for generative AI are still in development, so they stand
here once); what they lack begins with ``gauntlet.``. A test compares this file with what is emitted. Labels are few and
bounded: never a user, a request or a path. Next: ``record.py``.
"""

from dataclasses import dataclass
from typing import Literal

# Attributes of spans, and labels of metrics.
METHOD = "http.request.method"
ENDPOINT = "http.route"
STATUS = "http.response.status_code"
ERROR = "error.type"
USER = "user.hash"
REQUEST_ID = "gauntlet.request.id"
TENANT = "gauntlet.tenant"
ROUTE = "gauntlet.route"
STREAM = "gauntlet.stream"
OUTCOME = "gauntlet.outcome"
SOURCE = "gauntlet.source"
DEGRADED = "gauntlet.degraded"
DEADLINE = "gauntlet.deadline_s"
FIRST_TOKEN = "gauntlet.first_token_ms"  # noqa: S105 - a name
COST = "gauntlet.cost_nano_usd"
WEIGHT = "gauntlet.sampling.weight"
KEPT = "gauntlet.sampling.reason"
STAGE = "gauntlet.stage"
DECISION = "gauntlet.stage.decision"
LEFT = "gauntlet.deadline.left_s"
INPUT = "gauntlet.input."
"""What a decision was made from: this and the input's own name."""
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
COST_USD = "gen_ai.usage.cost"
STREAMED = "gen_ai.request.stream"
MAX_TOKENS = "gen_ai.request.max_tokens"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM = "gen_ai.system_instructions"
CONVERSATION = "gen_ai.conversation.id"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - a name
ATTEMPT = "gauntlet.attempt.number"
ATTEMPT_STATUS = "gauntlet.attempt.status"
ATTEMPT_FIRST_TOKEN = "gauntlet.attempt.first_token_ms"  # noqa: S105 - a name
EXACT = "gauntlet.attempt.exact"
UNPRICED = "gauntlet.attempt.unpriced"
PURPOSE = "gauntlet.purpose"
WEBHOOK_ID = "gauntlet.webhook.id"
WEBHOOK_EVENT = "gauntlet.webhook.event"
BUCKET = "gauntlet.bucket"
STATE = "gauntlet.state"
SIGNAL = "gauntlet.signal"
KIND = "gauntlet.job.kind"
LANE = "gauntlet.queue.lane"
MODE = "gauntlet.retrieval.mode"
VECTOR = "gauntlet.retrieval.vector"

SPAN_ATTRIBUTES = frozenset(
    {
        METHOD, ENDPOINT, STATUS, ERROR, USER, REQUEST_ID, TENANT, ROUTE, STREAM, OUTCOME, SOURCE, DEGRADED, DEADLINE,
        FIRST_TOKEN, COST, WEIGHT, KEPT, STAGE, DECISION, LEFT, OPERATION, PROVIDER, MODEL, RESPONSE_MODEL, RESPONSE_ID,
        FINISH_REASONS, INPUT_TOKENS, OUTPUT_TOKENS, CACHED_TOKENS, CACHE_WRITE_TOKENS, COST_USD, STREAMED, MAX_TOKENS,
        INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM, CONVERSATION, ATTEMPT, ATTEMPT_STATUS, ATTEMPT_FIRST_TOKEN, EXACT,
        UNPRICED, WEBHOOK_ID, WEBHOOK_EVENT,
    }
)  # fmt: skip
"""All that a span may carry, beside ``INPUT`` ones."""

# What Langfuse reads (its OpenTelemetry mapping); on its own spans only.
LANGFUSE_TRACE_NAME = "langfuse.trace.name"
LANGFUSE_USER = "user.id"
LANGFUSE_SESSION = "session.id"
LANGFUSE_TAGS = "langfuse.trace.tags"
LANGFUSE_TYPE = "langfuse.observation.type"
LANGFUSE_LEVEL = "langfuse.observation.level"
LANGFUSE_MODEL = "langfuse.observation.model.name"
LANGFUSE_USAGE = "langfuse.observation.usage_details"
LANGFUSE_COST = "langfuse.observation.cost_details"
LANGFUSE_FIRST_TOKEN = "langfuse.observation.completion_start_time"  # noqa: S105 - a name
LANGFUSE_INPUT = "langfuse.observation.input"
LANGFUSE_OUTPUT = "langfuse.observation.output"
LANGFUSE_METADATA = "langfuse.observation.metadata."

# Spans are called after what they are: a stage, "METHOD route", or this and the model.
CHAT_OPERATION = "chat"
PAYMENT_OPERATION = "refund"
WEBHOOK_OPERATION = "webhook"
EMBEDDINGS_OPERATION = "embeddings"
RERANK_OPERATION = "rerank"

# Log records.
REQUEST_EVENT = "gauntlet.request"
JOB_ENDED_EVENT = "gauntlet.job"
WEBHOOK_ENDED_EVENT = "gauntlet.webhook"
STARTED_EVENT = "gauntlet.worker.started"
STOPPED_EVENT = "gauntlet.worker.stopped"
BREAKER_EVENT = "gauntlet.breaker"
SWITCHES_EVENT = "gauntlet.switches"
AGENT_EVENT = "gauntlet.agent"


@dataclass(frozen=True)
class Metric:
    """An instrument: its kind, unit (UCUM), labels in the order in which values are given, and what it counts."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    labels: tuple[str, ...]
    description: str
    bounds: tuple[float, ...] = ()


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0)
_GEN_AI_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_LONG = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_ATTEMPTS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)

REQUEST_DURATION = Metric(
    "http.server.request.duration",
    "histogram",
    "s",
    (METHOD, ENDPOINT, STATUS, OUTCOME),
    "From arrival to the last byte",
    _SECONDS,
)
REQUESTS = Metric(
    "gauntlet.requests", "counter", "{request}", (ENDPOINT, ROUTE, OUTCOME, SOURCE, TENANT), "Requests that ended"
)
IN_FLIGHT = Metric("http.server.active_requests", "gauge", "{request}", (), "Requests that this worker serves now")
LAG = Metric(
    "gauntlet.worker.lag",
    "gauge",
    "s",
    (),
    "Event loop lag: how late the last rings of a timer were on average",
)
FIRST_TOKEN_DURATION = Metric(
    "gauntlet.first_token.duration",
    "histogram",
    "s",
    (ENDPOINT, ROUTE, SOURCE),
    "From arrival to the first token of a stream",
    _SECONDS,
)
DECISIONS = Metric("gauntlet.stage.decisions", "counter", "{decision}", (STAGE, DECISION), "What the stages decided")
ATTEMPTS = Metric("gauntlet.attempts", "counter", "{call}", (PROVIDER, MODEL, ATTEMPT_STATUS), "Calls to providers")
ATTEMPTS_PER_REQUEST = Metric(
    "gauntlet.attempts.per_request",
    "histogram",
    "{call}",
    (ENDPOINT, ROUTE),
    "Amplification: calls to providers for one request",
    _ATTEMPTS,
)
BACKOFF = Metric("gauntlet.retry.backoff", "histogram", "s", (PROVIDER,), "Waits between attempts", _SECONDS)
CALL_DURATION = Metric(
    "gen_ai.client.operation.duration",
    "histogram",
    "s",
    (OPERATION, PROVIDER, MODEL, ERROR),
    "A call, without any back-off",
    _GEN_AI_SECONDS,
)
CALL_FIRST_CHUNK = Metric(
    "gen_ai.client.operation.time_to_first_chunk",
    "histogram",
    "s",
    (OPERATION, PROVIDER, MODEL),
    "A streamed call's first token",
    _GEN_AI_SECONDS,
)
TOKENS = Metric(
    "gauntlet.tokens",
    "counter",
    "{token}",
    (ENDPOINT, ROUTE, PROVIDER, MODEL, TENANT, TOKEN_TYPE),
    "Tokens of all attempts",
)
SPENT = Metric(
    "gauntlet.cost",
    "counter",
    "n{USD}",
    (ENDPOINT, ROUTE, PROVIDER, MODEL, TENANT, PURPOSE),
    "Nano-USD of all attempts, by what they were for",
)
SAVED = Metric(
    "gauntlet.cost.saved",
    "counter",
    "n{USD}",
    (ENDPOINT, ROUTE, SOURCE, TENANT),
    "Nano-USD not spent, because the answer was there",
)
UNPRICED_ATTEMPTS = Metric(
    "gauntlet.cost.unpriced", "counter", "{call}", (PROVIDER, MODEL), "Attempts of models without a known price"
)
RETRIEVAL_DURATION = Metric(
    "gauntlet.retrieval.duration",
    "histogram",
    "s",
    (ROUTE, MODE),
    "From a question to its passages, whatever was lacking",
    _SECONDS,
)
EMBEDDINGS_READ = Metric(
    "gauntlet.retrieval.embeddings", "counter", "{text}", (VECTOR,), "Questions whose vector was known, or was not"
)
BUDGET_SPENT = Metric("gauntlet.budget.spent", "gauge", "n{USD}", (TENANT, STATE), "Of a tenant's budget of today")
BUDGET_LIMIT = Metric("gauntlet.budget.limit", "gauge", "n{USD}", (TENANT,), "A tenant's budget for a day")
BREAKER_STATE = Metric("gauntlet.breaker.state", "gauge", "1", (PROVIDER,), "0 closed, 1 half-open, 2 open")
BREAKER_FAILURES = Metric("gauntlet.breaker.failures", "gauge", "{failure}", (PROVIDER,), "Consecutive failures so far")
BREAKER_PROBE_IN = Metric("gauntlet.breaker.probe_in", "gauge", "s", (PROVIDER,), "Until the next probe")
BREAKER_PAUSED_FOR = Metric("gauntlet.breaker.paused_for", "gauge", "s", (PROVIDER,), "Until a 429's pause ends")
BUCKET_LEVEL = Metric(
    "gauntlet.bucket.level", "gauge", "1", (TENANT, BUCKET), "What is left in the buckets of the busiest"
)
BULKHEAD_HELD = Metric("gauntlet.bulkhead.held", "gauge", "{call}", (PROVIDER,), "Slots taken in this worker")
RETRY_BUDGET = Metric("gauntlet.retry.budget", "gauge", "{retry}", (), "Retries that this worker has in hand")
JOBS_ENDED = Metric("gauntlet.jobs", "counter", "{job}", (KIND, OUTCOME), "Jobs that have ended")
JOB_WAIT = Metric("gauntlet.job.wait", "histogram", "s", (KIND,), "From a job's acceptance to its beginning", _LONG)
JOB_RUN = Metric("gauntlet.job.run", "histogram", "s", (KIND, OUTCOME), "From a job's beginning to its end", _LONG)
QUEUE_WAITING = Metric("gauntlet.queue.waiting", "gauge", "{task}", (LANE,), "Tasks that wait for a worker")
QUEUE_DELAYED = Metric("gauntlet.queue.delayed", "gauge", "{task}", (LANE,), "Tasks that wait for their time")
QUEUE_RUNNING = Metric("gauntlet.queue.running", "gauge", "{task}", (LANE,), "Tasks that run, in all workers")
QUEUE_OLDEST = Metric("gauntlet.queue.oldest", "gauge", "s", (LANE,), "How long the oldest one waits for a worker")
WEBHOOKS_ENDED = Metric(
    "gauntlet.webhooks", "counter", "{message}", (WEBHOOK_EVENT, OUTCOME), "Messages that were delivered, or are dead"
)
WEBHOOK_TRIES = Metric(
    "gauntlet.webhook.tries", "counter", "{call}", (WEBHOOK_EVENT, OUTCOME), "Calls to receivers, by what came of them"
)
WEBHOOKS_PENDING = Metric("gauntlet.webhooks.pending", "gauge", "{message}", (), "Messages that wait to be delivered")
WEBHOOKS_OLDEST = Metric("gauntlet.webhooks.oldest", "gauge", "s", (), "Age of the oldest of them")
WEBHOOKS_DEAD = Metric("gauntlet.webhooks.dead", "gauge", "{message}", (), "Dead letters")
STORE_AWAY = Metric("gauntlet.store.away", "gauge", "1", (), "1 while Redis is not asked")
TRACES = Metric(
    "gauntlet.traces", "counter", "{trace}", (KEPT, STATE), "Traces, by why they were kept or would have been"
)
DROPPED = Metric(
    "gauntlet.telemetry.dropped", "counter", "{item}", (SIGNAL, STATE), "What was not told, and where it was lost"
)

AGENT_RUNS = Metric("gauntlet.agent.runs", "counter", "{run}", (OUTCOME,), "Runs of the agent that ended")
AGENT_WAITING = Metric("gauntlet.agent.waiting", "gauge", "{run}", (), "Runs of the agent that wait for an approval")
AGENT_OLDEST = Metric("gauntlet.agent.oldest_approval", "gauge", "s", (), "For how long the oldest of them has waited")

METRICS = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
