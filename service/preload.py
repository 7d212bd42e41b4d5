"""What is imported once, before workers are forked: a worker that imports it by itself is late to all its requests.

Some libraries take seconds, during which threads of Python wait for each other. Next: ``app.py``.
"""

import multiprocessing
from multiprocessing.context import ForkServerContext

from .settings import Settings

INDEX_LIBRARY = "qdrant_client"


def forkserver(settings: Settings, *modules: str) -> ForkServerContext:
    """Where processes are forked that have imported ``modules``, and the index's library if it is wanted at start."""
    context = multiprocessing.get_context("forkserver")
    wanted = settings.retrieves and settings.retrieval.at_start
    context.set_forkserver_preload([*modules, *([INDEX_LIBRARY] if wanted else [])])
    return context
