"""The order desk: whose order is whose, and that what one run holds no other gets."""

import asyncio

from service.store.guard import Store
from service.tracks.orders import WARES, Order, WorkbenchOrders


async def found(desk: WorkbenchOrders, order_id: str, tenant: str = "acme", user: str = "alice") -> Order | None:
    return await desk.find(tenant, user, order_id)


async def test_each_caller_has_their_own_orders_and_no_others(store: Store) -> None:
    desk = WorkbenchOrders(store)
    for number, ware in WARES.items():
        order = await found(desk, f"alice-{number}")
        assert order is not None
        assert (order.order_id, order.paid, order.refunded) == (f"alice-{number}", ware.paid, ware.refunded)
    for spelling in ("ALICE-1001", "1001", "#1001", " alice-1001 "):
        assert (await found(desk, spelling)) == await found(desk, "alice-1001")
    for other in ("bob-1001", "alice-9999", "alice", "", "alice-1001 or bob-1001", "x" * 500):
        assert await found(desk, other) is None
    mine, theirs = await found(desk, "1001"), await found(desk, "1001", tenant="globex")
    assert mine is not None
    assert theirs is not None
    assert mine.charge != theirs.charge


async def test_what_is_held_for_one_run_no_other_gets(store: Store) -> None:
    desk = WorkbenchOrders(store)
    order = await found(desk, "1002")
    assert order is not None
    amounts = await asyncio.gather(*(desk.hold(order, f"run{n}", 3_000) for n in range(5)))
    assert sorted(amounts) == [0, 0, 0, 1_999, 3_000]
    winner = f"run{amounts.index(3_000)}"
    assert await desk.hold(order, winner, 1) == 3_000, "once held, it stays as it is"
    await desk.release(order, winner)
    assert await desk.hold(order, "late", None) == 3_000
    assert await desk.hold(order, "later", None) == 0


async def test_what_was_refunded_before_is_not_refunded_again(store: Store) -> None:
    desk = WorkbenchOrders(store)
    part, all_of_it = await found(desk, "1005"), await found(desk, "1006")
    assert part is not None
    assert all_of_it is not None
    assert await desk.hold(part, "run", 99_999_900) == 5_000
    assert await desk.hold(all_of_it, "run", None) == 0
