"""Where a part is reached: at the running `up`, else where it would be. Read `state.py` next: what `up` writes down."""

from collections.abc import Mapping

from door import configuration, home, ports, state


def url(name: str, environ: Mapping[str, str]) -> str:
    """The base URL of a port of the table. Raises UsageError when the environment names no port."""
    up = state.read(home.find(environ))
    if up and name in up.urls:
        return up.urls[name]
    return f"http://{ports.LOOPBACK}:{ports.resolve({}, configuration.effective(environ))[name]}"
