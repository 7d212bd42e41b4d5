"""Who asks: tenants and users of the scenario's groups, new to the service in every run.

A run has tenants of its own (`acme3_kfqz`), so that it meets no other run in caches, token buckets or idempotency keys
and the same seed finds the same service. Who a request's caller is does not change with it. Read `questions.py` next.
"""

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.scenario.model import Callers

MARK_LETTERS = 4


@dataclass(frozen=True, slots=True)
class Caller:
    """One user: `group` as the scenario names it, `name` unique in the run and the same in every run."""

    group: str
    tenant: str
    user: str

    @property
    def name(self) -> str:
        """What identifies the caller, whatever the run."""
        return f"{self.tenant}/{self.user}"

    def key(self, mark: str) -> str:
        """The demo key in the run with this mark."""
        return f"demo-{self.tenant}_{mark}-{self.user}"


def new_mark() -> str:
    """What tells a run's tenants from those of every other run: letters, which no filter takes for a number."""
    return "".join(random.SystemRandom().choices(string.ascii_lowercase, k=MARK_LETTERS))


def chosen(groups: Sequence[Callers], chance: random.Random) -> Caller:
    """A caller, by the weights of the groups."""
    (group,) = chance.choices(groups, [group.weight for group in groups])
    return member(group, chance.randrange(group.tenants), chance.randrange(group.users))


def numbered(groups: Sequence[Callers], number: int) -> Caller:
    """The caller of this number: groups by their weight, then tenants in turn, then users."""
    total = sum(group.weight for group in groups)
    place, begun = (number * 0.6180339887498949) % 1.0 * total, 0.0  # spreads evenly however many there are
    for group in groups:
        begun += group.weight
        if place < begun:
            break
    turn, tenant = divmod(number, group.tenants)
    return member(group, tenant, turn % group.users)


def member(group: Callers, tenant: int, user: int) -> Caller:
    """One user of a group."""
    return Caller(group.name, f"{group.name.replace('-', '')}{tenant + 1}", f"u{user + 1}")
