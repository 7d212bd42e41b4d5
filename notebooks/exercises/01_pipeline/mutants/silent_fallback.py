"""Says of the other provider's answer that it is live."""

CHANGES = (
    (
        'return replace(await go_on(replace(ask, provider=second)), source="provider")',
        "return await go_on(replace(ask, provider=second))",
    ),
)
