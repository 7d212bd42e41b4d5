"""Is content when a desk says that it refuses."""

CHANGES = (
    (
        '    await is_refused(desk, "acme", QUESTION)\n    await lab',
        ('    assert await is_refused(desk, "acme", QUESTION), "the sixth call in a row went through"\n    await lab'),
    ),
    (
        "async def probe_what_is_refused_is_not_called(",
        "async def left_out_what_is_refused_is_not_called(",
    ),
)
