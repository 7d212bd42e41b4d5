"""Long documents that a job sums up: minutes of incidents that never happened, made by the seed.

Each paragraph has its own finding, so that a summary that lost one could be told from a whole one. Read `arrivals.py`
next.
"""

import random

from loadtests.scenario.questions import TOPICS

PARAGRAPHS = 50
SENTENCES = 10
"""Some forty thousand characters in all: five or six parts for a map-reduce summary."""

OPENINGS = (
    "In week {} the on-call engineer of team {} was woken by an alert about {}.",
    "During release {} of project {} somebody asked whether there was {}.",
    "After drill {} the minutes of group {} begin with {}.",
)
MIDDLES = (
    "The dashboards showed nothing unusual except for {}.",
    "It turned out that nobody had ever tested {} under load.",
    "Two people remembered that {} had been discussed before, and that the decision was never written down.",
    "A change to {} was rolled back within the hour.",
    "The vendor was asked about {}, and answered a day later.",
    "Customers noticed it only where {} was missing as well.",
    "The first hypothesis, that it had to do with {}, was wrong.",
)
FINDINGS = (
    "The finding is that {} has to be owned by a named person.",
    "The finding is that {} needs a test that fails without it.",
    "The finding is that {} costs less than the outage did.",
)


def document(mark: str, chance: random.Random) -> str:
    """The one of this `mark`, which is in no other."""
    return "\n\n".join([f"Minutes {mark}.", *(_paragraph(mark, chance) for _ in range(PARAGRAPHS))])


def _paragraph(mark: str, chance: random.Random) -> str:
    opening = chance.choice(OPENINGS).format(mark, chance.choice(("amber", "birch", "cedar", "dune")), _topic(chance))
    middles = [chance.choice(MIDDLES).format(_topic(chance)) for _ in range(SENTENCES - 2)]
    return " ".join([opening, *middles, chance.choice(FINDINGS).format(_topic(chance))])


def _topic(chance: random.Random) -> str:
    return chance.choice(TOPICS)
