-- What waits, runs and is dead, second by second: of workers that tell the same the newest word counts.
SELECT floor(epoch("time"))::BIGINT AS second, name,
  coalesce(attributes ->> 'gauntlet.queue.lane', '') AS lane,
  arg_max(value, "time") AS value
FROM metric_points
WHERE "time" >= make_timestamp({since_us}) AND name IN ({names})
GROUP BY ALL ORDER BY second
