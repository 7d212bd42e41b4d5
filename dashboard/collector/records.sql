-- From the requests that arrived to requests, attempts and decisions. Read views.sql next: what a learner sees of them.

INSERT INTO stored.requests BY NAME SELECT * EXCLUDE (path, attempts) FROM arrived;

-- What an attempt's money was for, as the sender says; where it does not say it, this in order:
--   abandoned  ended early (by us at a timeout), or nobody waited for the end
--   answer     it is what the client has, and no attempt before it was for another target or model
--   fallback   it is what the client has, after another target or model was tried
--   retry      it failed, and others were called in its place
-- What the client has is the last attempt that ended well.
INSERT INTO stored.attempts BY NAME
WITH attempt AS (
  SELECT request_id, trace_id, "time", tenant, "user", endpoint, route, outcome, rowid AS request, unnest(attempts) AS a
  FROM arrived
),
flat AS (
  SELECT * EXCLUDE (a), a.*, a.target || ' ' || coalesce(a.model, '') AS rung
  FROM attempt WHERE a IS NOT NULL
),
known AS (
  SELECT *,
    row_number() OVER (PARTITION BY request, target ORDER BY n) > 1 AS retry,
    n = max(n) FILTER (WHERE status = 'ok') OVER (PARTITION BY request) AS answered,
    rung = first_value(rung) OVER (PARTITION BY request ORDER BY n) AS of_first_rung
  FROM flat
)
SELECT * EXCLUDE (request, outcome, rung, answered, of_first_rung, purpose),
  coalesce(purpose, CASE
    WHEN status IN ('cancelled', 'timed_out') OR outcome = 'cancelled' THEN 'abandoned'
    WHEN answered AND of_first_rung THEN 'answer'
    WHEN answered THEN 'fallback'
    ELSE 'retry'
  END) AS purpose
FROM known;

INSERT INTO stored.decisions BY NAME
WITH step AS (
  SELECT request_id, "time", tenant, endpoint, unnest(path) AS step, generate_subscripts(path, 1) - 1 AS place
  FROM arrived
)
SELECT request_id, "time", tenant, endpoint, place::INTEGER AS place,
  step[1] ->> '$' AS stage, step[2] ->> '$' AS decision, TRY_CAST(step[3] AS DOUBLE) AS t_ms
FROM step WHERE step IS NOT NULL;
