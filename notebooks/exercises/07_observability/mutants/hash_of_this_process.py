"""Takes Python's own hash, which each process salts anew: a replica finds nobody."""

CHANGES = (
    (
        'hmac.new(key, user.encode(), "sha256").hexdigest()[:16]',
        'f"{hash((key, user)):x}"',
    ),
)
