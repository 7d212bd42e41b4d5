"""Keeps errors, too."""

CHANGES = (
    (
        "    reply: Reply\n",
        "    reply: Reply | Exception\n",
    ),
    (
        '        return replace(kept.reply, source="cache")',
        (
            "        if isinstance(kept.reply, Exception):\n"
            "            raise kept.reply\n"
            '        return replace(kept.reply, source="cache")'
        ),
    ),
    (
        "    reply = await go_on(ask)\n    if",
        (
            "    try:\n"
            "        reply = await go_on(ask)\n"
            "    except Exception as error:\n"
            "        state.answers[key] = Kept(error, state.clock.now())\n"
            "        raise\n"
            "    if"
        ),
    ),
)
