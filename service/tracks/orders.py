"""The order desk: what a customer bought, what was paid, and how much of it can still be refunded.

``OrderDesk`` is what the agent needs of a shop. ``WorkbenchOrders`` is the workbench's: each caller has the same six
orders, ``NAME-1001`` to ``NAME-1006`` with the caller's own name, so that nobody can be refunded another's. What a run
is about to refund is held under the key of its payment from its proposal on, and kept as paid once it was, so that two
runs do not refund one order twice, and a refund in parts is seen as one. Next: ``agent_words.py``.
"""

import hashlib
import re
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

from ..store.guard import Store
from ..store.script import Script


@dataclass(slots=True, frozen=True)
class Order:
    """One order; ``paid`` and ``refunded`` (before any run of ours) are minor units of ``currency``."""

    order_id: str
    item: str
    charge: str
    paid: int
    refunded: int
    currency: str

    @property
    def refundable(self) -> int:
        """What may be refunded by all runs together."""
        return self.paid - self.refunded

    def as_json(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        return asdict(self)


class Share(NamedTuple):
    """Of one order, in minor units: what is held under a key, what all others hold or were paid, and what of that was
    paid."""

    amount: int
    others: int
    paid: int


class OrderDesk(Protocol):
    """What the agent asks of a shop. Every method raises StoreUnavailable when it is away."""

    async def find(self, tenant: str, user: str, order_id: str) -> Order | None:
        """The order; None where there is none, or it is somebody else's."""
        ...

    async def hold(self, order: Order, key: str, wanted: int | None, *, most: int | None = None) -> Share:
        """Keep so much of it under a payment's key: ``wanted``, or all; less where less is left, 0 where nothing is.

        And 0 where it and what others have come to more than ``most``, or it was paid. What is held already stays so.
        """
        ...

    async def settle(self, order: Order, key: str, paid: int) -> None:
        """``paid`` was refunded under the key, held or not; nothing is held any more. May be repeated."""
        ...

    async def release(self, order: Order, key: str) -> None:
        """Nothing more is refunded under the key. May be repeated."""
        ...


class Ware(NamedTuple):
    """What each caller of the workbench bought once; minor units."""

    item: str
    paid: int
    refunded: int = 0


WARES = {
    "1001": Ware("a mug", 1_999),
    "1002": Ware("a keyboard", 4_999),
    "1003": Ware("headphones", 12_900),
    "1004": Ware("a laptop", 89_900),
    "1005": Ware("a desk", 25_000, refunded=20_000),
    "1006": Ware("a chair", 7_500, refunded=7_500),
}
CURRENCY = "usd"
_ORDER_ID = re.compile(r"(?:(.{1,64})-|#?)(\d{4})")


class WorkbenchOrders:
    """The workbench's desk: orders derived from the caller, what is spoken for in Redis."""

    def __init__(self, store: Store) -> None:
        self._script = Script(store, __package__, "orders")

    async def find(self, tenant: str, user: str, order_id: str) -> Order | None:
        """The caller's order of that number, with the caller's name before it or with none."""
        match = _ORDER_ID.fullmatch(order_id.strip())
        if match is None or (match[1] or user).lower() != user.lower():
            return None
        ware = WARES.get(match[2])
        if ware is None:
            return None
        name = hashlib.sha256(f"{tenant}\0{user}\0{match[2]}".encode()).hexdigest()
        return Order(f"{user}-{match[2]}", ware.item, f"ch_{name[:24]}", ware.paid, ware.refunded, CURRENCY)

    async def hold(self, order: Order, key: str, wanted: int | None, *, most: int | None = None) -> Share:
        """Keep so much of the order, once."""
        limit = order.refundable if most is None else most
        amount, others, paid = await self._script(_keys(order), "hold", key, wanted or 0, order.refundable, limit)
        return Share(int(amount), int(others), int(paid))

    async def settle(self, order: Order, key: str, paid: int) -> None:
        """It was paid."""
        await self._script(_keys(order), "settle", key, paid)

    async def release(self, order: Order, key: str) -> None:
        """Give it back."""
        await self._script(_keys(order), "release", key)


async def close(desk: OrderDesk, order: Order, key: str, paid: int | None) -> None:
    """At a run's end: what was paid under its key is settled; None: nothing was, and it is given back."""
    if paid is None:
        await desk.release(order, key)
    else:
        await desk.settle(order, key, paid)


def _keys(order: Order) -> tuple[str]:
    return (f"refunds:{{{order.charge}}}",)
