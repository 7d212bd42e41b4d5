-- What a learner sees (docs/telemetry.md). Read comments.sql next: what each column means.
CREATE OR REPLACE VIEW spans AS SELECT * EXCLUDE (stage, decision, request_id, weight, inputs) FROM stored.spans;

CREATE OR REPLACE VIEW metric_points AS FROM stored.metric_points;

CREATE OR REPLACE VIEW log_records AS FROM stored.log_records;

CREATE OR REPLACE VIEW requests AS
SELECT request_id, trace_id, instance, t, "time", duration_ms, method, endpoint, status, outcome, error, tenant, "user",
  route, stream, source, degraded, provider, model, finish_reason, first_token_ms, input_tokens, output_tokens,
  cached_tokens, cost_nano_usd, cost_nano_usd / 1e9 AS cost_usd, unpriced, saved_nano_usd, max_tokens, charge_key,
  replayed, "off", retrieval, kept, weight, cause, step
FROM stored.requests;

CREATE OR REPLACE VIEW attempts AS FROM stored.attempts;

CREATE OR REPLACE VIEW decisions AS FROM stored.decisions;

CREATE OR REPLACE VIEW stage_decisions AS
SELECT request_id, trace_id, span_id, start_time AS "time", stage, decision, duration_ms, inputs, weight
FROM stored.spans WHERE stage IS NOT NULL;

CREATE OR REPLACE VIEW breaker_events AS
SELECT "time", instance, attributes ->> 'provider' AS provider, attributes ->> 'state' AS state,
  attributes ->> 'before' AS before, TRY_CAST(attributes ->> 'failures' AS INTEGER) AS failures
FROM stored.log_records WHERE event = 'gauntlet.breaker';

CREATE OR REPLACE VIEW switch_events AS
SELECT "time", instance, TRY_CAST(attributes ->> 'version' AS BIGINT) AS version,
  json_transform(TRY_CAST(attributes ->> 'off' AS JSON), '["VARCHAR"]') AS "off"
FROM stored.log_records WHERE event = 'gauntlet.switches';

-- A worker that died before it had told of a message's end leaves that to the next, and both may be heard.
CREATE OR REPLACE VIEW webhooks AS
WITH told AS (
  SELECT "time", instance, trace_id, json_transform(TRY_CAST(body AS JSON), '{
    "message_id": "VARCHAR", "type": "VARCHAR", "subject_id": "VARCHAR", "tenant": "VARCHAR", "outcome": "VARCHAR",
    "tries": "INTEGER", "status": "INTEGER", "error": "VARCHAR", "receiver": "VARCHAR", "t": "DOUBLE",
    "duration_ms": "DOUBLE"
  }') AS record
  FROM stored.log_records WHERE event = 'gauntlet.webhook'
)
SELECT "time", instance, trace_id, record.message_id, record.type AS event, record.subject_id, record.tenant,
  record.outcome, record.tries, record.status, record.error, record.receiver, record.t, record.duration_ms
FROM told
QUALIFY row_number() OVER (PARTITION BY record.message_id, record.outcome, record.tries ORDER BY "time") = 1;

-- So does one that died before it had told of a job's end.
CREATE OR REPLACE VIEW jobs AS
WITH told AS (
  SELECT "time", instance, trace_id, json_transform(TRY_CAST(body AS JSON), '{
    "job_id": "VARCHAR", "kind": "VARCHAR", "outcome": "VARCHAR", "error": "VARCHAR", "tenant": "VARCHAR",
    "user": "VARCHAR", "route": "VARCHAR", "created": "DOUBLE", "ended": "DOUBLE", "wait_ms": "DOUBLE",
    "run_ms": "DOUBLE", "steps": "INTEGER", "steps_planned": "INTEGER", "deliveries": "INTEGER",
    "input_tokens": "BIGINT", "output_tokens": "BIGINT", "cost_nano_usd": "BIGINT", "webhook": "BOOLEAN"
  }') AS record
  FROM stored.log_records WHERE event = 'gauntlet.job'
)
SELECT "time", instance, trace_id, record.job_id, record.kind, record.outcome, record.error, record.tenant,
  record."user", record.route, record.created, record.ended, record.wait_ms, record.run_ms, record.steps,
  record.steps_planned, record.deliveries, record.input_tokens, record.output_tokens, record.cost_nano_usd,
  record.cost_nano_usd / 1e9 AS cost_usd, record.webhook
FROM told
QUALIFY row_number() OVER (PARTITION BY record.job_id ORDER BY "time") = 1;

CREATE OR REPLACE VIEW costs AS
SELECT "time", request_id, tenant, endpoint, route, target AS provider, model, cost_nano_usd,
  cost_nano_usd / 1e9 AS cost_usd, purpose, cost_nano_usd IS NULL AS unpriced
FROM stored.attempts;

-- A worker that died when it had told of a run's end may be followed by one that tells it again. A run that began at
-- another time is another one: its key was used again.
CREATE OR REPLACE VIEW agent_runs AS
SELECT "time", instance, trace_id, attributes ->> 'run_id' AS run_id, attributes ->> 'tenant' AS tenant,
  attributes ->> 'user' AS "user", attributes ->> 'status' AS status, attributes ->> 'outcome' AS outcome,
  TRY_CAST(attributes ->> 'needed_approval' AS BOOLEAN) AS needed_approval, attributes ->> 'approved_by' AS approved_by,
  TRY_CAST(attributes ->> 'amount' AS BIGINT) AS amount, attributes ->> 'currency' AS currency,
  attributes ->> 'charge_key' AS charge_key, TRY_CAST(attributes ->> 'deliveries' AS INTEGER) AS deliveries,
  TRY_CAST(attributes ->> 'cost_nano_usd' AS BIGINT) AS cost_nano_usd,
  TRY_CAST(attributes ->> 'created' AS DOUBLE) AS created, TRY_CAST(attributes ->> 'ended' AS DOUBLE) AS ended
FROM stored.log_records WHERE event = 'gauntlet.agent'
QUALIFY row_number() OVER (PARTITION BY run_id, created ORDER BY "time" DESC) = 1;
