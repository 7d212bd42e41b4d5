"""What a call costs, and which models a provider has: genai-prices, offline (DESIGN section 5).

Unit prices are looked up once per model and kept. Models named `fake-…` exist on every provider and cost nothing.
Read `generation.py` next: it puts a model to work.
"""

from __future__ import annotations

from dataclasses import dataclass

from genai_prices import Usage, calc_price
from genai_prices.data import providers

_NANO_PER_USD = 10**9
_MILLION = 10**6
FAKE_CONTEXT_TOKENS = 200_000


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a provider knows: prices in nano-USD per million tokens, and the size of its context window."""

    name: str
    input_nano_per_million: int
    output_nano_per_million: int
    context_tokens: int

    def bill(self, input_tokens: int, output_tokens: int) -> int:
        """Return the price of a call in nano-USD, rounded half up to an integer."""
        total = input_tokens * self.input_nano_per_million + output_tokens * self.output_nano_per_million
        return (total + _MILLION // 2) // _MILLION


class Models:
    """The models of one provider (`provider_id` of genai-prices, or None for a provider with fake models only)."""

    def __init__(self, provider_id: str | None) -> None:
        self._provider = next((p for p in providers if p.id == provider_id), None)
        self._known: dict[str, Model] = {}

    def names(self) -> list[str]:
        """Return the ids that `GET /v1/models` lists."""
        provider = self._provider
        priced = [model.id for model in provider.models if provider.find_model(model.id)] if provider else []
        return [*priced, "fake-large", "fake-small"]

    def find(self, name: str) -> Model | None:
        """Return the model called `name`, aliases and dated names included; None when the provider has no such."""
        model = self._known.get(name)
        if model is None and (model := self._look_up(name)) is not None and len(self._known) < 10_000:
            self._known[name] = model
        return model

    def _look_up(self, name: str) -> Model | None:
        if name.startswith("fake-"):
            return Model(name, 0, 0, FAKE_CONTEXT_TOKENS)
        if self._provider is None or not (info := self._provider.find_model(name)):
            return None
        # A small usage keeps clear of the tiers that cost more per token for long prompts.
        price = calc_price(Usage(input_tokens=1000, output_tokens=1000), name, provider_id=self._provider.id)
        return Model(
            name,
            round(price.input_price * _NANO_PER_USD * 1000),
            round(price.output_price * _NANO_PER_USD * 1000),
            info.context_window or FAKE_CONTEXT_TOKENS,
        )
