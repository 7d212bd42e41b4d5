"""The webhooks' track with what stands around it: a receiver by a script, a queue and telemetry that only note."""

import asyncio
from collections.abc import Sequence
from typing import Any

from service.clock import Clock, SystemClock
from service.settings import WebhookSettings
from service.store.guard import Store
from service.tracks.queue import Json, Later, Queue
from service.tracks.webhook import Webhooks
from service.tracks.webhook_post import Poster, Tried

URL = "http://127.0.0.1:9/hook"
TAKEN, BROKEN, GONE = Tried(200, None), Tried(500, "status"), Tried(410, "gone")
QUICK: dict[str, Any] = {"base_s": 0.001, "cap_s": 0.001, "tries": 3, "timeout_s": 1.0}


class Post(Poster):
    """A receiver that answers by a script, the last answer again and again; ``got`` lists bodies and headers."""

    def __init__(self, *script: Tried | BaseException) -> None:
        self._script = list(script)
        self.got: list[tuple[bytes, dict[str, str]]] = []
        self.at_once = self.most_at_once = 0

    async def post(self, url: str, body: bytes, headers: Any, *, tenant: str = "") -> Tried:
        self.got.append((body, dict(headers)))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.02)
        self.at_once -= 1
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Told:
    """Telemetry that only listens."""

    def __init__(self) -> None:
        self.tries: list[Any] = []
        self.ended: list[dict[str, Any]] = []

    def webhook_tried(self, tried: Any) -> None:
        self.tries.append(tried)

    def webhook_ended(self, record: dict[str, Any], last: Any) -> None:
        self.ended.append(record)


class Puts(Queue):
    """A queue that only notes what was put."""

    def __init__(self) -> None:
        self.put_in: list[tuple[str, str, tuple[Json, ...]]] = []
        self.mended: list[str] = []

    async def put(self, task: str, task_id: str, *args: Json, delay_s: float = 0.0) -> bool:
        self.put_in.append((task, task_id, args))
        return True

    async def mend(self, task: str, ids: Sequence[str]) -> list[str]:
        self.mended = list(ids)
        return self.mended


class Bench:
    """The track with what stands around it."""

    def __init__(self, store: Store, *script: Tried | BaseException, clock: Clock | None = None, **given: Any) -> None:
        self.post, self.queue, self.told = Post(*script), Puts(), Told()
        self.settings = WebhookSettings(**{**QUICK, **given})
        self.hooks = Webhooks(
            self.settings,
            store=store,
            queue=self.queue,
            telemetry=self.told,  # type: ignore[arg-type]
            clock=clock or SystemClock(),
            poster=self.post,
        )

    async def send(self, subject_id: str = "job_1", event: str = "job.completed", url: str = URL) -> str:
        return await self.hooks.send(event=event, subject_id=subject_id, tenant="acme", url=url, data={"n": 1})

    async def run(self, message_id: str) -> list[float]:
        """Deliver as the queue would: again after each ``Later``, without its wait; the waits."""
        waits = []
        for _ in range(50):
            try:
                await self.hooks.deliver(message_id)
            except Later as later:
                waits.append(later.delay_s)
                await asyncio.sleep(min(later.delay_s, 0.01))
            else:
                return waits
        raise AssertionError("it never ends")

    async def state(self, message_id: str) -> Any:
        shown = await self.hooks.peek(message_id)
        assert shown is not None
        return shown
