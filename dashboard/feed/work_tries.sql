-- Tries at receivers of webhooks, second by second: differences of sums that run from each worker's start.
-- A series is told at least every 15 s, so one that has no point in the {before_s} s before the span is a new one.
WITH point AS (
  SELECT epoch("time") AS t, attributes ->> 'gauntlet.outcome' AS outcome, value, temporality,
    lag(value, 1, 0.0) OVER (PARTITION BY instance, start_time, attributes::VARCHAR ORDER BY "time") AS before
  FROM metric_points
  WHERE "time" >= make_timestamp({since_us} - {before_s} * 1000000) AND name = 'gauntlet.webhook.tries'
)
SELECT floor(t)::BIGINT AS second, outcome,
  sum(CASE WHEN temporality = 'delta' THEN value ELSE value - before END)::BIGINT AS n
FROM point WHERE t >= {since_us} / 1000000 GROUP BY ALL HAVING n > 0 ORDER BY second
