"""An SDK hands back a str for HTML, and so it is taken for the text."""

CHANGES = (
    (
        "= read",
        "= answer if isinstance(answer, str) else read",
    ),
)
