"""One backend over HTTP: asked briefly, and left alone for a while when it hangs. Read `collector.py` next.

Whoever watches must not wait for what is watched: every question has a time-out, and a backend that let one pass is
not asked again for a while, so that a page goes on at its own pace with the rest. A backend may also lie: an answer
that is not what its documentation says counts as none.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlencode

import orjson
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as TooLateError

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_S = 0.5
READ_S = 2.0
REST_S = 2.0
LONGEST_REST_S = 16.0
"""How long a backend that let a question time out is not asked: twice as long each time, up to this."""

POOL = 128
"""Connections that are kept: as many as a page asks at once."""


class Away(Exception):
    """A backend did not answer: `name` says which, `url` where it was looked for, `why` in a few words."""

    def __init__(self, name: str, url: str, why: str) -> None:
        super().__init__(f"the {name} does not answer at {url} ({why})")
        self.name, self.url, self.why = name, url, why


class Refused(Exception):
    """A backend, `name`, answered that it will not; the message is its own words."""

    def __init__(self, status: int, words: str, name: str = "backend") -> None:
        super().__init__(words)
        self.status, self.name = status, name


def understood(method: Callable[P, T]) -> Callable[P, T]:
    """For methods of a Backend: an answer of another form than expected is Away, with that as its reason."""

    @wraps(method)
    def asking(*args: P.args, **more: P.kwargs) -> T:
        backend: Any = args[0]
        return shaped(backend, lambda: method(*args, **more))

    return asking


def shaped(backend: "Backend", made: Callable[[], T]) -> T:
    """What is made of a backend's answer. Raises Away when that cannot be, for the answer has another form."""
    try:
        return made()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Away(backend.name, backend.url, "its answer is not what was expected") from error


class Backend:
    """One of the three, for any thread."""

    def __init__(self, name: str, url: str, now_s: Callable[[], float] = time.monotonic) -> None:
        self.name, self.url = name, url
        self._pool = urllib3.PoolManager(maxsize=POOL, retries=False)
        self._now_s = now_s
        self._lock = threading.Lock()
        self._rests_until_s = 0.0
        self._rest_s = REST_S

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The JSON that a request gives; takes what `response` takes. Raises Away and Refused."""
        response = self.response(method, path, body, **more)
        try:
            return orjson.loads(response.data)
        except orjson.JSONDecodeError as error:
            raise Away(self.name, self.url, f"what came from {path} is no JSON") from error

    def response(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        read_s: float = READ_S,
        also: tuple[int, ...] = (),
        whole: bool = True,
        patient: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """One response; `body` is sent as JSON, `also` are statuses beside 2xx that are no refusal.

        With `whole` false the body is still to be read (`stream()`) and the response to be closed. Raises Away when
        nothing came in time, Refused for any other status. A `patient` question waits long by itself (a chat): it is
        asked also while the backend rests, and says nothing of how the backend is.
        """
        asked_s = self._now_s()
        if asked_s < self._rests_until_s and not patient:
            raise Away(self.name, self.url, "it hung a moment ago")
        try:
            response = self._pool.request(
                method,
                f"{self.url}{path}?{urlencode(query)}" if query else self.url + path,
                body=None if body is None else orjson.dumps(body),
                headers={**({} if body is None else {"Content-Type": "application/json"}), **(headers or {})},
                timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
                preload_content=whole,
                redirect=False,
            )
        except NewConnectionError as error:  # refused at once; to urllib3 that is a kind of time-out
            raise Away(self.name, self.url, _why(error)) from error
        except TooLateError as error:
            if not patient:
                self._rest(asked_s)
            raise Away(self.name, self.url, "it takes too long") from error
        except HTTPError as error:
            raise Away(self.name, self.url, _why(error)) from error
        if not patient:
            self._rest_s = REST_S
        if response.status >= 300 and response.status not in also:
            raise Refused(response.status, _words(response), self.name)
        return response

    def _rest(self, asked_s: float) -> None:
        """Ask nothing for a while; questions that were open at the same time hung together, and count once."""
        with self._lock:
            if asked_s >= self._rests_until_s:
                self._rests_until_s = self._now_s() + self._rest_s
                self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)


def _why(error: HTTPError) -> str:
    """The reason without urllib3's objects in it."""
    cause = error.__cause__ or error.__context__
    return (getattr(cause, "strerror", None) or type(error).__name__).lower()


def _words(response: urllib3.BaseHTTPResponse) -> str:
    """The `detail` of a problem document, OpenAI's message, else what came."""
    said = response.read() if not response.data else response.data
    try:
        document = orjson.loads(said)
    except orjson.JSONDecodeError:
        return f"status {response.status}: {said[:200]!r}"
    if not isinstance(document, dict):
        return f"status {response.status}"
    error = document.get("error")
    openai_says = error.get("message") if isinstance(error, dict) else None
    told = document.get("detail") or openai_says or document.get("answer") or document.get("title")
    return str(told or f"status {response.status}")
