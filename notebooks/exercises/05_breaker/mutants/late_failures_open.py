"""Failures of calls that began before the circuit opened count after it has closed again."""

CHANGES = (
    (
        "if generation ~= (redis.call('HGET', KEYS[1], 'generation') or '0') then return end\n",
        (
            "local is_stale = generation ~= (redis.call('HGET', KEYS[1], 'generation') or '0')\n"
            "if is_stale and verdict ~= 'failure' then return end\n"
        ),
    ),
    (
        "  if is_probe or failures >= threshold",
        ("  if is_probe and is_stale then return end\n  if is_probe or failures >= threshold"),
    ),
)
