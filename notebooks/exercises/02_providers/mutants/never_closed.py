"""close() leaves the pool as it is."""

CHANGES = (
    (
        ("    async def close(self) -> None:\n        await self._client.close()\n\n\nclass OpenAIProvider:\n"),
        ('    async def close(self) -> None:\n        """The process ends some day."""\n\n\nclass OpenAIProvider:\n'),
    ),
    (
        (
            "    async def close(self) -> None:\n"
            "        await self._client.close()\n"
            "\n"
            "\n"
            "async def _text(asked: Awaitable[Any], read: Callable[[Any], str | None]) -> str:\n"
        ),
        (
            "    async def close(self) -> None:\n"
            '        """The process ends some day."""\n'
            "\n"
            "\n"
            "async def _text(asked: Awaitable[Any], read: Callable[[Any], str | None]) -> str:\n"
        ),
    ),
)
