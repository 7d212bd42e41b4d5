"""One bucket for everybody."""

CHANGES = (
    (
        "setdefault((ask.tenant, ask.user), ",
        'setdefault(("", ""), ',
    ),
)
