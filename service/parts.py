"""The parts of one process, built from the settings and joined: a worker of the service, or of the queue.

Next: ``stages/__init__.py``.
"""

import asyncio
import gc
import os
import uuid
from collections.abc import Callable

from .background import Background
from .clock import Clock
from .gateway.health import Readiness
from .lag import Lag
from .llm.anthropic import AnthropicProvider
from .llm.openai import OpenAIProvider
from .llm.provider import LLMProvider
from .llm.routes import routes_of
from .observability.telemetry import Telemetry
from .own_work import Steps
from .retrieval.build import RetrievalLayer
from .sessions.idempotency import Idempotency
from .sessions.threads import Threads
from .settings import EMBEDDINGS, INDEX, PAYMENTS, RERANK, Settings, provider_key
from .stages.breaker import Breaker
from .stages.budget import Budgets
from .stages.bulkhead import Bulkhead
from .stages.cache import Cache
from .stages.call import Call
from .stages.chain import Stage, compose
from .stages.fallback import Fallback
from .stages.rate_limit import RateLimit
from .stages.retry import Retry
from .stages.switches import Switches
from .store.connection import Multiplexed
from .store.guard import Store
from .store.liveness import Liveness
from .store.replica import Replica
from .store.settle import Settle
from .tracks.agent_runs import Runs
from .tracks.queue import Queue
from .tracks.refund import Payments
from .tracks.webhook import Webhooks
from .tracks.work import Work

GC_THRESHOLDS = (50_000, 20, 50)
"""Net new containers before a collection of the young, and how many of those before an older generation's turn."""
KINDS: dict[str, type[AnthropicProvider] | type[OpenAIProvider]] = {
    "anthropic": AnthropicProvider,
    "openai": OpenAIProvider,
}


