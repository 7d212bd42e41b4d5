"""A failure deletes whatever is there, another one's claim or record too."""

CHANGES = (
    (
        (
            "FREE = \"if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end\"\n"
            '"""Only whoever still holds the claim may drop it; compared and deleted in one step."""\n'
        ),
        "",
    ),
    (
        "eval(FREE, 1, record, claim",
        "delete(record",
    ),
)
