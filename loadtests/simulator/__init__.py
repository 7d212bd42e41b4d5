"""The provider simulator: Anthropic, OpenAI, payments, embeddings, rerank, and a receiver of webhooks (DESIGN 5).

It is the ground truth of the workbench: it injects every fault by a plan that repeats, and keeps a ledger of every
call. Run it with `python -m loadtests.simulator`, or in one process with `async with Simulator() as simulator`.
Read `simulator.py` next.
"""

from .listener import PortInUseError
from .simulator import Simulator

__all__ = ["PortInUseError", "Simulator"]
