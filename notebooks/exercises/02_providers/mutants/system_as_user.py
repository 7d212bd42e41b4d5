"""What the system says reaches Anthropic as if a user had said it."""

CHANGES = (
    (
        (
            '        system = "\\n\\n".join(one["content"] for one in messages if one["role"] == '
            '"system")\n'
            '        turns: list[Any] = [one for one in messages if one["role"] != "system"]\n'
            "        asked = self._client.messages.create(\n"
            "            model=self._model, max_tokens=MOST_TOKENS, system=system or anthropic.omit, "
            "messages=turns\n"
        ),
        (
            '        turns: list[Any] = [{**one, "role": one["role"].replace("system", "user")} for '
            "one in messages]\n"
            "        asked = self._client.messages.create(\n"
            "            model=self._model, max_tokens=MOST_TOKENS, messages=turns\n"
        ),
    ),
)
