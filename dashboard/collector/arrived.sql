-- The records of requests that arrived (`incoming`), parsed once. Read known.sql next.
-- A field that is missing or of another type is NULL; a body that is no JSON at all still counts as a request.
CREATE OR REPLACE TEMP TABLE arrived AS
WITH parsed AS (
  SELECT
    "time" AS logged_at, trace_id AS logged_trace_id, instance AS logged_instance,
    json_transform(TRY_CAST(body AS JSON), '{
      "request_id": "VARCHAR", "trace_id": "VARCHAR", "instance": "VARCHAR", "t": "DOUBLE", "duration_ms": "DOUBLE",
      "method": "VARCHAR", "endpoint": "VARCHAR", "status": "INTEGER", "outcome": "VARCHAR", "error": "VARCHAR",
      "tenant": "VARCHAR", "user": "VARCHAR", "route": "VARCHAR", "stream": "BOOLEAN", "source": "VARCHAR",
      "degraded": ["VARCHAR"], "provider": "VARCHAR", "model": "VARCHAR", "finish_reason": "VARCHAR",
      "first_token_ms": "DOUBLE", "input_tokens": "BIGINT", "output_tokens": "BIGINT", "cached_tokens": "BIGINT",
      "cost_nano_usd": "BIGINT", "unpriced": "INTEGER", "saved_nano_usd": "BIGINT", "max_tokens": "BIGINT",
      "charge_key": "VARCHAR", "replayed": "BOOLEAN", "off": ["VARCHAR"], "kept": "VARCHAR", "weight": "DOUBLE",
      "cause": "VARCHAR", "step": "VARCHAR",
      "retrieval": {"passages": "INTEGER", "mode": "VARCHAR", "cached": "BOOLEAN", "duration_ms": "DOUBLE"},
      "path": [["JSON"]],
      "attempts": [{
        "n": "INTEGER", "target": "VARCHAR", "model": "VARCHAR", "status": "VARCHAR", "upstream_status": "INTEGER",
        "t_ms": "DOUBLE", "duration_ms": "DOUBLE", "first_token_ms": "DOUBLE", "input_tokens": "BIGINT",
        "output_tokens": "BIGINT", "cached_tokens": "BIGINT", "cache_write_tokens": "BIGINT",
        "cost_nano_usd": "BIGINT", "purpose": "VARCHAR", "exact": "BOOLEAN", "most_nano_usd": "BIGINT"
      }]
    }') AS record
  FROM incoming
),
named AS (
  SELECT
    record.* EXCLUDE (trace_id, instance, t),
    coalesce(record.trace_id, logged_trace_id) AS trace_id,
    coalesce(record.instance, logged_instance) AS instance,
    coalesce(record.t, epoch(logged_at)) AS t,
    coalesce(TRY(make_timestamp((record.t * 1e6)::BIGINT)), logged_at) AS "time"
  FROM parsed
)
FROM named
-- A sender that heard no answer sends again, perhaps in the same batch.
QUALIFY row_number() OVER (PARTITION BY request_id, instance, t) = 1;
