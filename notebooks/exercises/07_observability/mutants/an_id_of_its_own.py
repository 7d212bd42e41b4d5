"""Gives each record an id of its own, which no ledger knows."""

CHANGES = (
    (
        "import hmac\n",
        "import hmac\nimport uuid\n",
    ),
    (
        "Record(request.request_id, pseudonym",
        "Record(str(uuid.uuid4()), pseudonym",
    ),
)
