"""A worker process of the tests: its tasks leave marks in Redis, so that what ran where and how often can be seen."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.clock import SystemClock
from service.observability import logs
from service.settings import QueueSettings
from service.tracks.consumer import Consumer
from service.tracks.queue import Later, TaskFn, Track, delivery

MARKS = "marks"
SLOW_START = "slow-start"
"""While this key is there, the start of the track does not end."""
HASTY_S = 0.5


class Marks(Track):
    """``mark`` says where it runs, ``hold`` goes on until it may end, ``again`` asks for more time, ``fail`` fails."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)
        self._saying: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> dict[str, TaskFn]:
        return {
            "marks.mark": self.mark,
            "marks.hold": self.hold,
            "marks.again": self.again,
            "marks.fail": self.fail,
            "other.mark": self.mark,
        }

    async def start(self) -> None:
        while await self._redis.exists(SLOW_START):  # noqa: ASYNC110 - the event is in Redis
            await asyncio.sleep(0.05)

    async def _say(self, what: str, name: str) -> None:
        row = json.dumps({"what": what, "name": name, "pid": os.getpid(), "delivery": delivery.get()})
        await self._redis.rpush(MARKS, row)

    async def _say_if_heard(self, what: str, name: str) -> None:
        with suppress(RedisError):
            await self._say(what, name)

    async def mark(self, name: str) -> None:
        await self._say("ran", name)

    async def hold(self, name: str) -> None:
        await self._say("began", name)
        try:
            while not await self._released(name):  # noqa: ASYNC110 - the event is in Redis
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:  # again at each wait, so somebody else waits
            saying = asyncio.create_task(self._say_if_heard("cancelled", name))
            self._saying.add(saying)
            saying.add_done_callback(self._saying.discard)
            raise
        await self._say("ended", name)

    async def _released(self, name: str) -> bool:
        try:
            return bool(await self._redis.exists(f"release:{name}"))
        except RedisError:
            return False

    async def again(self, name: str) -> None:
        await self._say("ran", name)
        if delivery.get() < 3:
            raise Later(0.05)

    async def fail(self, name: str) -> None:
        await self._say("ran", name)
        raise RuntimeError("a defect")


class Hasty(Marks):
    """Its tasks may take no more than a moment."""

    @property
    def tasks(self) -> dict[str, TaskFn]:
        return {"hasty.hold": self.hold}

    @property
    def longest_s(self) -> float:
        return HASTY_S


async def main(url: str, redeliver_s: float) -> None:
    settings = QueueSettings(redeliver_s=redeliver_s, at_once=4)
    consumer = Consumer([Marks(url), Hasty(url)], settings, url=url, worker=f"w{os.getpid()}", clock=SystemClock())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: consumer.stop(within_s=2.0))
    print(json.dumps({"ready": True}), flush=True)
    await consumer.serve()


if __name__ == "__main__":
    logs.set_up()
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
