"""The spend guard of one generator process: a request is sent only while there is money for the dearest one seen.

What an answer cost is known when it has come; until then the dearest so far is set aside for it, and before any came
FIRST_USD. So the limit is not passed by what is in flight. Read `open_load.py` next.
"""

from dataclasses import dataclass

NANO_USD = 1_000_000_000
FIRST_USD = 0.02
"""More than a short question with a short answer costs at the dearest model of the default routes, tried twice."""

LEAST_USD = 0.005
"""Set aside for any request, however cheap those before it were."""

MARGIN = 2.5
"""The next request may be dearer than the dearest so far: a second attempt is billed as well."""


@dataclass(slots=True)
class Purse:
    """`most` is what may be spent (nano-USD), None without a limit."""

    most: int | None = None
    spent: int = 0
    reserved: int = 0
    _dearest: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there would not be enough for one more even when all under way has ended."""
        return self.most is not None and self.spent + self._wanted > self.most

    @property
    def _wanted(self) -> int:
        if not self._dearest:
            return round(FIRST_USD * NANO_USD)
        return max(round(self._dearest * MARGIN), round(LEAST_USD * NANO_USD))

    def take(self) -> int | None:
        """Set aside what one more request may cost; None when there is not enough."""
        wanted = self._wanted
        if self.most is not None and self.spent + self.reserved + wanted > self.most:
            return None
        self.reserved += wanted
        return wanted

    def settle(self, reserved: int, cost: int | None) -> None:
        """It has ended and cost so much; what nobody tells counts as what was set aside."""
        self.reserved -= reserved
        self.spent += reserved if cost is None else cost
        self._dearest = max(self._dearest, cost or 0)
