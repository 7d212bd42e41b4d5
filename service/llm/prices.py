"""What an attempt costs, in integer nano-USD, from genai-prices' offline table.

The library prices a call in 0.3 ms; the hot path needs it in one microsecond, so each model's unit prices are read
once. Models whose price depends on the size of the context are priced by the library itself beyond their first tier.
Next: ``../stages/call.py``.
"""

from decimal import Decimal
from functools import lru_cache

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from .provider import Usage

NANO_USD = 1_000_000_000
_FIRST_TIER_TOKENS = 100_000  # no tier of the table begins below this


def cost_nano_usd(kind: str, model: str, usage: Usage) -> int | None:
    """Nano-USD for ``usage`` of ``model`` at a provider of ``kind``; None when the model has no known price."""
    if usage == (0, 0, 0):
        return 0
    if usage.input_tokens >= _FIRST_TIER_TOKENS:
        return _by_library(kind, model, usage)
    unit = _unit_nano_usd(kind, model)
    if unit is None:
        return None
    fresh = usage.input_tokens - usage.cached_tokens
    return round(fresh * unit[0] + usage.output_tokens * unit[1] + usage.cached_tokens * unit[2])


@lru_cache(maxsize=1024)
def _unit_nano_usd(kind: str, model: str) -> tuple[Decimal, Decimal, Decimal] | None:
    """Nano-USD per fresh input, output and cached input token, in the first tier."""
    probe = 10_000
    one = [Usage(probe, 0, 0), Usage(0, probe, 0), Usage(probe, 0, probe)]
    prices = [_by_library(kind, model, usage) for usage in one]
    if any(price is None for price in prices):
        return None
    fresh, out, cached = (Decimal(price or 0) / probe for price in prices)
    return fresh, out, cached


def _by_library(kind: str, model: str, usage: Usage) -> int | None:
    try:
        price = calc_price(
            PricedUsage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cached_tokens,
            ),
            model,
            provider_id=kind,
        )
    except LookupError:
        return None
    return int(price.total_price * NANO_USD)
