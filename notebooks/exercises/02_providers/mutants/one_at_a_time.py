"""A lock around the call: nothing blocks, and yet one waits for the other."""

CHANGES = (
    (
        "from collections.abc import Awaitable, Callable, Mapping, Sequence\n",
        ("import asyncio\nfrom collections.abc import Awaitable, Callable, Mapping, Sequence\n"),
    ),
    (
        (
            "    def __init__(self, *, base_url: str, api_key: str, model: str, timeout_s: float = "
            "30.0) -> None:\n"
            "        self._model = model\n"
            "        self._client = anthropic.AsyncAnthropic(base_url=base_url, api_key=api_key, "
            "timeout=timeout_s, max_retries=0)\n"
        ),
        (
            "    def __init__(self, *, base_url: str, api_key: str, model: str, timeout_s: float = "
            "30.0) -> None:\n"
            "        self._model = model\n"
            "        self._lock = asyncio.Lock()\n"
            "        self._client = anthropic.AsyncAnthropic(base_url=base_url, api_key=api_key, "
            "timeout=timeout_s, max_retries=0)\n"
        ),
    ),
    (
        (
            '        return await _text(asked, lambda answer: "".join(one.text for one in '
            'answer.content if one.type == "text"))\n'
        ),
        (
            "        async with self._lock:\n"
            '            return await _text(asked, lambda answer: "".join(one.text for one in '
            'answer.content if one.type == "text"))\n'
        ),
    ),
)
