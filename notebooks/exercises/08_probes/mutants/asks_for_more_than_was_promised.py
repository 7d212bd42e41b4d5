"""Takes one desk for the promise: a call comes back each two seconds, as with a bucket."""

CHANGES = (
    (
        (
            "    await lab.clock.sleep(10)\n"
            '    assert not await is_refused(desk, "acme", QUESTION), "refused after ten seconds without a call"'
        ),
        (
            "    await lab.clock.sleep(2)\n"
            '    assert not await is_refused(desk, "acme", QUESTION), "refused after two seconds without a call"'
        ),
    ),
)
