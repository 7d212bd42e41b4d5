"""One run of the agent as everybody sees it: its hash in Redis, read. Next: ``agent_runs.py``."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from ..llm.prices import NANO_USD

Status = Literal["queued", "running", "waiting", "resuming", "completed", "failed", "rejected"]
_PLAIN = (
    "status", "tenant", "user", "text", "route", "webhook_url", "traceparent", "outcome", "answer", "trouble",
    "trouble_detail", "decision", "note", "order",
)  # fmt: skip
"""Fields that are text, and None where they are empty or missing."""
_JSON = ("steps", "proposal", "approver", "refund", "decided_on")


@dataclass(slots=True)
class Run:
    """One run. Times are Unix seconds, ``cost_nano_usd`` is None when a call of it had no price.

    ``decided_on`` is the proposal as whoever decided saw it; ``order``: something of it may be held for the run;
    ``doubt``: the money may have moved.
    """

    run_id: str
    status: Status
    tenant: str
    user: str
    text: str
    route: str
    created: float
    updated: float
    webhook_url: str | None = None
    traceparent: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    order: str | None = None
    proposal: dict[str, Any] | None = None
    outcome: str | None = None
    answer: str | None = None
    trouble: str | None = None
    trouble_detail: str | None = None
    trouble_since: float | None = None
    decision: str | None = None
    decided_on: dict[str, Any] | None = None
    approver: dict[str, str] | None = None
    note: str | None = None
    refund: dict[str, Any] | None = None
    waiting_since: float | None = None
    ended: float | None = None
    deliveries: int = 0
    tries: int = 0
    defects: int = 0
    doubt: bool = False
    cost_nano_usd: int | None = 0

    @classmethod
    def of(cls, run_id: str, fields: Mapping[str, bytes]) -> "Run":
        """From its hash."""
        text = {name: value.decode() for name, value in fields.items()}
        parsed = {name: orjson.loads(fields[name]) for name in _JSON if fields.get(name)}
        plain = {name: text.get(name) or None for name in _PLAIN}
        times = {name: _seconds(text.get(f"{name}_ms")) for name in ("created", "updated", "ended", "waiting_since")}
        numbers = {
            "deliveries": int(text["deliveries"]),
            "tries": int(text.get("tries", 0)),
            "defects": int(text.get("defects", 0)),
            "doubt": bool(text.get("doubt")),
            "trouble_since": float(text["trouble_since"]) if text.get("trouble_since") else None,
            "cost_nano_usd": int(text["cost_nano_usd"]) if text.get("cost_nano_usd") else None,
        }
        given: dict[str, Any] = {**parsed, **plain, **times, **numbers}
        return cls(run_id, **given)

    @property
    def created_ms(self) -> str:
        """As the hash has it."""
        return f"{self.created * 1000:.0f}"

    @property
    def trace_id(self) -> str | None:
        """Of the request that began it, 32 hex digits."""
        return self.traceparent[3:35] if self.traceparent else None

    def shown(self, *, approval_within_s: float, to_admin: bool) -> dict[str, Any]:
        """As ``GET /agent/{id}`` tells it; the text is the caller's own and not said again.

        What in detail holds it up is for admins: it may name files.
        """
        waits = self.status == "waiting" and self.waiting_since is not None
        return {
            "run_id": self.run_id,
            "status": self.status,
            "outcome": self.outcome,
            "proposal": self.proposal,
            "waiting_since": self.waiting_since if waits else None,
            "approve_until": (self.waiting_since or 0) + approval_within_s if waits else None,
            "decision": self.decision,
            "approver": self.approver,
            "note": self.note,
            "refund": self.refund,
            "answer": self.answer,
            "trouble": self.trouble,
            **({"trouble_detail": self.trouble_detail} if to_admin else {}),
            "steps": self.steps,
            "owner": {"tenant": self.tenant, "user": self.user},
            "created_at": self.created,
            "updated_at": self.updated,
            "ended_at": self.ended,
            "trace_id": self.trace_id,
            "deliveries": self.deliveries,
            "cost_usd": None if self.cost_nano_usd is None else self.cost_nano_usd / NANO_USD,
        }


def charge_key(run_id: str, created: float) -> str:
    """The Idempotency-Key of a run's payment, and the name of its hold; another beginning has another."""
    return hashlib.sha256(f"agent\0{run_id}\0{created:.3f}".encode()).hexdigest()


def _seconds(milliseconds: str | None) -> float | None:
    return None if milliseconds is None else float(milliseconds) / 1000
