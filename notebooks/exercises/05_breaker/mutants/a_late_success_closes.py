"""Any success closes the circuit, also of a call that began before it opened."""

CHANGES = (
    (
        "if generation ~= (redis.call('HGET', KEYS[1], 'generation') or '0') then return end\n",
        (
            "local is_stale = generation ~= (redis.call('HGET', KEYS[1], 'generation') or '0')\n"
            "if is_stale and verdict ~= 'success' then return end\n"
        ),
    ),
)
