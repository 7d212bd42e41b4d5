"""How one worker's index follows the corpus, through a store that forgets and a server that dies.

It opens the index, takes over what is new before it drops what is gone, and sees that passages get their vectors. A
store without a corpus gets the handbook that ships with the project, from one worker, under a lease that holds while it
lives. A failure costs a pause, and nobody who asks waits for the next try. Next: ``retrieve.py``.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from ..clock import Clock
from ..errors import ProviderError, StoreUnavailable
from ..store.lease import Lease
from .corpus import EMBED_TIMEOUT_S, Corpus, batches, shipped
from .embeddings import BATCH
from .index import Index
from .work import OwnWork

log = structlog.get_logger(__name__)
LEASE = "corpus:{all}:lease"
AT_ONCE = 100
"""Passages read in one answer of the store."""
FILL_WITHIN_S = 3.0
"""To embed the handbook for a store that has nothing: then it comes in without vectors, so that words find it."""
LOOK_S = 1.0
"""How often a worker looks for what is still to be done, and how long it waits after a failure."""
SAY_AGAIN_S = 60.0
"""Between two lines about a failure that lasts."""
HEAL_S = 3.0
"""How often it is tried again to embed passages that lack vectors."""


class Following:
    """One worker's. ``need`` makes it get ready; ``version`` is what its index has, 0 for none yet."""

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
        self._task: asyncio.Task[None] | None = None
        self.version = 0
        self.ready = False
        """Whether the index can be searched: it has what the store has told of, be that nothing."""
        self.has_vectors = True
        """Whether every passage can be found by its vector."""

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
                await self._clock.sleep(LOOK_S)
                continue
            self._say_at_s = 0.0
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
        if not self._index.opened(self._corpus.space, self._corpus.size):
            self._begin_anew()
            await self._index.open(self._corpus.space, self._corpus.size)
            is_news = True
        elif await self._index.has_lost():
            log.warning("index_lost_passages", left=len(self._index.held))
            if not self._index.held:
                self._begin_anew()
            is_news = True
        if not self._corpus.version:
            await self._fill()
        if self._corpus.version:
            if is_news or self._corpus.version != self.version:
                await self._take_over()
        elif not self._handbook and not await self._corpus.exists():
            self._found()  # nothing, and nobody is about to change that
        if self.ready:
            await self._heal()

    def _begin_anew(self) -> None:
        """What the index held is not there any more; who waits may hope for it, unless that was in vain last time."""
        if self.ready:
            self._settled.clear()
        self.ready, self.version = False, 0

    def _found(self) -> None:
        """The index has all that there is."""
        self.has_vectors = all(held.space == self._corpus.space for held in self._index.held.values())
        self.ready = True
        self._settled.set()

    async def _fill(self) -> None:
        """Index the shipped handbook, if the store has no corpus at all and nobody else is at it."""
        if not self._handbook:
            return
        await self._corpus.refresh()
        if self._corpus.version:
            return
        async with self._lease.held() as is_ours:
            if is_ours:
                async with self._work.begin(FILL_WITHIN_S) as ask:
                    await self._corpus.write(shipped(), (), ask)
                await self._corpus.refresh()

    async def _take_over(self) -> None:
        """Bring the index to what the store has: what is new first, so that nothing is missed meanwhile."""
        announced = self._corpus.version
        if self._index.size != self._corpus.size:  # told just now: the index has to be opened for it first
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
        self.version = announced
        self._found()

    async def _put(self, names: Sequence[str], wanted: Mapping[str, str], *, only_with_vector: bool) -> None:
        found = [(p, v) for p, v in await self._corpus.read(names) if p.sha256 == wanted[p.id]]  # else: newer meanwhile
        known = {passage.id: vector for passage, vector in found if vector is not None}
        passages = [passage for passage, _ in found if passage.id in known or not only_with_vector]
        await self._index.put(passages, known, self._corpus.space)

    async def _heal(self) -> None:
        """Give vectors to passages that came in while the embeddings were away, or with another model's."""
        now = self._clock.monotonic()
        bare = [name for name, held in self._index.held.items() if held.space != self._corpus.space]
        if not self._corpus.embeds or not bare or now < self._heal_at_s:
            return
        self._heal_at_s = now + HEAL_S
        try:
            async with self._lease.held() as is_ours:
                for names in batches(bare, BATCH) if is_ours else ():
                    async with self._work.begin(EMBED_TIMEOUT_S) as ask:
                        await self._corpus.embed(names, ask)
        except ProviderError as error:
            log.info("passages_without_vectors", count=len(bare), reason=error.code)

    async def aclose(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._index.aclose()
