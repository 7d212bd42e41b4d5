"""What is told of a run: to whoever gave a webhook, and once it has ended to the books; and to the order desk, what was
paid of what it held, or that it is given back.

All of it may be done again: whoever led the run may have died, or lost an answer of Redis, before it was all done, and
until it is the run stands in the list of those that somebody has to do something with. Next: ``agent_sweep.py``.
"""

from typing import Any

import structlog

from ..observability import names
from ..observability.pii import pseudonym_of
from .agent_record import Run, charge_key
from .agent_runs import Runs
from .agent_words import IN_DOUBT, REFUNDED
from .orders import OrderDesk, close
from .webhook import Webhooks

log = structlog.get_logger(__name__)


class Ends:
    """The ends of all runs. Every method raises StoreUnavailable."""

    def __init__(self, *, runs: Runs, desk: OrderDesk, webhooks: Webhooks, pseudonym_key: str) -> None:
        self._runs, self._desk, self._webhooks = runs, desk, webhooks
        self._pseudonym_key = pseudonym_key

    async def tell(self, run: Run) -> None:
        """What is done once a run has ended; only then is it looked for no more."""
        await self.settle(run)
        told = self._facts(run)
        log.info(names.AGENT_EVENT, **{name: value for name, value in told.items() if value is not None})
        await self.say(run, "agent.completed", {"status": run.status, "outcome": run.outcome, "answer": run.answer})
        await self._runs.unlist(run.run_id)

    async def settle(self, run: Run) -> None:
        """Tell the desk what a run that has ended was paid, or that it was paid nothing; of one in doubt, nothing."""
        refunded = run.outcome == REFUNDED
        if run.order is None or run.outcome == IN_DOUBT or (refunded and run.proposal is None):
            return
        order = await self._desk.find(run.tenant, run.user, run.order)
        if order is not None:
            paid = run.proposal["amount"] if refunded and run.proposal is not None else None
            await close(self._desk, order, charge_key(run.run_id, run.created), paid)

    async def say(self, run: Run, event: str, data: dict[str, Any]) -> None:
        """Tell the run's webhook, if it has one."""
        if run.webhook_url is not None:
            await self._webhooks.send(
                event=event, subject_id=run.run_id, tenant=run.tenant, url=run.webhook_url, data=data
            )

    def _facts(self, run: Run) -> dict[str, Any]:
        proposal = run.proposal or {}
        paid = run.outcome == REFUNDED
        approver = run.approver["user"] if run.approver is not None and run.decision == "approve" else None
        return {
            "run_id": run.run_id,
            "tenant": run.tenant,
            "user": pseudonym_of(self._pseudonym_key, run.user),
            "status": run.status,
            "outcome": run.outcome,
            "needed_approval": bool(proposal.get("needs_approval", False)),
            "approved_by": pseudonym_of(self._pseudonym_key, approver) if approver else None,
            "amount": proposal.get("amount") if paid else None,
            "currency": proposal.get("currency") if paid else None,
            "charge_key": charge_key(run.run_id, run.created) if paid or run.outcome == IN_DOUBT else None,
            "deliveries": run.deliveries,
            "cost_nano_usd": run.cost_nano_usd,
            "trace_id": run.trace_id,
            "span_id": run.traceparent[36:52] if run.traceparent else None,
            "created": run.created,
            "ended": run.ended,
        }
