"""``python -m service.worker``: the process for what is done after the answer; says in one JSON line when it works.

It is the service without HTTP: the same chain, breakers, limits and telemetry, but its work comes from the queue. On
SIGTERM it takes no more, and what has not ended within ``drain_s`` another worker does again. Next:
``tracks/consumer.py``, ``tracks/jobs.py``.
"""

import asyncio
import json
import os
import signal
import sys

import uvloop

from .app import Service
from .clock import Clock, SystemClock
from .observability import logs
from .settings import ConfigurationError, Settings, load, provider_key
from .tracks.consumer import Consumer
from .tracks.queue import Track


def tracks_of(service: Service) -> list[Track]:
    """Whose tasks a worker process runs: a line for each track."""
    tracks: list[Track] = [service.webhooks, service.background.runs()]
    if service.runs is not None:
        from .tracks.agent_track import agent_track  # LangGraph takes more than a second to import

        tracks.append(agent_track(service, service.runs))
    return tracks


def main() -> None:
    """Check the configuration, then work until SIGTERM. Exit code 2 for one that cannot be used."""
    try:
        settings = load()
        for variable in settings.key_variables:
            provider_key(settings, variable)
    except ConfigurationError as error:
        print(f"gauntlet worker: the configuration cannot be used:\n{error}", file=sys.stderr, flush=True)
        sys.exit(2)
    logs.set_up()
    uvloop.run(work(settings, SystemClock()))


async def work(settings: Settings, clock: Clock) -> None:
    """Work until told to end."""
    service = Service(settings, clock)
    consumer = Consumer(
        tracks_of(service), settings.queue, url=settings.redis_url, worker=service.liveness.worker, clock=clock
    )
    service.telemetry.watch(service, lambda: consumer.running)
    await service.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda: consumer.stop(within_s=settings.drain_s))
    watching = asyncio.create_task(service.queue.watch(consumer.lanes, clock))
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    try:
        await consumer.serve()
    finally:
        watching.cancel()
        await service.stop()


if __name__ == "__main__":
    main()
