"""How one worker's index follows the corpus, through a store that forgets and a server that dies.

It opens the index, takes over what is new before it drops what is gone, and sees that passages get their vectors. A
store that never had it gets the handbook that ships with the project, from one worker, under a lease that holds while
it lives. A failure costs a pause, and nobody who asks waits for the next try. Next: ``retrieve.py``.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from ..clock import Clock
from ..errors import BadAnswer, Misconfigured, ProviderError, StoreUnavailable, TimedOut
from ..store.lease import Lease
from .corpus import Corpus, batches, shipped
from .embeddings import BATCH, refuses_texts
from .index import Index
from .passage_vectors import EMBED_TIMEOUT_S
from .work import OwnWork

log = structlog.get_logger(__name__)
LEASE = "corpus:{all}:lease"
AT_ONCE = 100
"""Passages read in one answer of the store."""
FILL_WITHIN_S = 3.0
"""To embed the handbook for a store that has nothing: then it comes in without vectors, so that words find it."""
LOOK_S = 1.0
"""How often a worker looks for what is still to be done, and how long it waits after a first failure."""
LOOK_MOST_S = 10.0
"""How long after many: each try costs CPU, in every worker."""
SAY_AGAIN_S = 60.0
"""Between two lines about a failure that lasts."""
HEAL_S = 3.0
"""How long after a first failure it is tried again to embed passages that lack vectors."""
AWAY_MOST_S = 30.0
"""How long after many, where the embeddings API is away: it may be back at any time."""
HEAL_MOST_S = 300.0
"""How long after many, where it does not take what is asked: somebody has to mend that, and calls may cost."""


class Following:
    """One worker's. ``need`` makes it get ready.

    ``version`` is what its index has: 0 for an empty corpus, None while that is not known.
    """

    def __init__(
        self, index: Index, corpus: Corpus, *, handbook: bool, lease: Lease, work: OwnWork, clock: Clock
    ) -> None:
        self._index = index
        self._corpus = corpus
        self._handbook = handbook
        self._lease = lease
        self._work = work
        self._clock = clock
        self._settled = asyncio.Event()
        """Whoever waits for the index need wait no longer: it is ready, or it failed."""
        self._say_at_s = self._heal_at_s = 0.0
        self._look_s, self._heal_s = LOOK_S, HEAL_S
        self._task: asyncio.Task[None] | None = None
        self.version: int | None = None
        self.ready = False
        """Whether the index can be searched: it has what the store has told of, be that nothing."""
        self.has_vectors = True
        """Whether every passage can be found by its vector, but for those that can have none."""

    def need(self) -> None:
        """Somebody wants to search: open the index and follow the corpus from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def wait_ready(self, until_s: float) -> bool:
        """Whether it can be searched by ``until_s`` at the latest; at once where getting ready has failed."""
        self.need()
        try:
            async with self._clock.timeout_at(until_s):
                await self._settled.wait()
        except TimeoutError:
            pass
        return self.ready

    async def _follow(self) -> None:
        while True:
            try:
                await self._keep_up()
            except Exception as error:  # noqa: BLE001 - a server's library raises many kinds; the next pass mends it
                self._settled.set()
                self._corpus.news.set()
                self._tell(error)
                if isinstance(error, StoreUnavailable):  # whose guard spares what is away
                    self._look_s = LOOK_S
                await self._clock.sleep(self._look_s)
                self._look_s = min(2 * self._look_s, LOOK_MOST_S)
                continue
            self._say_at_s, self._look_s = 0.0, LOOK_S
            try:
                async with self._clock.timeout_at(self._clock.monotonic() + LOOK_S):
                    await self._corpus.news.wait()
            except TimeoutError:
                pass

    def _tell(self, error: Exception) -> None:
        """A trace when it begins, a line each minute while it lasts; of the store the guard has said so."""
        now = self._clock.monotonic()
        if isinstance(error, StoreUnavailable) or now < self._say_at_s:
            return
        log.warning(
            "corpus_not_followed",
            reason=type(error).__name__,
            error=str(error)[:200],
            exc_info=None if self._say_at_s else error,
        )
        self._say_at_s = now + SAY_AGAIN_S

    async def _keep_up(self) -> None:
        """One look: open the index, fill an empty store, take over what is new, embed what lacks vectors."""
        is_news = self._corpus.news.is_set()
        self._corpus.news.clear()
        held = len(self._index.held)
        if not self._is_open():
            self._begin_anew()
            await self._index.open(self._corpus.name, self._corpus.space, self._corpus.size)
            is_news = True
        elif await self._index.has_lost():
            left = len(self._index.held)
            if left < held and self.version == self._corpus.version:  # else another worker has followed before us
                log.warning("index_lost_passages", left=left, held=held)
            if not left:
                self._begin_anew()
            is_news = True
        if not self._corpus.filled:
            await self._fill()
        if self._corpus.version:
            if is_news or self._corpus.version != self.version:
                await self._take_over()
        elif not self._handbook and not await self._corpus.exists():
            self._found()  # nothing, and nobody is about to change that
        if self.ready:
            await self._heal()

    def _is_open(self) -> bool:
        return self._index.opened(self._corpus.name, self._corpus.space, self._corpus.size)

    def _begin_anew(self) -> None:
        """What the index held is not there any more; who waits may hope for it, unless that was in vain last time."""
        if self.ready:
            self._settled.clear()
        self.ready, self.version = False, None

    def _found(self) -> None:
        """The index has all that there is."""
        self.has_vectors = not self._bare()
        self.version = self.version or 0
        self.ready = True
        self._settled.set()

    def _bare(self) -> list[str]:
        """The passages that lack a vector, and could have one."""
        space, refuses = self._corpus.space, self._corpus.refuses
        return [
            name for name, held in self._index.held.items() if held.space != space and not refuses(name, held.sha256)
        ]

    async def _fill(self) -> None:
        """Index the shipped handbook, if the store never had it and nobody else is at it."""
        if not self._handbook:
            return
        await self._corpus.refresh()
        if self._corpus.filled:
            return
        async with self._lease.held() as is_ours:
            if is_ours:
                async with self._work.begin(FILL_WITHIN_S) as ask:
                    await self._corpus.write(shipped(), (), ask, fills=True)
                await self._corpus.refresh()

    async def _take_over(self) -> None:
        """Bring the index to what the store has: what is new first, so that nothing is missed meanwhile."""
        announced = self._corpus.version
        if not self._is_open():  # told just now: the index has to be opened for it first
            self._corpus.news.set()
            return
        wanted = await self._corpus.marks()
        held = self._index.held
        stale = [name for name, sha256 in wanted.items() if name not in held or held[name].sha256 != sha256]
        bare = [name for name in wanted.keys() - stale if held[name].space != self._corpus.space]
        for names in batches(stale, AT_ONCE):
            await self._put(names, wanted, only_with_vector=False)
        for names in batches(bare, AT_ONCE):
            await self._put(names, wanted, only_with_vector=True)
        await self._index.drop([name for name in held if name not in wanted])
        if self.version != announced:
            self._heal_at_s, self._heal_s = 0.0, HEAL_S
        self.version = announced
        self._found()

    async def _put(self, names: Sequence[str], wanted: Mapping[str, str], *, only_with_vector: bool) -> None:
        found = [(p, v) for p, v in await self._corpus.read(names) if p.sha256 == wanted[p.id]]  # else: newer meanwhile
        known = {passage.id: vector for passage, vector in found if vector is not None}
        passages = [passage for passage, _ in found if passage.id in known or not only_with_vector]
        await self._index.put(passages, known, self._corpus.space)

    async def _heal(self) -> None:
        """Give vectors to passages that came in while the embeddings were away, or with another model's."""
        bare = self._bare()
        if not self._corpus.embeds or not bare or self._clock.monotonic() < self._heal_at_s:
            return
        failed: ProviderError | None = None
        for names in batches(bare, BATCH):
            async with self._lease.held() as is_ours:  # for each anew: it ends before many batches do
                if not is_ours:
                    break
                try:
                    async with self._work.begin(EMBED_TIMEOUT_S) as ask:
                        await self._corpus.embed(names, ask)
                except ProviderError as error:
                    failed = error
                    if not (refuses_texts(error) or isinstance(error, BadAnswer | TimedOut)):
                        break  # it is not of these texts alone
        if failed is not None:
            log.info("passages_without_vectors", count=len(bare), reason=failed.code, again_in_s=self._heal_s)
        self._heal_at_s = self._clock.monotonic() + self._heal_s
        most_s = HEAL_MOST_S if isinstance(failed, Misconfigured) else AWAY_MOST_S
        self._heal_s = HEAL_S if failed is None else min(2 * self._heal_s, most_s)
        self.has_vectors = not self._bare()

    async def aclose(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._index.aclose()
