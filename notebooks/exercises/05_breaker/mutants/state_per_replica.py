"""The key is one of this process: each replica has a circuit of its own."""

CHANGES = (
    ('f"circuit:{provider}"', 'f"circuit:{provider}:{PROCESS}"'),
    ("LEASE_S = 10.0\n", ("LEASE_S = 10.0\nPROCESS = uuid.uuid4().hex\n")),
    ("from collections.abc", ("import uuid\nfrom collections.abc")),
)
