"""One SDK's retries are off, the other's were forgotten."""

CHANGES = (
    (
        "AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries=0",
        "AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s",
    ),
)
