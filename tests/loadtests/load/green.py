"""Runs what lives on gevent in a thread of its own, so that neither pytest nor asyncio meets its hub."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import gevent

T = TypeVar("T")


def green(run: Callable[[], T], within_s: float = 30.0) -> T:
    """What `run` returns, or raises; it may spawn greenlets, which are gone afterwards."""
    results: list[T] = []
    errors: list[BaseException] = []

    def there() -> None:
        try:
            results.append(run())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the other thread
            errors.append(error)
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    thread = threading.Thread(target=there, daemon=True)
    thread.start()
    thread.join(within_s)
    assert not thread.is_alive(), f"it did not end within {within_s:g} s"
    if errors:
        raise errors[0]
    return results[0]
