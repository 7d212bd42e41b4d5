"""How the stages compose: a fold over a list, outermost first, around ``call``.

The order is data (a setting fixed at start), and a stage that a request finds switched off is stepped over. Composed
once, not per request. It notes each passage through a stage, from which the traces are made. DESIGN, section 2: order
and its measured alternatives. Next: ``cache.py``.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from .ask import Ask
from .reply import Reply

Next = Callable[[Ask], Awaitable[Reply]]
"""The stages inside of a stage: awaited, it gives their reply."""


class Stage(Protocol):
    """One stage of the gauntlet: decides, reports, and goes on or not."""

    @property
    def name(self) -> str:
        """The stage's name: in the order, the switches and the path."""
        ...

    async def __call__(self, ask: Ask, go_on: Next) -> Reply:
        """Return a committed reply, or raise an error of ``errors.py``."""
        ...


def compose(stages: Sequence[Stage], call: Next) -> Next:
    """The chain: ``stages`` (outermost first) around ``call``."""
    chain = call
    for stage in reversed(stages):
        chain = _around(stage, chain)
    return chain


def _around(stage: Stage, inner: Next) -> Next:
    name = stage.name

    async def step(ask: Ask) -> Reply:
        if name in ask.off:
            ask.report(name, "off")
            return await inner(ask)
        entered = ask.enter(name)
        try:
            return await stage(ask, inner)
        except BaseException as error:
            entered.error = getattr(error, "code", type(error).__name__)
            raise
        finally:
            ask.leave(entered)

    return step
