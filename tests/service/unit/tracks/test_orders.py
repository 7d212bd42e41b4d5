"""The order desk: whose order is whose, and that what one run holds no other gets."""

import asyncio

from service.store.guard import Store
from service.tracks.orders import WARES, Order, Share, WorkbenchOrders


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
    shares = await asyncio.gather(*(desk.hold(order, f"run{n}", 3_000) for n in range(5)))
    assert sorted(shares) == [(0, 4_999, 0), (0, 4_999, 0), (0, 4_999, 0), (1_999, 3_000, 0), (3_000, 0, 0)]
    winner = f"run{shares.index(Share(3_000, 0, 0))}"
    assert await desk.hold(order, winner, 1) == (3_000, 1_999, 0), "once held, it stays as it is"
    await desk.release(order, winner)
    assert await desk.hold(order, "late", None) == (3_000, 1_999, 0)
    assert await desk.hold(order, "later", None) == (0, 4_999, 0)


async def test_what_a_run_was_paid_stays_spoken_for_whatever_the_run_does(store: Store) -> None:
    desk = WorkbenchOrders(store)
    order = await found(desk, "1002")
    assert order is not None
    await desk.hold(order, "run", 3_000)
    for _ in range(2):
        await desk.settle(order, "run", 3_000)
        await desk.release(order, "run")
    assert await desk.hold(order, "another", 1_000) == (1_000, 3_000, 3_000)
    assert await desk.hold(order, "run", 3_000) == (0, 1_000, 0), "nothing is paid twice under one key"
    await desk.settle(order, "another", 1_000)
    assert await desk.hold(order, "third", None) == (999, 4_000, 4_000)


async def test_what_was_paid_is_kept_also_where_its_hold_was_lost(store: Store) -> None:
    desk = WorkbenchOrders(store)
    order = await found(desk, "1002")
    assert order is not None
    for _ in range(2):
        await desk.settle(order, "run", 3_000)
    assert await desk.hold(order, "another", None) == (1_999, 3_000, 3_000)


async def test_what_is_not_held_yet_is_held_within_a_limit_and_what_is_stays_held(store: Store) -> None:
    desk = WorkbenchOrders(store)
    order = await found(desk, "1002")
    assert order is not None
    assert await desk.hold(order, "first", 2_000, most=2_000) == (2_000, 0, 0)
    assert await desk.hold(order, "second", 500, most=2_499) == (0, 2_000, 0)
    assert await desk.hold(order, "second", 500, most=2_500) == (500, 2_000, 0)
    assert await desk.hold(order, "first", 2_000, most=2_000) == (2_000, 500, 0)


async def test_what_was_refunded_before_is_not_refunded_again(store: Store) -> None:
    desk = WorkbenchOrders(store)
    part, all_of_it = await found(desk, "1005"), await found(desk, "1006")
    assert part is not None
    assert all_of_it is not None
    assert await desk.hold(part, "run", 99_999_900) == (5_000, 0, 0)
    assert await desk.hold(all_of_it, "run", None) == (0, 0, 0)
