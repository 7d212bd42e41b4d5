"""The SDK's default of ten minutes holds."""

CHANGES = (
    (
        "AsyncAnthropic(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries",
        "AsyncAnthropic(base_url=base_url, api_key=api_key, max_retries",
    ),
    (
        "AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries",
        "AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries",
    ),
)
