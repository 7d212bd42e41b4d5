"""How often the right passage is found: recall at 5 and MRR of each step of the search, by kind of question.

    python -m loadtests.bench.retrieval.quality [--json FILE]

Recall at 5 is the share of questions with a right passage among the first five; MRR the mean of 1 / rank of the first
right one among the first ten, 0 where there is none. The search runs in the real service over HTTP. The result is kept
for the dashboard's Experiments page. Read `questions.toml` next.
"""

import argparse
import json
import sys
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from loadtests.bench.processes import ROOT, DidNotStartError
from loadtests.bench.retrieval.stage import ADMIN, stage
from loadtests.bench.subjects import request

QUESTIONS = Path(__file__).with_name("questions.toml")
KEPT = ROOT / ".gauntlet" / "retrieval.json"
"""Beside the recorded runs: where the dashboard looks."""
MODES = ("lexical", "dense", "hybrid", "rerank")
NAMES = {"rerank": "hybrid + rerank"}
RECALL_AT = 5
DEPTH = 10
CORPUS = "handbook/"
ALL = "all"


class NotMeasured(Exception):  # noqa: N818 - named for what happened
    """The service did not search as asked; the message says for which question."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the ids of the passages that answer it."""

    text: str
    right: frozenset[str]
    kind: str


@dataclass(frozen=True, slots=True)
class Quality:
    """Of one mode and one kind of question."""

    questions: int
    recall: float
    mrr: float


def questions(path: Path = QUESTIONS) -> list[Question]:
    """The questions of the file; passages are named `file#anchor` there."""
    given = tomllib.loads(path.read_text("utf-8"))["question"]
    return [Question(one["text"], frozenset(map(_id, one["passages"])), one["kind"]) for one in given]


def _id(name: str) -> str:
    file, _, anchor = name.partition("#")
    return f"{CORPUS}{file}.md#{anchor}"


def first_right(found: Sequence[str], right: frozenset[str]) -> int | None:
    """The rank, from 1, of the first right passage."""
    return next((rank for rank, name in enumerate(found, 1) if name in right), None)


def quality(ranks: Iterable[int | None]) -> Quality:
    """From the rank of the first right passage of each question."""
    given = list(ranks)
    recall = sum(rank is not None and rank <= RECALL_AT for rank in given) / len(given)
    return Quality(len(given), recall, sum(1 / rank for rank in given if rank) / len(given))


def measure(url: str, asked: Sequence[Question]) -> dict[str, dict[str, Quality]]:
    """Mode -> kind of question (and `all`) -> quality. Raises NotMeasured."""
    measured: dict[str, dict[str, Quality]] = {}
    for mode in MODES:
        ranks = {question: first_right(_found(url, question.text, mode), question.right) for question in asked}
        kinds = dict.fromkeys(question.kind for question in asked)
        of_kind = {kind: quality(rank for one, rank in ranks.items() if one.kind == kind) for kind in kinds}
        measured[mode] = {ALL: quality(ranks.values()), **of_kind}
    return measured


def _found(url: str, text: str, mode: str) -> list[str]:
    """Ids of the passages that the service finds. What was searched otherwise than asked for measures nothing."""
    status, said = request(f"{url}/retrieve", "POST", {"query": text, "mode": mode, "k": DEPTH}, ADMIN)
    wanted = "hybrid+rerank" if mode == "rerank" else mode
    if status != 200 or said["mode"] != wanted or said["degraded"]:
        raise NotMeasured(f"{mode} search for {text!r}: expected {wanted}, got {status} {json.dumps(said)[:300]}")
    return [passage["id"] for passage in said["passages"]]


def is_best(measured: dict[str, dict[str, Quality]]) -> bool:
    """Whether hybrid + rerank is best over all questions, by both figures."""
    last, *others = (measured[mode][ALL] for mode in reversed(MODES))
    return all(last.recall >= one.recall and last.mrr > one.mrr for one in others)


def document(measured: dict[str, dict[str, Quality]]) -> dict[str, Any]:
    """As it is kept."""
    rows = [
        {"mode": NAMES.get(mode, mode), "kind": kind, "questions": q.questions, "recall": q.recall, "mrr": q.mrr}
        for mode, kinds in measured.items()
        for kind, q in kinds.items()
    ]
    return {"at": time.time(), "recall_at": RECALL_AT, "rows": rows}


def table(measured: dict[str, dict[str, Quality]]) -> Table:
    """Modes as rows, kinds as columns, `recall@5 / MRR` in the cells."""
    first = next(iter(measured.values()))
    shown = Table(title=f"recall@{RECALL_AT} / MRR by kind of question", title_justify="left")
    shown.add_column("")
    for kind, one in first.items():
        shown.add_column(f"{kind} ({one.questions})", justify="right")
    for mode, kinds in measured.items():
        shown.add_row(NAMES.get(mode, mode), *(f"{one.recall:.2f} / {one.mrr:.3f}" for one in kinds.values()))
    return shown


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, keep: 0 when hybrid + rerank is best over all, else 1."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.retrieval.quality", description="Search quality.")
    parser.add_argument("--json", type=Path, default=KEPT, help="where the result is kept (default %(default)s)")
    arguments = parser.parse_args(words)
    console = Console()
    try:
        with stage(ROOT / ".gauntlet" / "bench" / "logs") as running:
            measured = measure(running.url, questions())
    except (DidNotStartError, NotMeasured) as error:
        console.print(str(error), markup=False)
        return 1
    console.print(table(measured))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(document(measured), indent=1) + "\n")
    verdict = "is best" if is_best(measured) else "is NOT best"
    console.print(f"hybrid + rerank {verdict} over all questions; kept in {arguments.json}")
    return 0 if is_best(measured) else 1


if __name__ == "__main__":
    sys.exit(main())
