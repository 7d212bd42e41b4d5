"""No worker outlives the processes that made it: an orphan would go on serving its share of the port for ever.

Two may die under it, killed with -9 or for want of memory: the service, and the server that forks its workers. Next:
``app.py``.
"""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait

LOOKS_EVERY_S = 1.0


def end_with_parents() -> None:
    """From now on this worker ends, as at a SIGTERM, when one of them has died; nothing in a process of its own."""
    service = multiprocessing.parent_process()
    if service is not None:
        threading.Thread(target=_watch, args=(service.sentinel, os.getppid()), name="orphan", daemon=True).start()


def _watch(service: int, forked_by: int) -> None:
    while os.getppid() == forked_by and not wait([service], LOOKS_EVERY_S):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
