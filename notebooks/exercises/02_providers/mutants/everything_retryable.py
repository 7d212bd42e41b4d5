"""Each failure is said to pass by itself, a 400 too."""

CHANGES = (
    (
        (
            "    retryable = status in (408, 429) or status >= 500\n"
            "    return ProviderError(\n"
            '        f"status {status}", status=status, retryable=retryable, '
            'retry_after_s=_seconds(headers.get("retry-after"))\n'
        ),
        (
            "    return ProviderError(\n"
            '        f"status {status}", status=status, retryable=True, '
            'retry_after_s=_seconds(headers.get("retry-after"))\n'
        ),
    ),
)
