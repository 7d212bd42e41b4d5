"""One stream, many readers: whoever asks the same while an answer is coming gets it as it comes.

A pump reads the stream, once and at its own pace, and keeps its events; each reader begins at the first. A reader may
leave without disturbing the others, the leader too; with the last one the stream is closed, which cancels the call.
Next: ``flight.py``.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from .reply import Delta, Event, Reply, Source


class Broadcast:
    """``reply`` is a committed stream; from here on only the pump reads it. The leader takes a reader at once.

    ``abandoned``: its last reader left before its end, so there is nothing more to come and nothing to follow.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.events: list[Event] = []
        self.ended = self.abandoned = False
        self.error: BaseException | None = None
        self.readers = 0
        self._news = asyncio.Event()
        self._pump = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with aclosing(self.reply):
                async for event in self.reply:
                    self.events.append(event)
                    self._tell()
        except Exception as error:  # noqa: BLE001 - each reader raises it
            self.error = error
        except BaseException as error:  # cancelled: what came is not the whole answer
            self.error = error
            raise
        finally:
            self.ended = True
            self._tell()

    def _tell(self) -> None:
        told, self._news = self._news, asyncio.Event()
        told.set()

    async def news(self) -> None:
        """Wait until there is another event, or the end."""
        await self._news.wait()

    @property
    def text(self) -> str:
        """What came so far, without what a restart dropped."""
        parts: list[str] = []
        for event in self.events:
            if isinstance(event, Delta):
                parts.append(event.text)
            else:
                parts.clear()
        return "".join(parts)

    def reader(self, source: Source | None = None) -> Reply:
        """A reply with all events of the stream; ``source`` instead of ``live``, for who did not ask for it first."""
        reader = _Reader(self, source)
        return reader.outer

    async def leave(self) -> None:
        """One reader fewer; with the last one the stream is closed."""
        self.readers -= 1
        if not self.readers and not self.ended:
            self.abandoned = True
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            await self.reply.aclose()  # a pump that had not begun closed nothing


class _Reader:
    """One reader's place in the events."""

    def __init__(self, broadcast: Broadcast, source: Source | None) -> None:
        reply = broadcast.reply
        self._broadcast = broadcast
        self._source = source
        self._place = 0
        self._left = False
        self.outer = Reply(source=reply.source, provider=reply.provider, model=reply.model, events=self)
        self._resemble()
        broadcast.readers += 1

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        broadcast = self._broadcast
        while self._place == len(broadcast.events):
            if broadcast.ended:
                self._resemble()
                if broadcast.error is not None:
                    raise broadcast.error
                raise StopAsyncIteration
            await broadcast.news()
        event = broadcast.events[self._place]
        self._place += 1
        if not isinstance(event, Delta):
            self._resemble()
        return event

    def _resemble(self) -> None:
        self.outer.resemble(self._broadcast.reply)
        if self._source is not None and self.outer.source == "live":
            self.outer.source = self._source

    async def aclose(self) -> None:
        if not self._left:
            self._left = True
            await self._broadcast.leave()
