"""Money in words: nano-USD as people read it. Read `cost_charts.py` next."""

from .cost_sql import NANO


def usd(nano: float) -> str:
    """`$12.34`, `$0.1235`, `$0.00124`: cents from a dollar on, below it as many digits as say something.

    An answer costs fractions of a cent.
    """
    amount = nano / NANO
    if not nano:
        return "$0"
    if abs(amount) >= 1:
        return f"${amount:,.2f}"
    if abs(amount) >= 0.01:
        return f"${amount:.4f}"
    return f"${float(f'{amount:.3g}'):.9f}".rstrip("0")


def part(piece: int, whole: int) -> str:
    """A share in percent, a dash where there is no whole."""
    return f"{piece / whole * 100:.1f} %" if whole else "–"
