"""Nano-USD as a person reads them: every digit, so that columns align and nothing is rounded away."""

NANO = 10**9


def usd(nano_usd: int) -> str:
    """`$1,234.000000567`."""
    whole, part = divmod(abs(nano_usd), NANO)
    return f"{'-' if nano_usd < 0 else ''}${whole:,}.{part:09d}"
