"""Prices are genai-prices' own, to the nano-dollar."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from genai_prices.data import providers
from genai_prices.types import TieredPrices
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from service.llm.prices import _FIRST_TIER_TOKENS, NANO_USD, cost_nano_usd, most_nano_usd
from service.llm.provider import Usage
from service.settings import PROFILES, load

MODELS = sorted(
    {
        (settings.providers[rung.provider].kind, rung.model)
        for settings in [load(profile=profile) for profile in PROFILES if profile != "live"]
        for route in settings.routes.values()
        for rung in route.rungs
    }
)
OTHERS = [
    ("anthropic", "claude-opus-5-5"),
    ("anthropic", "claude-sonnet-4-5"),  # dearer beyond 200,000 tokens
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-6-sol"),  # a price of its own for what is written to the cache, dearer beyond 272,000
]
TOKENS = st.integers(0, 2_000_000) | st.integers(0, 2_000)


def library(kind: str, model: str, usage: Usage) -> Decimal:
    """Nano-USD, with whatever is behind the point."""
    given = PricedUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return calc_price(given, model, provider_id=kind).total_price * NANO_USD


@pytest.mark.parametrize(("kind", "model"), [*MODELS, *OTHERS])
@hypothesis(max_examples=50, deadline=None)
@given(fresh=TOKENS, cached=TOKENS, written=TOKENS, out=TOKENS)
def test_a_model_costs_what_the_library_says_half_a_nano_dollar_rounded_up(
    kind: str, model: str, fresh: int, cached: int, written: int, out: int
) -> None:
    usage = Usage(fresh + cached + written, out, cached, written)
    cost = cost_nano_usd(kind, model, usage)
    assert isinstance(cost, int)
    assert cost == library(kind, model, usage).to_integral_value(ROUND_HALF_UP)


def test_no_tier_begins_where_unit_prices_are_used() -> None:
    starts = [
        tier.start
        for provider in providers
        if provider.id in ("anthropic", "openai")
        for model in provider.models
        for given in (model.prices if isinstance(model.prices, list) else [model.prices])
        for price in vars(getattr(given, "prices", given)).values()
        if isinstance(price, TieredPrices)
        for tier in price.tiers
    ]
    assert min(starts) >= _FIRST_TIER_TOKENS


def test_what_is_written_to_anthropics_cache_costs_a_quarter_more() -> None:
    assert cost_nano_usd("anthropic", "claude-opus-4-7", Usage(1000)) == 5_000_000
    assert cost_nano_usd("anthropic", "claude-opus-4-7", Usage(1000, 0, 0, 1000)) == 6_250_000
    assert cost_nano_usd("anthropic", "claude-opus-4-7", Usage(1000, 0, 600, 400)) == 300_000 + 2_500_000


@pytest.mark.parametrize(("kind", "model"), [*MODELS, *OTHERS])
@hypothesis(max_examples=50, deadline=None)
@given(asked=TOKENS, most=TOKENS, data=st.data())
def test_nothing_that_a_provider_may_bill_is_more_than_the_most(
    kind: str, model: str, asked: int, most: int, data: st.DataObject
) -> None:
    cached = data.draw(st.integers(0, asked))
    written = data.draw(st.integers(0, asked - cached))
    billed = cost_nano_usd(kind, model, Usage(asked, data.draw(st.integers(0, most)), cached, written))
    bound = most_nano_usd(kind, model, asked, most)
    assert billed is not None
    assert bound is not None
    assert billed <= bound


@pytest.mark.parametrize(("kind", "model"), MODELS)
def test_cached_tokens_are_cheaper_than_fresh_ones(kind: str, model: str) -> None:
    fresh, cached = (cost_nano_usd(kind, model, Usage(1000, 0, n)) for n in (0, 1000))
    assert fresh is not None
    assert cached is not None
    assert 0 < cached < fresh


def test_a_model_without_a_known_price_has_none() -> None:
    assert cost_nano_usd("openai", "a-model-of-our-own", Usage(1, 1, 0)) is None
    assert cost_nano_usd("openai", "a-model-of-our-own", Usage(200_000, 1, 0)) is None
    assert most_nano_usd("openai", "a-model-of-our-own", 1, 1) is None


def test_no_tokens_cost_nothing_even_where_no_price_is_known() -> None:
    assert cost_nano_usd("openai", "a-model-of-our-own", Usage()) == 0
