"""Prices are genai-prices' own, to the nano-dollar that rounding may cost."""

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from service.llm.prices import NANO_USD, cost_nano_usd
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
TOKENS = st.integers(0, 2_000_000)


def library(kind: str, model: str, usage: Usage) -> float:
    given = PricedUsage(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cache_read_tokens=usage.cached_tokens
    )
    return float(calc_price(given, model, provider_id=kind).total_price * NANO_USD)


@pytest.mark.parametrize(("kind", "model"), MODELS)
@hypothesis(max_examples=50)
@given(fresh=TOKENS, cached=TOKENS, out=TOKENS)
def test_every_configured_model_costs_what_the_library_says(
    kind: str, model: str, fresh: int, cached: int, out: int
) -> None:
    usage = Usage(fresh + cached, out, cached)
    cost = cost_nano_usd(kind, model, usage)
    assert isinstance(cost, int)
    assert cost == pytest.approx(library(kind, model, usage), abs=1)


@pytest.mark.parametrize(("kind", "model"), MODELS)
def test_cached_tokens_are_cheaper_than_fresh_ones(kind: str, model: str) -> None:
    fresh, cached = (cost_nano_usd(kind, model, Usage(1000, 0, n)) for n in (0, 1000))
    assert fresh is not None
    assert cached is not None
    assert 0 < cached < fresh


def test_a_model_without_a_known_price_has_none() -> None:
    assert cost_nano_usd("openai", "a-model-of-our-own", Usage(1, 1, 0)) is None
    assert cost_nano_usd("openai", "a-model-of-our-own", Usage(200_000, 1, 0)) is None


def test_no_tokens_cost_nothing_even_where_no_price_is_known() -> None:
    assert cost_nano_usd("openai", "a-model-of-our-own", Usage()) == 0
