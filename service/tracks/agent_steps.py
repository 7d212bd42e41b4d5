"""What the agent does in each of its steps, as plain functions from a state to what is new in it.

understand -> look_up -> propose -> approve -> execute -> tell. A step may run again from its start, after a crash or
when a run is resumed, and so each does its effect once however often it runs: the payment has a key made from the run,
and what is proposed is held at the order desk under it. Next: ``agent_graph.py``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

import orjson
import structlog

from ..clock import Clock
from ..errors import (
    BudgetExhausted,
    CallerError,
    Declined,
    GauntletError,
    InvalidRequest,
    Misconfigured,
    RateLimited,
    RateLimitedByProvider,
)
from ..gateway.context import Context
from ..llm.provider import Message
from ..llm.routes import Route, Rung
from ..settings import PAYMENTS
from ..stages.ask import Ask
from ..stages.chain import Next
from ..stages.reply import Reply
from ..stages.switches import Switches
from .agent_held import Held, TryLater
from .agent_record import charge_key
from .agent_words import AGAIN, ASK_TO_TELL, TELL, TOLD_BY_A_MODEL, UNDERSTAND, money, plainly, says_only, understood
from .answers import ask_of
from .orders import Order, OrderDesk, close
from .work import Work

log = structlog.get_logger(__name__)
ENDPOINT = "/agent"
MOST_TOKENS = 300
UNDERSTANDINGS = 2
"""How often a model may answer with something that is no understanding."""
REFUSED = {"reject": "rejected", "withdraw": "withdrawn", "expired": "expired"}
"""Decision -> outcome, of those that end the run."""
SURELY_UNPAID = frozenset({Declined.code, InvalidRequest.code, Misconfigured.code, RateLimitedByProvider.code})
"""After every other failed attempt the money may have moved."""
SUCCEEDED = "succeeded"
"""The one status of a refund with which the money has moved; with others it may yet fail."""


class State(TypedDict):
    """What a checkpoint keeps: JSON only. ``begun`` says of which run it is; each other field is one step's."""

    begun: NotRequired[dict[str, Any]]
    asked: NotRequired[dict[str, Any]]
    order: NotRequired[dict[str, Any]]
    proposal: NotRequired[dict[str, Any]]
    decision: NotRequired[dict[str, Any]]
    refund: NotRequired[dict[str, Any]]
    outcome: NotRequired[str]
    answer: NotRequired[str]


class Tools:
    """What the steps of every run are done with."""

    def __init__(
        self,
        *,
        chain: Next,
        payments: Next,
        work: Work,
        desk: OrderDesk,
        routes: Mapping[str, Route],
        default_route: str,
        payments_deadline_s: float,
        approval_above: int,
        switches: Switches,
        clock: Clock,
    ) -> None:
        self.chain, self.payments, self.work, self.desk = chain, payments, work, desk
        self.routes, self.default_route = routes, default_route
        self.approval_above, self.switches, self.clock = approval_above, switches, clock
        self.payment_route = Route(PAYMENTS, (Rung(PAYMENTS, "refund"),), "error", payments_deadline_s, 1)


