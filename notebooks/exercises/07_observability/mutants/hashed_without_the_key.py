"""Hashes the user without the key: whoever tries all addresses finds the right one."""

CHANGES = (
    (
        "import hmac\n",
        "import hashlib\n",
    ),
    (
        'hmac.new(key, user.encode(), "sha256")',
        "hashlib.sha256(user.encode())",
    ),
)
