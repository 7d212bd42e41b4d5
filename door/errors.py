"""What the door tells a person when it cannot do what was asked. Read `up.py` next.

DoorError        exit 1  the world is not as needed: a port is held, a part died, the service is down
└── UsageError   exit 2  the request itself is wrong: a flag, an environment variable
"""


class DoorError(Exception):
    """Something the person at the terminal can act on; the message says what was wrong and what to do."""

    exit_code = 1


class UsageError(DoorError):
    """A flag or an environment variable has a value that cannot be used."""

    exit_code = 2