class Steps:
    """The steps of one run in one worker's hands. Each raises TryLater or StoreUnavailable when it has to wait."""

    def __init__(self, held: Held, tools: Tools) -> None:
        self._held = held
        self._tools = tools
        self._run = held.run
        self._payment: Ask | None = None

    async def understand(self, state: State) -> dict[str, Any]:
        """From the customer's words to an order, an amount and a reason."""
        system, messages = UNDERSTAND, (Message("user", self._run.text),)
        for n in range(UNDERSTANDINGS):
            try:
                reply = await self._ask(f"understand:{n}", system, messages)
            except (RateLimited, BudgetExhausted) as error:
                raise TryLater(error.code, error.retry_after_s or 0.0) from None
            except CallerError as error:
                log.info("not_understood", run_id=self._run.run_id, reason=error.code)
                return {"outcome": "not_understood"}
            found = understood(reply.text or "")
            if found is None:
                system = UNDERSTAND + AGAIN
                continue
            if not found.wants_refund:
                return {"outcome": "no_refund"}
            asked = {"order": found.order, "amount": found.amount, "reason": found.reason}
            return {"asked": asked} if found.order else {"asked": asked, "outcome": "order_unclear"}
        return {"outcome": "not_understood"}

    async def look_up(self, state: State) -> dict[str, Any]:
        """The order, if it is the customer's own."""
        run, asked = self._run, state["asked"]
        order = await self._tools.desk.find(run.tenant, run.user, asked["order"])
        return {"outcome": "order_not_found"} if order is None else {"order": order.as_json()}

    async def propose(self, state: State) -> dict[str, Any]:
        """How much is refunded: what was asked for, but no more than is left; held at the desk for this run.

        The limit is for what an order is refunded in all, by however many runs. Of which order something is held is
        told before it is: a run that is given up gives it back.
        """
        asked, order = state["asked"], Order(**state["order"])
        await self._held.note(order=order.order_id)
        amount, others, _ = await self._tools.desk.hold(order, self._key(state), asked["amount"])
        if amount == 0:
            return {"outcome": "nothing_left"}
        proposal = {
            "order": order.order_id,
            "item": order.item,
            "amount": amount,
            "currency": order.currency,
            "asked": asked["amount"],
            "reason": asked["reason"],
            "others": others,
            "limit": self._tools.approval_above,
            "needs_approval": others + amount > self._tools.approval_above,
        }
        return {"proposal": proposal}

    def decided(self, decision: dict[str, Any]) -> dict[str, Any]:
        """What comes of the decision on a proposal that needs one."""
        outcome = REFUSED.get(decision["decision"])
        return {"decision": decision} if outcome is None else {"decision": decision, "outcome": outcome}

    async def execute(self, state: State) -> dict[str, Any]:
        """Move the money, once.

        What Redis has forgotten to hold is held again, if nobody came first. Beyond the order's price nothing is paid,
        nor beyond the limit without an approval: what others were paid counts, however long this run has held its own.
        """
        proposal, order = state["proposal"], Order(**state["order"])
        if proposal["needs_approval"] and state.get("decision", {}).get("decision") != "approve":
            raise GauntletError("a refund above the limit came to its execution without an approval")
        key, most = self._key(state), order.refundable if proposal["needs_approval"] else proposal["limit"]
        share = await self._tools.desk.hold(order, key, proposal["amount"], most=most)
        if share.amount != proposal["amount"] or share.paid + share.amount > most:
            if self._run.doubt:
                raise TryLater("order_spoken_for")
            return {"outcome": "nothing_left" if share.others >= order.refundable else "overtaken"}
        wanted = {"amount": proposal["amount"], "currency": proposal["currency"]}
        body = orjson.dumps({"charge": order.charge, **wanted}, option=orjson.OPT_SORT_KEYS)
        await self._held.note(doubt="1")
        try:
            reply = await self._pay(key, body)
        except GauntletError as error:
            doubt = self._run.doubt or not self._surely_unpaid()
            if not doubt:
                await self._held.note(doubt="")
                if isinstance(error, Declined | InvalidRequest):
                    return {"outcome": "declined", "refund": {"status": error.code}}
            raise TryLater(error.code, error.retry_after_s or 0.0) from None
        answer: dict[str, Any] = orjson.loads(reply.text or "{}")
        if {name: answer.get(name) for name in (*wanted, "status")} != {**wanted, "status": SUCCEEDED}:
            raise TryLater("refund_unconfirmed")
        return {"outcome": "refunded", "refund": {name: answer[name] for name in ("id", "amount", "status")}}

    def _surely_unpaid(self) -> bool:
        """Whether no attempt of this delivery can have moved the money."""
        return self._payment is None or all(attempt.status in SURELY_UNPAID for attempt in self._payment.attempts)

    async def tell(self, state: State) -> dict[str, Any]:
        """Tell the customer; by a model where its words can be checked, else by our own. It cannot fail any more."""
        outcome, order, proposal = state["outcome"], state.get("order"), state.get("proposal")
        if proposal is not None:
            paid = proposal["amount"] if outcome == "refunded" else None
            await close(self._tools.desk, Order(**state["order"]), self._key(state), paid)
        facts: dict[str, Any] = {"order": state.get("asked", {}).get("order")}
        if order is not None:
            facts = {"order": order["order_id"], "item": order["item"]}
        if proposal is not None:
            facts["amount"] = money(proposal["amount"], proposal["currency"])
        plain = plainly(outcome, facts)
        if outcome != TOLD_BY_A_MODEL:
            return {"answer": plain}
        return {"answer": await self._told(plain, facts) or plain}

    def _key(self, state: State) -> str:
        """Of the payment, and of what is held for it."""
        return charge_key(self._run.run_id, state["begun"]["created"])

    async def _told(self, plain: str, facts: dict[str, Any]) -> str | None:
        """In a model's words; None when there are none, or they hold another number than ours."""
        try:
            question = ASK_TO_TELL.format(order=facts["order"])
            reply = await self._ask("tell", TELL + plain, (Message("user", question),))
        except (GauntletError, TryLater) as error:
            log.info("told_plainly", run_id=self._run.run_id, reason=str(getattr(error, "code", error)))
            return None
        amount = facts.get("amount", "").partition(" ")[0]
        text = (reply.text or "").strip()
        ours = [word for word in (facts["order"], facts["item"], amount) if word]
        if not text or amount not in text or not says_only(text, ours):
            log.warning("told_plainly", run_id=self._run.run_id, reason="another_number")
            return None
        return text

    async def _ask(self, name: str, system: str, messages: tuple[Message, ...]) -> Reply:
        """A model's answer, from what the step says alone, whatever the route searches for questions.

        Raises errors of the caller's, and TryLater when no provider answers.
        """
        tools = self._tools
        route = replace(tools.routes.get(self._run.route) or tools.routes[tools.default_route], retrieval=False)

        def make(context: Context) -> Ask:
            return ask_of(
                context,
                route,
                messages,
                clock=tools.clock,
                switches=tools.switches,
                system=system,
                max_tokens=MOST_TOKENS,
            )

        try:
            reply = await self._step(name, make, tools.chain)
        except CallerError:
            raise
        except GauntletError as error:
            raise TryLater(error.code, error.retry_after_s or 0.0) from None
        if reply.source == "message":
            raise TryLater("no_provider", reply.retry_after_s or 0.0)
        return reply

    async def _pay(self, key: str, body: bytes) -> Reply:
        tools = self._tools

        def make(context: Context) -> Ask:
            context.charge_key = key
            self._payment = Ask(
                request_id=context.request_id,
                tenant=context.caller.tenant,
                user=context.caller.user,
                route=tools.payment_route,
                messages=(),
                clock=tools.clock,
                started_s=context.started_s,
                deadline_s=context.started_s + tools.payment_route.deadline_s,
                off=tools.switches.off,
                traceparent=context.traceparent,
                payload=(key, body),
            )
            return self._payment

        return await self._step("execute", make, tools.payments)

    async def _step(self, name: str, make: Any, chain: Next) -> Reply:
        asked: list[Ask] = []

        def made(context: Context) -> Ask:
            asked.append(make(context))
            return asked[0]

        run = self._run
        try:
            return await self._tools.work.ask(
                endpoint=ENDPOINT,
                step_id=f"{run.run_id}:{name}:{self._held.fence}",
                tenant=run.tenant,
                user=run.user,
                traceparent=run.traceparent,
                make=made,
                chain=chain,
            )
        finally:
            for ask in asked:
                self._held.paid(ask)
