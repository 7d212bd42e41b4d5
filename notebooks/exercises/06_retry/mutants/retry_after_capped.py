"""Obeys Retry-After up to its own cap of 2 s."""

CHANGES = (
    (
        "            # On top of what the provider asks for, or all whom it told the same would come back together.\n",
        "",
    ),
    ("wait_s = (error.retry_after_s or 0.0) + jitter_s", "wait_s = min(CAP_S, error.retry_after_s or 0.0) + jitter_s"),
)
