-- The tables behind the views (docs/telemetry.md). Read views.sql next: what a learner sees of them.
-- Times are UTC. Nothing has an index: rows come in the order of their time, so min and max of each row group say
-- where to look, and writing stays cheap.
CREATE SCHEMA IF NOT EXISTS stored;

-- The form of what follows: raised with any change to a column (store.py moves files of another form aside).
CREATE TABLE IF NOT EXISTS stored.form AS SELECT 2 AS form;

CREATE TABLE IF NOT EXISTS stored.spans (
  trace_id VARCHAR, span_id VARCHAR, parent_span_id VARCHAR, name VARCHAR, kind VARCHAR,
  start_time TIMESTAMP, duration_ms DOUBLE, status VARCHAR, status_message VARCHAR,
  service VARCHAR, instance VARCHAR, scope VARCHAR, attributes JSON, events JSON, links JSON,
  stage VARCHAR, decision VARCHAR, request_id VARCHAR, weight DOUBLE, inputs JSON
);

CREATE TABLE IF NOT EXISTS stored.metric_points (
  "time" TIMESTAMP, name VARCHAR, kind VARCHAR, unit VARCHAR, temporality VARCHAR, monotonic BOOLEAN, start_time TIMESTAMP,
  value DOUBLE, count UBIGINT, sum DOUBLE, min DOUBLE, max DOUBLE, bounds DOUBLE[], buckets UBIGINT[], exemplars JSON,
  service VARCHAR, instance VARCHAR, attributes JSON
);

CREATE TABLE IF NOT EXISTS stored.log_records (
  "time" TIMESTAMP, severity VARCHAR, event VARCHAR, body VARCHAR, trace_id VARCHAR, span_id VARCHAR,
  service VARCHAR, instance VARCHAR, attributes JSON
);

CREATE TABLE IF NOT EXISTS stored.requests (
  request_id VARCHAR, trace_id VARCHAR, instance VARCHAR, t DOUBLE, "time" TIMESTAMP, duration_ms DOUBLE,
  method VARCHAR, endpoint VARCHAR, status INTEGER, outcome VARCHAR, error VARCHAR,
  tenant VARCHAR, "user" VARCHAR, route VARCHAR, stream BOOLEAN, source VARCHAR, degraded VARCHAR[],
  provider VARCHAR, model VARCHAR, finish_reason VARCHAR, first_token_ms DOUBLE,
  input_tokens BIGINT, output_tokens BIGINT, cached_tokens BIGINT, cost_nano_usd BIGINT, unpriced INTEGER,
  saved_nano_usd BIGINT, max_tokens BIGINT, charge_key VARCHAR, replayed BOOLEAN, "off" VARCHAR[],
  retrieval STRUCT(passages INTEGER, "mode" VARCHAR, cached BOOLEAN, duration_ms DOUBLE),
  kept VARCHAR, weight DOUBLE, cause VARCHAR, step VARCHAR
);

CREATE TABLE IF NOT EXISTS stored.attempts (
  request_id VARCHAR, trace_id VARCHAR, "time" TIMESTAMP, tenant VARCHAR, "user" VARCHAR, endpoint VARCHAR, route VARCHAR,
  n INTEGER, target VARCHAR, model VARCHAR, status VARCHAR, upstream_status INTEGER,
  t_ms DOUBLE, duration_ms DOUBLE, first_token_ms DOUBLE,
  input_tokens BIGINT, output_tokens BIGINT, cached_tokens BIGINT, cache_write_tokens BIGINT,
  cost_nano_usd BIGINT, purpose VARCHAR, exact BOOLEAN, most_nano_usd BIGINT, retry BOOLEAN
);

CREATE TABLE IF NOT EXISTS stored.decisions (
  request_id VARCHAR, "time" TIMESTAMP, tenant VARCHAR, endpoint VARCHAR, place INTEGER, stage VARCHAR, decision VARCHAR,
  t_ms DOUBLE
);
