"""A client for each call, and with it a connection."""

CHANGES = (
    (
        (
            "        self._client = anthropic.AsyncAnthropic(base_url=base_url, api_key=api_key, "
            "timeout=timeout_s, max_retries=0)\n"
        ),
        (
            "        self._how: dict[str, Any] = {\n"
            '            "base_url": base_url,\n'
            '            "api_key": api_key,\n'
            '            "timeout": timeout_s,\n'
            '            "max_retries": 0,\n'
            "        }\n"
        ),
    ),
    (
        "        asked = self._client.messages.create(\n",
        ("        client = anthropic.AsyncAnthropic(**self._how)\n        asked = client.messages.create(\n"),
    ),
    (
        ("    async def close(self) -> None:\n        await self._client.close()\n\n\nclass OpenAIProvider:\n"),
        ('    async def close(self) -> None:\n        """Nothing is kept."""\n\n\nclass OpenAIProvider:\n'),
    ),
)
