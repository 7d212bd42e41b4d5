"""Names to addresses by the system's resolver, which blocks: in threads, of which no tenant gets more than a few.

A tenant names the hosts, and may name those of a server that never answers; the look-ups of others go on meanwhile.
Next: ``webhook_target.py``.
"""

import asyncio
import socket
import threading
from collections import defaultdict
from collections.abc import Sequence

LOOK_UPS = 16
"""At once, each in a thread."""
LOOK_UPS_PER_TENANT = 2


class SystemResolver:
    """The system's, in daemon threads: one that hangs holds neither the event loop nor the end of the process."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(LOOK_UPS)
        self._tenants: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(LOOK_UPS_PER_TENANT))

    async def __call__(self, host: str, port: int, tenant: str) -> Sequence[str]:
        """All addresses of a name. Raises OSError when it has none, TimeoutError when there is no thread for it."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()
        slots = self._tenants[tenant], self._slots

        def tell(addresses: list[str], error: OSError | UnicodeError | None) -> None:
            _release(slots)
            if not found.done():
                found.set_result(addresses) if error is None else found.set_exception(error)

        def look_up() -> None:
            addresses: list[str] = []
            failed: OSError | UnicodeError | None = None
            try:
                rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                addresses = [str(row[4][0]) for row in rows]
            except (OSError, UnicodeError) as error:
                failed = error
            try:
                loop.call_soon_threadsafe(tell, addresses, failed)
            except RuntimeError:  # the loop has ended: nobody waits any more
                return

        await _acquire(slots)
        try:
            threading.Thread(target=look_up, name="look-up", daemon=True).start()
        except RuntimeError as error:  # the machine has no thread left
            _release(slots)
            raise TimeoutError(str(error)) from error
        return await found


async def _acquire(slots: Sequence[asyncio.Semaphore]) -> None:
    taken: list[asyncio.Semaphore] = []
    try:
        for slot in slots:
            await slot.acquire()
            taken.append(slot)
    except BaseException:
        _release(taken)
        raise


def _release(slots: Sequence[asyncio.Semaphore]) -> None:
    for slot in slots:
        slot.release()
