-- Second by second: what ended, in numbers that can be added up. rollup.py fills in what stands in braces.
-- A request counts in the second in which it ended, when its record is written; so a second is whole soon after it is over.
WITH ended AS MATERIALIZED (
  SELECT
    floor(t + coalesce(duration_ms, 0) / 1000)::BIGINT AS second,
    CASE
      WHEN outcome = 'cancelled' THEN 'left'
      WHEN outcome = 'refused' THEN 'rejected'
      WHEN outcome IN ('failed', 'broken') THEN 'failed'
      WHEN outcome = 'unavailable' THEN 'message'
      WHEN source = 'shared' THEN 'cache'
      ELSE coalesce(source, 'failed')
    END AS answer,
    outcome IN ('answered', 'degraded') AS is_answer,
    outcome = 'degraded' AS is_degraded,
    duration_ms, first_token_ms, cost_nano_usd
  FROM requests
  WHERE "time" >= make_timestamp({arrived_us}) AND "time" < make_timestamp({until_us}) AND endpoint IN ({endpoints})
    AND second >= {since} AND second < {until}
),
called AS MATERIALIZED (
  SELECT
    floor(epoch("time") + (coalesce(t_ms, 0) + coalesce(duration_ms, 0)) / 1000)::BIGINT AS second,
    target,
    CASE
      WHEN status = 'ok' THEN 'ok'
      WHEN status = 'cancelled' THEN 'cancelled'
      WHEN status = 'provider_rate_limited' THEN 'limited'
      WHEN status = 'timed_out' THEN 'timeout'
      WHEN status IN ('unavailable', 'connection_failed', 'bad_answer', 'stream_broken', 'provider_error') THEN 'failed'
      ELSE 'refused'
    END AS ending,
    endpoint IN ({endpoints}) AS is_asked
  FROM attempts
  WHERE "time" >= make_timestamp({arrived_us}) AND "time" < make_timestamp({until_us}) AND second >= {since} AND second < {until}
)
SELECT second, 'answer' AS what, answer AS key, 0 AS bin, count(*)::BIGINT AS n,
  coalesce(sum(cost_nano_usd), 0)::DOUBLE AS amount
FROM ended GROUP BY second, answer
UNION ALL
SELECT second, 'degraded', '', 0, count(*)::BIGINT, 0 FROM ended WHERE is_degraded GROUP BY second
UNION ALL
SELECT second, 'duration', '', floor(ln(greatest(duration_ms, 0.1)) * {bins_per_e})::INTEGER AS bin, count(*)::BIGINT, 0
FROM ended WHERE is_answer OR answer IN ('message', 'failed') GROUP BY second, bin
UNION ALL
SELECT second, 'first_token', '', floor(ln(greatest(first_token_ms, 0.1)) * {bins_per_e})::INTEGER AS bin, count(*)::BIGINT, 0
FROM ended WHERE first_token_ms IS NOT NULL GROUP BY second, bin
UNION ALL
SELECT second, 'asked_call', '', 0, count(*)::BIGINT, 0 FROM called WHERE is_asked GROUP BY second
UNION ALL
SELECT second, 'call', target || '|' || ending, 0, count(*)::BIGINT, 0 FROM called GROUP BY second, target, ending
