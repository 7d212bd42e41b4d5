"""What came back for a question: the reply with its facts, and many of them as a table. Read `asking.py` next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

NOBODY = 0
"""The `status` where no HTTP response came at all; `error` says why."""
SHOWN = 90
"""Characters of an answer that its line shows."""
FACTS = ("source", "degraded", "provider", "model", "thread_id", "cost_usd")


@dataclass(frozen=True)
class Answer:
    """One exchange with the service. `began_s` is Unix seconds, `ms` how long it took as the client saw it.

    `body` is the JSON that came, {} where none did; `headers` have lower-case names.
    """

    status: int
    ms: float
    began_s: float
    request_id: str
    user: str
    text: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was answered, in whatever quality: a status below 400."""
        return 0 < self.status < 400

    @property
    def answer(self) -> str:
        """The words; a refusal's own where the service refused."""
        return str(self.body.get("answer") or self.body.get("detail") or self.error)

    @property
    def source(self) -> str:
        """`live, cache, shared, provider, smaller_model, stale, message, later`; empty where there was no answer."""
        return str(self.body.get("source") or "")

    @property
    def degraded(self) -> list[str]:
        """Why it is not the answer that was wished; empty when it is."""
        return list(self.body.get("degraded") or ())

    @property
    def provider(self) -> str | None:
        """Who gave it; None for nobody."""
        return self.body.get("provider")

    @property
    def model(self) -> str | None:
        """Which model did."""
        return self.body.get("model")

    @property
    def thread_id(self) -> str | None:
        """The conversation that it belongs to."""
        return self.body.get("thread_id")

    @property
    def cost_usd(self) -> float | None:
        """What all its attempts cost; None without a price."""
        return self.body.get("cost_usd")

    @property
    def path(self) -> list[dict[str, Any]]:
        """With `explain=True`: `{stage, decision, inputs, t_ms, duration_ms}` in the order of the decisions."""
        return list(self.body.get("path") or ())

    @property
    def worker(self) -> int:
        """The pid of the service's worker that answered; 0 for none."""
        return int(self.headers.get("x-worker", 0))

    @property
    def retry_after_s(self) -> float | None:
        """When the service asks us to come back."""
        told = self.headers.get("retry-after")
        return None if told is None else float(told)

    def steps(self) -> pd.DataFrame:
        """The path as a table with the columns stage, decision, ms, why."""
        import pandas as pd

        rows = [
            {
                "stage": step["stage"],
                "decision": step["decision"],
                "ms": step["duration_ms"],
                "why": ", ".join(f"{name}={value}" for name, value in step["inputs"].items()),
            }
            for step in sorted(self.path, key=lambda step: float(step["t_ms"]))
        ]
        return pd.DataFrame(rows, columns=["stage", "decision", "ms", "why"])

    def __repr__(self) -> str:
        words = self.answer if len(self.answer) <= SHOWN else self.answer[: SHOWN - 1] + "…"
        status = self.status or "no response"
        facts = " ".join([self.source, *(f"degraded={reason}" for reason in self.degraded)]).strip()
        return f"<{status} {facts or 'refused' if self.status else 'failed'} in {self.ms:.0f} ms: {words!r}>"


class Answers(list[Answer]):
    """Answers in the order in which the questions were given."""

    def by(self, fact: str = "source") -> Counter[Any]:
        """How many have each `source`, `status`, `provider`, `worker` …"""
        return Counter(getattr(answer, fact) for answer in self)

    def frame(self) -> pd.DataFrame:
        """A row each: user, text, status, source, degraded, provider, model, ms, began_s, request_id, cost_usd, …"""
        import pandas as pd

        named = ("user", "text", "status", "ms", "began_s", "request_id", "worker", "error", "answer", *FACTS)
        return pd.DataFrame([{name: getattr(one, name) for name in named} for one in self], columns=list(named))

    def __repr__(self) -> str:
        if not self:
            return "<no answers>"
        sources = ", ".join(f"{n} {source or 'refused or failed'}" for source, n in self.by().most_common())
        slowest = max(answer.ms for answer in self)
        return f"<{len(self)} answers: {sources}; the slowest in {slowest:.0f} ms>"
