"""Keeps one answer per tenant, whatever was asked."""

CHANGES = (
    (
        "json.dumps([ask.tenant, [dict(message) for message in ask.messages]], sort_keys=True)",
        "ask.tenant",
    ),
    (
        "import json\n",
        "",
    ),
)
