"""What the provider says about waiting is dropped."""

CHANGES = (
    (
        'retryable, retry_after_s=_seconds(headers.get("retry-after"))',
        "retryable",
    ),
)
