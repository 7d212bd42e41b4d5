-- Jobs and runs of the agent that ended in a span, one row each. work.py fills in what stands in braces.
-- Senders put their fields into attributes, or as JSON into the body.
WITH told AS (
  SELECT event, epoch("time") AS t, trace_id AS logged_trace_id,
    CASE WHEN starts_with(body, '{{') THEN TRY_CAST(body AS JSON) ELSE attributes END AS field
  FROM log_records
  WHERE "time" >= make_timestamp({since_us}) AND event IN ('gauntlet.job', 'gauntlet.agent')
  ORDER BY "time" DESC LIMIT {most}
),
fields AS (
  SELECT event, t,
    coalesce(field ->> 'job_id', field ->> 'run_id') AS id,
    field ->> 'tenant' AS tenant,
    coalesce(field ->> 'outcome', field ->> 'status') AS outcome,
    field ->> 'kind' AS kind,
    TRY_CAST(field ->> 'created' AS DOUBLE) AS created,
    created + TRY_CAST(field ->> 'wait_ms' AS DOUBLE) / 1000 AS started,
    TRY_CAST(field ->> 'ended' AS DOUBLE) AS ended,
    TRY_CAST(field ->> 'deliveries' AS INTEGER) AS times,
    TRY_CAST(field ->> 'cost_nano_usd' AS BIGINT) AS cost_nano_usd,
    field ->> 'trace_id' AS trace_id
  FROM told
)
-- A worker that died after it had told of an end tells it again.
FROM fields QUALIFY row_number() OVER (PARTITION BY event, id, outcome, ended ORDER BY t) = 1 ORDER BY t DESC
