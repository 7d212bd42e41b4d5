"""Makes up an answer when nobody gave one."""

CHANGES = (
    (
        '    return replace(await go_on(replace(ask, provider=second)), source="provider")',
        (
            "    try:\n"
            '        return replace(await go_on(replace(ask, provider=second)), source="provider")\n'
            "    except (ProviderError, CircuitOpen):\n"
            '        return Reply("I could not find anything about that.", source="provider")'
        ),
    ),
)
