"""The key lacks the provider: when one is down, all are."""

CHANGES = (('f"circuit:{provider}"', '"circuit"'),)
