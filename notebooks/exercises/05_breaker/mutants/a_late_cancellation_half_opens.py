"""Of late results only successes and failures are discarded: a late one without a verdict ends the cool-down."""

CHANGES = (
    (
        "generation ~= (redis.call('HGET', KEYS[1], 'generation') or '0') then",
        "verdict ~= 'none' and generation ~= (redis.call('HGET', KEYS[1], 'generation') or '0') then",
    ),
)
