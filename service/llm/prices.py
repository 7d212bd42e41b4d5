"""What an attempt costs, in integer nano-USD, from genai-prices' offline table.

The library prices a call in 0.3 ms; the hot path needs it in one microsecond, so each model's unit prices are read
once. Models whose price depends on the size of the context are priced by the library itself beyond their first tier.
A model without a price costs None, never 0: "unpriced" is said, not guessed. Next: ``../stages/call.py``.
"""

from decimal import Decimal
from functools import lru_cache

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from .provider import Usage

NANO_USD = 1_000_000_000
_MILLION = 1_000_000
_FIRST_TIER_TOKENS = 100_000
"""No tier of Anthropic's or OpenAI's begins below this; a test looks through the table."""


def cost_nano_usd(kind: str, model: str, usage: Usage) -> int | None:
    """Nano-USD for ``usage`` of ``model`` at a provider of ``kind``; None when the model has no known price.

    Half a nano-USD is rounded up. No tokens cost nothing, whoever the model is: a refused call bills nothing.
    """
    if not any(usage):
        return 0
    if usage.input_tokens >= _FIRST_TIER_TOKENS:
        price = _price_usd(kind, model, usage)
        return None if price is None else int(price * NANO_USD + Decimal("0.5"))
    units = _units(kind, model)
    if units is None:
        return None
    fresh, out, cached, written = units
    total = (
        (usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens) * fresh
        + usage.output_tokens * out
        + usage.cached_tokens * cached
        + usage.cache_write_tokens * written
    )
    return (total + _MILLION // 2) // _MILLION


def most_nano_usd(kind: str, model: str, input_tokens: int, max_tokens: int) -> int | None:
    """The most that a provider may bill for an attempt whose end we did not see; None when there is no known price.

    ``input_tokens`` is what the prompt has at most, ``max_tokens`` what was asked for at most: all of it answered, and
    the prompt fresh or, where that is dearer, written to the provider's cache.
    """
    fresh = cost_nano_usd(kind, model, Usage(input_tokens, max_tokens))
    written = cost_nano_usd(kind, model, Usage(input_tokens, max_tokens, 0, input_tokens))
    return None if fresh is None or written is None else max(fresh, written)


@lru_cache(maxsize=1024)
def _units(kind: str, model: str) -> tuple[int, int, int, int] | None:
    """Nano-USD per million fresh input, output, cached and cache-written tokens, in the first tier."""
    probe = 10_000
    one = (Usage(probe), Usage(0, probe), Usage(probe, 0, probe), Usage(probe, 0, 0, probe))
    fresh, out, cached, written = (_price_usd(kind, model, usage) for usage in one)
    if fresh is None or out is None or cached is None or written is None:
        return None
    scale = NANO_USD * _MILLION // probe
    return int(fresh * scale), int(out * scale), int(cached * scale), int(written * scale)


def _price_usd(kind: str, model: str, usage: Usage) -> Decimal | None:
    try:
        price = calc_price(
            PricedUsage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
            ),
            model,
            provider_id=kind,
        )
    except LookupError:
        return None
    return price.total_price
