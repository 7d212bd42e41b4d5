"""Salts the pseudonym per process: each replica has another one for the same user."""

CHANGES = (
    (
        "import hmac\n",
        "import hmac\nimport secrets\n",
    ),
    (
        "hmac.new(key, user",
        "hmac.new(key + SALT, user",
    ),
    (
        "\ndef pseudonym",
        ("\nSALT = secrets.token_bytes(16)\n\n\ndef pseudonym"),
    ),
)
