"""The SDKs' own retries are left on."""

CHANGES = (
    (
        "AsyncAnthropic(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries=0",
        "AsyncAnthropic(base_url=base_url, api_key=api_key, timeout=timeout_s",
    ),
    (
        "AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries=0",
        "AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s",
    ),
)
