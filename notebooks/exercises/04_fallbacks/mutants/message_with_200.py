"""Sends the message with status 200."""

CHANGES = (
    (
        "            status=503,\n",
        "",
    ),
)
