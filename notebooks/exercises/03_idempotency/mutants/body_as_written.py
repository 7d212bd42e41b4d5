"""The same body with its fields in another order is taken for another one."""

CHANGES = (
    (
        "value, sort_keys=True",
        "value",
    ),
)