class Service:
    """The parts of one process: one that serves HTTP, or one that works through the queue (``worker.py``).

    ``start`` and ``stop`` belong to its event loop.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.store = Store(
            Multiplexed(settings.redis_url, timeout_s=settings.store.timeout_s, clock=clock),
            failures=settings.store.failures,
            skip_s=settings.store.skip_s,
            clock=clock,
        )
        self.replica = Replica(self.store, settings.redis_url, refresh_s=settings.store.refresh_s, clock=clock)
        self.settle = Settle()
        self.routes = routes_of(settings)
        self.providers = providers_of(settings, clock)
        store, replica, settle = self.store, self.replica, self.settle
        has_payments = settings.payments.base_url is not None
        searched = settings.retrieval if settings.retrieves else None
        names = [
            *settings.providers,
            *([PAYMENTS] if has_payments else []),
            *([EMBEDDINGS] if searched and searched.embeddings.base_url else []),
            *([RERANK] if searched and searched.rerank.base_url else []),
            *([INDEX] if searched and settings.qdrant_url else []),
        ]
        worker = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.telemetry = Telemetry(settings, instance=worker, clock=clock)
        self.steps = Steps(self.telemetry.ended, captures=settings.capture_content, clock=clock)
        self.lag = Lag(limit_s=settings.admission_lag_s, clock=clock)
        self.breaker = Breaker(
            names,
            settings.breaker,
            store=store,
            replica=replica,
            settle=settle,
            lag=self.lag,
            clock=clock,
            changed=self.telemetry.breaker_changed,
        )
        pseudonym_key = settings.telemetry.pseudonym_key
        self.budgets = Budgets(settings.budget, pseudonym_key=pseudonym_key, clock=clock)
        self.rate_limit = RateLimit(settings.rate_limit, budgets=self.budgets, store=store, settle=settle, clock=clock)
        self.retry = Retry(settings.retry, clock=clock)
        limits = {name: given.bulkhead for name, given in settings.providers.items()}
        self.bulkhead = Bulkhead(
            {
                **limits,
                PAYMENTS: settings.payments.bulkhead,
                EMBEDDINGS: settings.retrieval.embeddings.bulkhead,
                RERANK: settings.retrieval.rerank.bulkhead,
            }
        )
        self.switches = Switches(store, replica, worker=worker, clock=clock, changed=self.telemetry.switches_changed)
        self.liveness = Liveness(store, worker=worker, clock=clock)
        self.in_flight: Callable[[], int] = lambda: 0
        self.retrieval: RetrievalLayer | None = None
        if searched:
            retry = Retry(settings.retry, clock=clock)  # with a budget of its own: what is optional spends no model's
            self.retrieval = RetrievalLayer(
                settings,
                around=lambda call: compose([retry, self.breaker, self.bulkhead], call),
                store=store,
                replica=replica,
                settle=settle,
                liveness=self.liveness,
                breaker=self.breaker,
                pressure=lambda: max(self.in_flight() / settings.admission, self.lag.share),
                steps=self.steps,
                clock=clock,
            )
        retrieval = self.retrieval
        stages: dict[str, Stage] = {
            "cache": Cache(
                settings.cache,
                store=store,
                replica=replica,
                liveness=self.liveness,
                settle=settle,
                clock=clock,
                searched=lambda: retrieval.searched if retrieval else None,
            ),
            "rate_limit": self.rate_limit,
            "fallback": Fallback(settings.fallback, returns_in_s=self.breaker.returns_in_s, clock=clock),
            "retry": self.retry,
            "breaker": self.breaker,
            "bulkhead": self.bulkhead,
        }
        ladder = settings.order.index("fallback")
        outside, inside = (
            [stages[name] for name in part] for part in (settings.order[:ladder], settings.order[ladder:])
        )
        asking = compose(inside, Call(self.providers, settings.providers, clock=clock))
        self.chain = compose(outside, retrieval.before(asking) if retrieval else asking)
        self.payments: Payments | None = None
        if has_payments:
            self.payments = Payments(
                settings.payments,
                api_key=provider_key(settings, settings.payments.api_key_env),
                hint_max_s=settings.breaker.pause_max_s,
                clock=clock,
            )
        self.threads = Threads(settings.sessions, store=self.store, clock=clock)
        self.idempotency = Idempotency(settings.sessions, store=self.store, clock=clock)
        self.queue = Queue(self.store)
        self.webhooks = Webhooks(
            settings.webhooks, store=self.store, queue=self.queue, telemetry=self.telemetry, clock=clock
        )
        self.runs: Runs | None = None
        """The agent's; None where there is no queue, no order desk, or nobody who pays."""
        if settings.has_agent:
            self.runs = Runs(settings.agent, store=self.store, clock=clock)
        self.work = Work(self.steps)
        self.background = Background(self, clock)
        self.ready = Readiness(self.store, self.breaker.snapshot, settings.profile)

    async def start(self) -> None:
        """Follow the fleet's state; a store that is away is no reason not to start."""
        await asyncio.gather(self.replica.start(), self.liveness.start(), self.telemetry.start())
        # What start-up made stays for good, and thousands of requests in flight are no garbage: look through them less
        # often (with 2,000 waiting, collections took a fifth of the CPU) and not through the modules at all.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self.lag.start()
        if self.retrieval is not None and self.settings.retrieval.at_start:
            self.retrieval.get_ready()

    async def stop(self) -> None:
        """Settle what was posted, end every connection, and tell of it to the last."""
        self.lag.stop()
        try:
            if self.retrieval is not None:
                await self.retrieval.aclose()
            await self.settle.drain()
            await asyncio.gather(self.replica.aclose(), self.liveness.aclose())
            await self.switches.leave()  # no heartbeat, and no acknowledgement, comes after it
            await asyncio.gather(*(provider.aclose() for provider in self.providers.values()))
            if self.payments is not None:
                await self.payments.aclose()
            await self.store.aclose()
        finally:
            await self.telemetry.stop()


def providers_of(settings: Settings, clock: Clock) -> dict[str, LLMProvider]:
    """The configured providers, each with the model that ``call`` uses."""
    first_model = {r.provider: r.model for route in settings.routes.values() for r in reversed(route.rungs)}
    return {
        name: KINDS[given.kind](
            name,
            given,
            api_key=provider_key(settings, given.api_key_env),
            model=first_model.get(name, ""),
            hint_max_s=settings.breaker.pause_max_s,
            clock=clock,
        )
        for name, given in settings.providers.items()
    }
