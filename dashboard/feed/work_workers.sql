-- The worker processes that were seen in a span: when each began, when it said that it ends, when it was heard last.
-- Only they tell how much waits; a worker that was killed has said nothing, and is heard no more.
WITH worker AS (
  SELECT DISTINCT instance FROM metric_points WHERE "time" >= make_timestamp({since_us}) AND name IN ({names})
),
heard AS (
  SELECT instance, epoch(max("time")) AS heard FROM metric_points
  WHERE "time" >= make_timestamp({since_us}) AND name = 'gauntlet.worker.lag' GROUP BY instance
),
life AS (
  SELECT instance, epoch(min("time") FILTER (WHERE event = 'gauntlet.worker.started')) AS started,
    epoch(max("time") FILTER (WHERE event = 'gauntlet.worker.stopped')) AS stopped
  FROM log_records
  WHERE "time" >= make_timestamp({since_us})
    AND event IN ('gauntlet.worker.started', 'gauntlet.worker.stopped') GROUP BY instance
)
SELECT instance, started, stopped, heard, (SELECT max(heard) FROM heard) AS newest
FROM worker LEFT JOIN heard USING (instance) LEFT JOIN life USING (instance)
