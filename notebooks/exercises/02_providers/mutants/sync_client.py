"""The synchronous client in async code: each call holds the event loop."""

CHANGES = (
    (
        "AsyncOpenAI",
        "OpenAI",
    ),
    (
        (
            "        asked = self._client.chat.completions.create(\n"
            "            model=self._model, max_completion_tokens=MOST_TOKENS, messages=turns\n"
            "        )\n"
            "        return await _text(asked, lambda answer: answer.choices[0].message.content)\n"
        ),
        (
            "\n"
            "        async def asked() -> Any:\n"
            "            return self._client.chat.completions.create(\n"
            "                model=self._model, max_completion_tokens=MOST_TOKENS, messages=turns\n"
            "            )\n"
            "\n"
            "        return await _text(asked(), lambda answer: answer.choices[0].message.content)\n"
        ),
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
            "        self._client.close()\n"
            "\n"
            "\n"
            "async def _text(asked: Awaitable[Any], read: Callable[[Any], str | None]) -> str:\n"
        ),
    ),
)
