-- Steps of own work that ended, second by second, by how they ended.
SELECT floor(t + coalesce(duration_ms, 0) / 1000)::BIGINT AS second, outcome, count(*)::BIGINT AS n
FROM requests
WHERE "time" >= make_timestamp({since_us}) AND method = 'WORK' GROUP BY ALL ORDER BY second
