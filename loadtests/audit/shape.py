"""What the audit must know of a service, and where it may look: audit.toml. The defaults are our own service's.

`audit.example.toml` beside this file is the same with a comment for each line, and docs/audit.md says which item needs
which. Read `sources.py` next: how logs, figures and searches are read.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from loadtests.audit import paths

EXAMPLE = Path(__file__).with_name("audit.example.toml")

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Base = Annotated[str, AfterValidator(lambda url: url.rstrip("/"))]
"""A URL to which paths are added."""


class ShapeError(Exception):
    """An audit.toml that cannot be used; the message names the file and the field."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Somewhere to read: a URL, a command's output, or files (of these only the lines that hold what is looked for).

    In each text `{value}` is what is looked for, and `{service}`, `{simulator}`, `{collector}` and `{logs}` are places.
    With none of the three, or with a place that nobody named, there is no access.
    """

    url: str = ""
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = {}
    body: Mapping[str, Any] | None = None
    header: str = ""
    """Read this header of the answer instead of its body."""
    command: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(map(bool, (self.url, self.command, self.files))) > 1:
            raise ValueError("a source is either a url, or a command, or files")
        return self


class Number(_Strict):
    """Where a number stands in what was read: a path into JSON (`rows.0.1`), or a regex whose groups are summed."""

    json_path: str = ""
    regex: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.json_path) == bool(self.regex):
            raise ValueError("say either json_path or regex")
        try:
            re.compile(self.regex)
        except re.error as error:
            raise ValueError(f"{self.regex!r} is no regex ({error})") from error
        return self


def _check_place(document: Mapping[str, Any], path: str) -> None:
    try:
        paths.placed(document, path, "")
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"there is no {path!r} to fill in what is sent ({error})") from error


class Chat(_Strict):
    """The chat endpoint. Fields are paths: `text`, `messages.0.content`. Without `thread_sent` memory is the user's."""

    path: str = "/chat"
    fields: Mapping[str, Any] = {}
    question: str = "text"
    answer: str = "answer"
    thread_sent: str = "thread_id"
    thread_told: str = "thread_id"
    request_id_header: str = "X-Request-ID"
    worker_header: str = "X-Worker"
    cost_usd: str = "cost_usd"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_place(self.fields, self.question)
        if self.thread_sent:
            _check_place(self.fields, self.thread_sent)
        return self


class Keys(_Strict):
    """Who asks. `users` are names with keys (`$NAME`: from the environment); without any, `template` makes them up."""

    header: str = "Authorization"
    value: str = "Bearer {key}"
    template: str = "demo-audit{run}-{user}"
    users: Mapping[str, str] = {}


class Refund(_Strict):
    """An endpoint with a side effect; `amount` is the path of the sum by which the ledger's charges are told apart."""

    path: str = "/refund"
    body: Mapping[str, Any] = {"charge": "ch_audit", "currency": "usd"}
    amount: str = "amount"
    key_header: str = "Idempotency-Key"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_place(self.body, self.amount)
        return self


class Providers(_Strict):
    """The simulator's targets that the service calls; `reset` is a request that closes its circuits, if it has one."""

    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("anthropic", "openai")
    reset: Annotated[str, Field(pattern=r"^$|^[A-Z]+ +/\S*$")] = "POST /admin/breakers/reset"
    reset_key: str = "demo-admin"


class HitRate(_Strict):
    """Where the service tells how often its cache answered: `hits` and `asked`, numbers that grow."""

    source: Source = Source(
        url="{collector}/sql",
        method="POST",
        body={
            "sql": "SELECT count(*) FILTER (source IN ('cache', 'shared')) AS hits, count(*) AS asked "
            "FROM requests WHERE source IS NOT NULL"
        },
    )
    hits: Number = Number(json_path="rows.0.0")
    asked: Number = Number(json_path="rows.0.1")


class Search(_Strict):
    """How somebody finds a request: by its id, and by its user, who is told by name or by a pseudonym."""

    by_request: Source = Source(url="{collector}/requests?request_id={value}")
    by_user: Source = Source(url="{collector}/requests?user={value}&limit=1000")
    pseudonym_key: str = "workbench"
    """The user is looked for as the first 16 hex digits of HMAC-SHA256 with this key; empty: by name."""


