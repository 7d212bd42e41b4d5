"""Takes the moment `deadline_s` for seconds from the call on."""

CHANGES = (("    for attempt in range", ("    deadline_s += clock.now()\n    for attempt in range")),)
