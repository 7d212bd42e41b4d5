"""Where a run's parts are, and whether they may be loaded: this machine only, and no real money by mistake.

Read `world.py` next: what is set there before a run.
"""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from loadtests.books import wire
from loadtests.books.errors import CannotJudge

LIVE = "live"


class Refused(Exception):
    """What shall not be done; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Places:
    """Base URLs; `home` holds `runs/`. `simulator` is empty where the providers are the real ones.

    `store_pid` gives the process of the Valkey that a scenario may kill, `worker_pid` that of the worker behind the
    queue; None where there is none of ours.
    """

    home: Path
    service: str
    simulator: str
    collector: str
    dashboard: str | None = None
    admin_key: str = "demo-admin"
    store_pid: Callable[[], int | None] = lambda: None
    worker_pid: Callable[[], int | None] = lambda: None


def check_loopback(url: str) -> None:
    """Raises Refused for any other machine than this."""
    try:
        host = urlsplit(url).hostname or ""
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except (OSError, ValueError) as error:  # what is no URL, or no name, is a ValueError
        raise Refused(f"{url}: the host is not known ({error})") from error
    if not all(ipaddress.ip_address(str(address).split("%")[0]).is_loopback for address in addresses):
        raise Refused(f"{url} is another machine; load goes to this one only (127.0.0.1)")


def profile_of(service: str) -> str:
    """The service's own word; a service that does not say is taken for a live one. Raises CannotJudge when away."""
    return told_profile(service) or LIVE


def told_profile(service: str) -> str:
    """The service's own word, empty where it says nothing. Raises CannotJudge when it is away or has no such /ready."""
    try:
        ready = wire.get("the service", service, "/ready")
    except CannotJudge as error:
        if "answered 503" not in str(error):
            raise
        raise CannotJudge(f"the service at {service} is not ready: its store is away; see `gauntlet doctor`") from error
    profile = ready.get("profile") if isinstance(ready, dict) else None
    return profile if isinstance(profile, str) else ""


def check_spending(profile: str, max_usd: float | None, key: str | None, what: str) -> None:
    """Raises Refused for a service in the live profile without a limit or a key."""
    if profile != LIVE:
        return
    if max_usd is None:
        raise Refused(
            f"the service is in the live profile, where every answer costs real money; {what} runs there only with "
            "--max-usd AMOUNT, and stops at it"
        )
    if not key:
        raise Refused(
            "the live profile takes no demo keys: set GAUNTLET_LOAD_KEY to an API key of the service, whose user then "
            "asks everything"
        )