class Store(_Strict):
    """The store on which readiness depends, and in which personal data must not be, `sessions` excepted.

    It is paused by `pid`, or by `pause` and `resume`, which are commands.
    """

    url: str = ""
    sessions: tuple[str, ...] = ("thread:*",)
    pid: int = 0
    pause: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()


LOGGED = """SELECT * FROM (
  SELECT concat_ws(' ', body, attributes::VARCHAR) AS said FROM log_records
  UNION ALL SELECT concat_ws(' ', name, status_message, attributes::VARCHAR, events::VARCHAR) FROM spans
) WHERE contains(said, '{value}') LIMIT 3"""


FEW_LOOKS_S = 120.0
FAILING_AT_ONCE = 4
"""Questions to dead providers are asked in batches of so many."""


class Bounds(_Strict):
    """How long the audit waits, how much it sends, and where it draws its lines."""

    answer_within_s: Seconds = 30.0
    most_calls: Count = 16
    failing: Count = 12
    flood: Count = 200
    at_once: Count = 90
    wait_s: Seconds = 2.0
    settle_s: Seconds = 20.0
    linger_s: Seconds = 6.0
    recover_s: Seconds = 60.0

    @property
    def fault_s(self) -> float:
        """Longer than any probe breaks something: so many batches of questions, or looks at /health."""
        return FEW_LOOKS_S + self.answer_within_s * (self.failing / FAILING_AT_ONCE + 2)


class Shape(_Strict):
    """A whole audit.toml."""

    service: Base = ""
    replicas: tuple[Base, ...] = ()
    simulator: Base = ""
    collector: Base = ""
    logs_folder: str = ""
    profile: Literal["", "workbench", "live"] = ""
    usd_per_question: Annotated[float, Field(ge=0, le=100)] = 0.02
    health: str = "/health"
    ready: str = "/ready"
    chat: Chat = Chat()
    keys: Keys = Keys()
    refund: Refund = Refund()
    providers: Providers = Providers()
    hit_rate: HitRate = HitRate()
    search: Search = Search()
    logs: tuple[Source, ...] = (
        Source(files=("{logs}/*.log",)),
        Source(url="{collector}/sql", method="POST", body={"sql": LOGGED}),
    )
    store: Store = Store()
    bounds: Bounds = Bounds()

    def places(self) -> dict[str, str]:
        """What the placeholders of a source stand for; a place that nobody named is empty."""
        return {
            "service": self.service,
            "simulator": self.simulator,
            "collector": self.collector,
            "logs": self.logs_folder,
        }

    def urls(self) -> list[str]:
        """Every URL that is asked of anything; a source whose place nobody named is not asked."""
        sources = (self.hit_rate.source, self.search.by_request, self.search.by_user, *self.logs)
        read = [source.url for source in sources]
        for name, place in self.places().items():
            read = [url.replace(f"{{{name}}}", place) for url in read if place or f"{{{name}}}" not in url]
        store = "" if self.store.url.startswith("unix:") else self.store.url
        return [url for url in (self.service, *self.replicas, self.simulator, self.collector, *read, store) if url]


def read(path: Path) -> Shape:
    """The shape in a file. Raises ShapeError."""
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise ShapeError(f"{path} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ShapeError(f"{path} is no TOML: {error}") from error
    try:
        return Shape.model_validate(document)
    except ValidationError as error:
        said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
        raise ShapeError(f"{path}: {'; '.join(said)}") from error


def address(url: str) -> tuple[str, int | None]:
    """Host and port of a URL, without what may be secret in it; this machine has several names."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # whoever asks there hears that it is no URL
        return url, None
    return "127.0.0.1" if host in ("localhost", "::1") else host, port


def bare(url: str) -> str:
    """Without what may be secret in it: a user's name and password, and the query."""
    parts = urlsplit(url.split("?")[0]) if "//" in url else None
    return url.split("?")[0] if parts is None else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def secret(text: str) -> str:
    """A key as it is, or of the environment where it begins with `$`. Raises ShapeError."""
    if not text.startswith("$"):
        return text
    try:
        return os.environ[text[1:]]
    except KeyError:
        raise ShapeError(f"audit.toml names the key {text}, and the environment has no {text[1:]}") from None
