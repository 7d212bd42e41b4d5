"""Why the books could not be judged. Read `command.py` next: it turns this into the exit code 2."""


class CannotJudge(Exception):
    """A book is away, unreadable, or does not cover the time that is asked for; the message says what to do."""
