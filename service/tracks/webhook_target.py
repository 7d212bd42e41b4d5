"""Where a webhook may go: the check against server-side request forgery, and connections that keep to what it checked.

A user names the URL and we call it from inside our network, so the URL must lead outside. It is checked when it is set
and again at each call, because a name may mean another address by then; the connection goes to the addresses that were
checked and to no other (``Pinned``), so that there is no third look-up to lie to. All addresses of a name must pass. A
target that is refused is refused before any connection, and of a name is only said that it has no public address: what
it means inside is nobody's business. Next: ``webhook_post.py``.
"""

import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ..clock import Clock
from ..errors import BadRequest, Overloaded
from ..settings import WebhookSettings
from .webhook_look_up import SystemResolver

MOST_CHARACTERS = 2048
LOOK_UP_AGAIN_S = 5.0
"""What Retry-After says of a name that could not be looked up in time."""

_PLAIN = re.compile(r"[!-\[\]-~]+")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)")
MOST_OF_NAME = 253

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int, str], Awaitable[Sequence[str]]]
"""Name and port, and the tenant who asks, to addresses; raises OSError when there is none."""

METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, GCP, Oracle, DigitalOcean
        "169.254.170.2",  # AWS: credentials of a container
        "169.254.170.23",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",  # GCP
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's own agent: a public address that leads inside
        "192.0.0.192",  # Oracle
    )
)
"""Where a cloud hands out credentials; refused even in a network that is allowed."""

SPECIAL = tuple(
    (rule, ip_network(text))
    for rule, networks in (
        ("unspecified", "0.0.0.0/8 ::/128"),
        ("loopback", "127.0.0.0/8 ::1/128"),
        ("private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10 64:ff9b:1::/48"),
        ("shared", "100.64.0.0/10"),
        ("link_local", "169.254.0.0/16 fe80::/10"),
        ("multicast", "224.0.0.0/4 ff00::/8"),
        ("documentation", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"),
        ("tunnel", "192.88.99.0/24 2002::/16 2001::/32"),
        ("reserved", "192.0.0.0/24 198.18.0.0/15 240.0.0.0/4 2001::/23 5f00::/16"),
    )
    for text in networks.split()
)
"""IANA's special-purpose addresses; the first network that has an address names the rule."""

GLOBAL_IPV6 = ip_network("2000::/3")
"""All that IANA gives out; whatever else is there has a purpose of its own."""

NAT64 = ip_network("64:ff9b::/96")


class TargetRefused(BadRequest):
    """The URL may not be called; ``extra["rule"]`` names the rule."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"webhook URL: {message}", rule=rule)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that passed, and the addresses that passed with it: the only ones to connect to."""

    url: URL
    addresses: tuple[str, ...]

    @property
    def host(self) -> str:
        """Whose it is: host and port."""
        return f"{self.url.host}:{self.url.port}"


class Targets:
    """The check, by the settings; ``resolve`` is the system's resolver unless a test brings another."""

    def __init__(self, settings: WebhookSettings, *, clock: Clock, resolve: Resolve | None = None) -> None:
        self._schemes = ("https", "http") if settings.http else ("https",)
        self._ports = settings.allowed_ports
        self._allowed = [ip_network(text) for text in settings.allowed_networks]
        self._timeout_s = settings.connect_timeout_s
        self._clock = clock
        self._resolve = resolve or SystemResolver()

    async def check(self, url: str, tenant: str = "") -> Target:
        """The target of ``url`` as it is now. Raises TargetRefused with the rule, and Overloaded when nobody knows."""
        parsed = self.parse(url)
        host, port = parsed.host or "", parsed.port or 0
        literal = _literal(host)
        if literal is not None:
            if rule := self.refuses(literal):
                raise TargetRefused(rule, f"{host} is not a public address ({rule}); use the URL of a public server")
            return Target(parsed, (str(literal),))
        found = await self._addresses(host, port, tenant)
        if not found or any(self.refuses(address) for address in found):
            raise TargetRefused(
                "name", f"the name {host} has no address, or one that is not public; use the name of a public server"
            )
        return Target(parsed, tuple(dict.fromkeys(map(str, found))))

    def parse(self, url: str) -> URL:
        """The URL, if its form is right; looks nothing up. Raises TargetRefused."""
        if len(url) > MOST_CHARACTERS:
            raise TargetRefused("length", f"it is longer than {MOST_CHARACTERS} characters")
        if not _PLAIN.fullmatch(url):
            raise TargetRefused(
                "characters",
                "it has spaces, backslashes or characters outside of ASCII; encode them (%20, xn--…)",
            )
        try:
            parsed = URL(url)
            host, port = parsed.host, parsed.port
        except ValueError:
            raise TargetRefused("form", "it cannot be read; it looks like https://example.com/hook") from None
        if parsed.scheme not in self._schemes:
            raise TargetRefused("scheme", f"it must begin with {' or '.join(f'{s}://' for s in self._schemes)}")
        if parsed.user is not None or parsed.password is not None or "@" in _authority(url):
            raise TargetRefused("credentials", "it has a user or a password; messages are signed instead")
        if not host:
            raise TargetRefused("form", "it names no host; it looks like https://example.com/hook")
        if not port or (self._ports and port not in self._ports):
            allowed = ", ".join(map(str, self._ports)) or "1 to 65535"
            raise TargetRefused("port", f"its port must be one of {allowed}")
        _check_host(host)
        return parsed

    def refuses(self, address: Address) -> str | None:
        """The rule by which an address is refused; None when it may be called."""
        meant = _meant(address)
        if meant in METADATA or address in METADATA:
            return "metadata"
        if any(each in network for network in self._allowed for each in (address, meant)):
            return None
        for rule, network in SPECIAL:
            if meant in network:
                return rule
        if isinstance(meant, IPv6Address) and meant not in GLOBAL_IPV6:
            return "reserved"
        return None

    async def _addresses(self, host: str, port: int, tenant: str) -> list[Address]:
        """All addresses of a name; none when it has none. Raises Overloaded when that is not known in time."""
        try:
            async with self._clock.timeout_at(self._clock.monotonic() + self._timeout_s):
                return [ip_address(text) for text in await self._resolve(host, port, tenant)]
        except TimeoutError:
            message = f"webhook URL: the name {host} could not be looked up in time; try again"
            raise Overloaded(message, retry_after_s=LOOK_UP_AGAIN_S) from None
        except (OSError, UnicodeError, ValueError):  # a zone id is no address of ours
            return []


def _authority(url: str) -> str:
    """What stands between the slashes, as it was given: an empty user, too, is one."""
    return re.split(r"[/?#]", url.partition("//")[2], maxsplit=1)[0]


def _check_host(host: str) -> None:
    """Raises TargetRefused for a host that is neither a name nor an address in its usual form."""
    if "%" in host and ":" in host:
        raise TargetRefused("zone", "its address has a zone id, which means something inside one machine only")
    if _literal(host) is not None:
        return
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise TargetRefused("spelling", "its address is spelled unusually; write it as four decimal numbers")
    if len(host) > MOST_OF_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise TargetRefused("form", "its host is no name; it looks like https://example.com/hook")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, where it is only a form of it."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


class Pinned(AbstractResolver):
    """Gives the connection the addresses that were checked, whatever the name means by now."""

    def __init__(self, target: Target) -> None:
        self._addresses = target.addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Them."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""
