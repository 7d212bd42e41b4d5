"""The process that works through the queue: the service without HTTP. Started, and started again, by ``worker.py``.

The same chain, breakers, limits and telemetry as in HTTP workers, but the work comes from the queue. On SIGTERM it
takes no more, and what has not ended within ``drain_s`` another worker does again. Next: ``tracks/consumer.py``.
"""

import asyncio
import signal
from multiprocessing.connection import Connection

import structlog
import uvloop

from .clock import Clock, SystemClock
from .observability import logs
from .orphan import end_with_parents
from .parts import Service
from .settings import Settings, load
from .tracks.consumer import Consumer
from .tracks.queue import Track


class NotBuilt(Exception):
    """The parts could not be built, and could not be the next time either; the log says why."""


def tracks_of(service: Service) -> list[Track]:
    """Whose tasks a worker process runs: a line for each track."""
    tracks: list[Track] = [service.webhooks, service.background.runs()]
    if service.runs is not None:
        from .tracks.agent_track import agent_track  # LangGraph takes more than a second to import

        tracks.append(agent_track(service, service.runs))
    return tracks


def work(ready: Connection) -> None:
    """Work until SIGTERM; says through ``ready`` when it has begun. Raises NotBuilt."""
    end_with_parents()
    logs.set_up()
    uvloop.run(_work(load(), SystemClock(), ready))


async def _work(settings: Settings, clock: Clock, ready: Connection) -> None:
    try:
        service = Service(settings, clock)
        tracks = tracks_of(service)
    except Exception as error:
        structlog.get_logger(__name__).exception("worker_not_built")
        raise NotBuilt from error
    consumer = Consumer(tracks, settings.queue, url=settings.redis_url, worker=service.liveness.worker, clock=clock)
    service.telemetry.watch(service, lambda: consumer.running)
    await service.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda: consumer.stop(within_s=settings.drain_s))
    watching = asyncio.create_task(service.queue.watch(consumer.lanes, clock))
    ready.send(True)  # and kept open: that it closes says that this process is gone
    try:
        await consumer.serve()
    finally:
        watching.cancel()
        await service.stop()
