"""One bucket for all who are called alice, whatever their tenant."""

CHANGES = (
    (
        "setdefault((ask.tenant, ask.user), ",
        'setdefault(("", ask.user), ',
    ),
)
