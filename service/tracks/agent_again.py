"""A run is taken up again: where its hash and its checkpoint say different things, and which of them is believed.

Redis may have lost its last second, or the whole run before its time, and somebody may have used the run's
Idempotency-Key for other words since. The file keeps what the run did, and so the checkpoint is believed where it
belongs to the run; the hash is then told again. Next: ``agent_track.py``.
"""

import hashlib
from typing import Any

import orjson

from .agent_held import Held
from .agent_record import Run, charge_key
from .agent_steps import State
from .agent_words import REFUNDED
from .checkpoints import Checkpoints
from .orders import Order, OrderDesk, close

RESTORED = "restored"
"""The key of a decision that Redis had lost and the checkpoint had not."""
PAYING = "execute"
MOVING = frozenset({PAYING, "tell"})
"""Steps at which the money may have moved and not been told of."""


class Contradicted(Exception):
    """Hash and checkpoint say what cannot both be: a person has to look at what was done."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def begun(run: Run) -> dict[str, Any]:
    """What says of a checkpoint which run it is of: ids are made from keys, and a key may be used again."""
    return {"created": run.created, "text": hashlib.sha256(run.text.encode()).hexdigest()}


async def brought_in_line(held: Held, state: State, at: frozenset[str], checkpoints: Checkpoints) -> bool:
    """The hash, with the checkpoint ``state`` before the steps ``at``; False: that is another run's, and of no use.

    Raises Contradicted, Lost, StoreUnavailable, and CheckpointsUnusable where the run is further than its checkpoint.
    """
    run, first = held.run, state.get("begun")
    is_anothers = first is None or first["text"] != begun(run)["text"]
    may_pay = "proposal" in state and bool(at & MOVING)
    if is_anothers and run.proposal is not None and not (may_pay and run.proposal == state["proposal"]):
        raise checkpoints.without("what this run has proposed")
    if first is None or (is_anothers and not may_pay):
        return False
    told = _lost(run, state) | _decision_lost(run, state)
    if first["created"] != run.created:
        run.created = first["created"]  # it is told again with the run's end: its payment is known by it
        told["created_ms"] = run.created_ms
    if not run.doubt and (is_anothers or (PAYING in at and (told or held.at != PAYING))):  # its beginning may be lost
        told["doubt"] = "1"
        run.doubt = True
    if told:
        await held.note(**told)
    if is_anothers:
        raise Contradicted("another_text")
    if _differs(run, state):
        raise Contradicted("decided_otherwise")
    return True


def _lost(run: Run, state: State) -> dict[str, str]:
    """What everybody sees of a run and Redis has lost."""
    told: dict[str, str] = {}
    proposal = state.get("proposal")
    if proposal is not None and run.proposal is None:
        told = {"proposal": orjson.dumps(proposal).decode(), "order": proposal["order"]}
        run.proposal, run.order = proposal, proposal["order"]
    if "refund" in state and run.refund is None:
        told["refund"] = orjson.dumps(state["refund"]).decode()
        run.refund = state["refund"]
    return told


def _decision_lost(run: Run, state: State) -> dict[str, str]:
    """A decision that the run went on with, unless somebody has decided otherwise since."""
    if not _differs(run, state) or run.decision not in (None, "expired"):
        return {}
    kept = state["decision"]
    run.decision, run.approver, run.note = kept["decision"], kept["by"], kept["note"]
    return {
        "status": "resuming",
        "decision_key": RESTORED,
        "decision": kept["decision"],
        "approver": orjson.dumps(kept["by"]).decode(),
        "note": kept["note"] or "",
    }


def _differs(run: Run, state: State) -> bool:
    """Whether a person's decision is in the checkpoint, and is not that of the hash."""
    kept = state.get("decision")
    return kept is not None and state["proposal"]["needs_approval"] and run.decision != kept["decision"]


async def forgotten(held: Held, state: State, checkpoints: Checkpoints, desk: OrderDesk) -> None:
    """Another run's checkpoints, of our name: gone, and the desk is told what that was paid, or that it was nothing."""
    await held.check()
    if "order" in state:
        paid = state["proposal"]["amount"] if state.get("outcome") == REFUNDED else None
        await close(desk, Order(**state["order"]), charge_key(held.run.run_id, state["begun"]["created"]), paid)
    await checkpoints.forget(held.run.run_id)
