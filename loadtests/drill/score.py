"""From what happened and what the player did to points: 100 at most.

| part | points | all of them for | none for |
|---|---|---|---|
| detect | 20 | the alarm within 10 s of the beginning | 60 s and later |
| diagnose | 35 | provider 10, fault 20 (10 when nearly right), since when 5 (within 5 s; none from 20 s off) | wrong |
| mitigate | 30 | well again within 20 s of the beginning | 120 s and later, or not well at the end |
| budget | 15 | no more bad requests than the error budget | ten times as many |

A diagnosis later than 30 s counts less, down to half of its points at 120 s: late and right is still right. The last
one counts, and each before it costs 3 points. An alarm or a diagnosis before the beginning is a false alarm and costs
10. Whoever never noticed anything after the beginning gets nothing for what the stages did by themselves. Read
`drill.py` next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.books.client import Entry
from loadtests.drill import objective
from loadtests.drill.kinds import RIGHT, rightness
from loadtests.drill.moves import Diagnosis, Moves
from loadtests.drill.objective import Budget

DETECT, PROVIDER, KIND, SINCE, MITIGATE, BUDGET = 20.0, 10.0, 20.0, 5.0, 30.0, 15.0
DETECT_S, DIAGNOSE_S, MITIGATE_S, SINCE_S = (10.0, 60.0), (30.0, 120.0), (20.0, 120.0), (5.0, 20.0)
"""All points up to the first, the least from the second."""

BUDGETS = (1.0, 10.0)
LATE_SHARE = 0.5
FALSE_ALARM, GUESS = 10.0, 3.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What was hidden: `provider` was broken from `began` until `ended` (Unix seconds) in the way that `kind` says."""

    provider: str
    kind: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the score: what was measured in words, and the points of `most`."""

    name: str
    said: str
    points: float
    most: float


@dataclass(frozen=True, slots=True)
class Score:
    """`detected_s`, `diagnosed_s` and `mitigated_s` after the beginning; None: it was not."""

    parts: Sequence[Part]
    points: int
    detected_s: float | None
    diagnosed_s: float | None
    mitigated_s: float | None
    budget: Budget
    false_alarms: int
    guesses: int


def scored(truth: Truth, moves: Moves, entries: Sequence[Entry], began: float, over: float) -> Score:
    """The score of a drill from `began` to `over`; `entries` are the client's book."""
    t = truth.began
    heard = moves.times("alarm", "diagnose")
    false_alarms = sum(at < t for at in heard)
    detected_s = min((at - t for at in heard if at >= t), default=None)
    noticed = any(at >= t for at in moves.times("alarm", "diagnose", "act"))
    diagnoses = [diagnosis for diagnosis in moves.diagnoses if diagnosis.t >= t]
    guesses = max(len(diagnoses) - 1, 0)
    last = diagnoses[-1] if diagnoses else None
    well = objective.well_since(entries, t, over)
    mitigated_s = None if well is None else well - t
    spent = objective.budget(entries, began, over)
    parts = [
        _detect(detected_s),
        *_diagnose(last, truth),
        _mitigate(mitigated_s, noticed=noticed),
        _budget(spent, noticed=noticed),
    ]
    if false_alarms:
        parts.append(Part("false alarms", str(false_alarms), -FALSE_ALARM * false_alarms, 0.0))
    if guesses:
        parts.append(Part("guesses", f"{guesses} before the last diagnosis", -GUESS * guesses, 0.0))
    diagnosed_s = last.t - t if last and _right(last, truth) else None
    points = round(min(max(sum(part.points for part in parts), 0.0), 100.0))
    return Score(parts, points, detected_s, diagnosed_s, mitigated_s, spent, false_alarms, guesses)


def _right(diagnosis: Diagnosis, truth: Truth) -> bool:
    return diagnosis.provider == truth.provider and rightness(diagnosis.kind, truth.kind) == RIGHT


def _detect(detected_s: float | None) -> Part:
    if detected_s is None:
        return Part("detect", "no alarm", 0.0, DETECT)
    return Part("detect", f"{detected_s:.0f} s after it began", DETECT * _share(detected_s, DETECT_S), DETECT)


def _diagnose(said: Diagnosis | None, truth: Truth) -> Sequence[Part]:
    if said is None:
        return [Part("diagnose", "no diagnosis", 0.0, PROVIDER + KIND + SINCE)]
    late_s = said.t - truth.began
    share = LATE_SHARE + (1 - LATE_SHARE) * _share(late_s, DIAGNOSE_S)
    is_provider = said.provider == truth.provider
    right = rightness(said.kind, truth.kind) if is_provider else 0.0
    verdict = "right" if right == RIGHT else "nearly right" if right else "wrong"
    parts = [
        Part("which provider", f"{said.provider}, {late_s:.0f} s after", PROVIDER * share * is_provider, PROVIDER),
        Part("which fault", f"{said.kind}: {verdict}", KIND * share * right, KIND),
    ]
    if said.began is None:
        return [*parts, Part("since when", "not said", 0.0, SINCE)]
    off_s = abs(said.began - truth.began)
    return [
        *parts,
        Part("since when", f"{off_s:.0f} s off", SINCE * share * is_provider * _share(off_s, SINCE_S), SINCE),
    ]


def _mitigate(mitigated_s: float | None, *, noticed: bool) -> Part:
    if mitigated_s is None:
        return Part("mitigate", "not well at the end", 0.0, MITIGATE)
    said = "it never hurt: the stages held" if mitigated_s == 0 else f"well again after {mitigated_s:.0f} s"
    if not noticed:
        return Part("mitigate", f"{said}, without you", 0.0, MITIGATE)
    return Part("mitigate", said, MITIGATE * _share(mitigated_s, MITIGATE_S), MITIGATE)


def _budget(spent: Budget, *, noticed: bool) -> Part:
    said = f"{spent.bad} of {spent.asked} requests were bad: {spent.spent * 100:.0f} % of the error budget"
    return Part("budget", said, BUDGET * _share(spent.spent, BUDGETS) * noticed, BUDGET)


def _share(value: float, bounds: tuple[float, float]) -> float:
    """1 up to the first bound, 0 from the second, a straight line between."""
    return min(max((bounds[1] - value) / (bounds[1] - bounds[0]), 0.0), 1.0)
