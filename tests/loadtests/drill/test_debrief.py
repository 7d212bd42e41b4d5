"""The debrief and `drill.json` of a drill that was played on paper."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from loadtests.books.client import Entry
from loadtests.books.run import Run
from loadtests.conduct import Finished
from loadtests.drill import SCENARIO, Played, debrief, document
from loadtests.drill.debrief import telling
from loadtests.drill.incidents import chosen, seed_of
from loadtests.drill.moves import Moves
from loadtests.drill.score import Truth, scored
from loadtests.scenario import named
from loadtests.verdict.evidence import Change, Evidence, Generator, Window
from loadtests.verdict.judge import Verdict
from tests.loadtests.drill.made import BEGAN, book, entry, moves

SEED = seed_of("no-net")
OVER = BEGAN + 120
TRUTH = Truth("anthropic", "errors", BEGAN + 20, OVER)
MADE = moves(
    (5, "alarm", "alarm"),
    (24, "alarm", "alarm"),
    (27, "diagnose", "anthropic errors 7"),
    (30, "act", "stage fallback on"),
)


def drilled(made: Moves, *, broke: bool = True, bad: tuple[float, float] = (20, 30), sent: int = 1200) -> Played:
    """A drill of two minutes, `no-net`, from made-up books."""
    entries = list(book(120, bad))
    changes = [Change(BEGAN + 21 + 0.01 * worker, "anthropic", "open") for worker in range(2)]
    evidence = Evidence(
        BEGAN, OVER, [Window("watch", BEGAN, OVER)], entries, changes=changes, generator=Generator(sent=sent)
    )
    run = Run(Path("run"), "run", BEGAN, SEED, "gauntlet drill", "", "", "")
    finished = Finished(run, named(str(SCENARIO)), SEED, evidence, Verdict("unknown", "stopped", [], "balanced"))
    score = scored(TRUTH, made, entries, BEGAN, OVER) if broke else None
    return Played(finished, chosen(SEED, 120.0), made, BEGAN, OVER, TRUTH if broke else None, score, practice=False)


def said(played: Played) -> str:
    out = StringIO()
    debrief(played, Console(file=out, width=100), "gauntlet drill --seed 6")
    return out.getvalue()


def test_it_tells_the_truth_what_was_done_and_what_would_have_helped() -> None:
    words = said(drilled(MADE))
    incident = chosen(SEED, 120.0).incident
    for wanted in (
        "of 100 points",
        incident.title,
        "fallback had been left off",
        "anthropic: status 50",
        "alarm (a false alarm)",
        "diagnose anthropic errors",
        "stage fallback on",
        "well again",
        "gauntlet drill --seed 6",
        "id-1000020.00",
    ):
        assert wanted in " ".join(words.split()), words
    assert words.count("the circuit of anthropic is open") == 1
    order = ["5 s", "20 s", "21 s", "24 s", "27 s", "30 s", "120 s"]
    lines = [line.strip() for line in words.splitlines()]
    places = [next(n for n, line in enumerate(lines) if line.startswith(at)) for at in order]
    assert places == sorted(places)


def test_what_is_not_well_at_the_end_is_said() -> None:
    assert "and it is not well" in " ".join(said(drilled(MADE, bad=(20, 120))).split())


def test_without_an_incident_there_is_nothing_to_score() -> None:
    words = said(drilled(moves((3, "alarm", "alarm"), (4, "end", "done")), broke=False))
    assert "nothing to score" in words
    assert "was no incident" in words
    assert document(drilled(moves(), broke=False))["score"] is None


def test_a_generator_that_was_saturated_is_doubted() -> None:
    played = drilled(MADE)
    doubted = Verdict("unknown", "the load generator is saturated: it was late", [], "balanced")
    assert "with care" not in said(played)
    assert "with care" in said(replace(played, finished=replace(played.finished, verdict=doubted)))


def test_the_document_is_json_and_has_what_was_hidden_done_and_scored() -> None:
    told = json.loads(json.dumps(document(drilled(MADE))))
    assert (told["incident"], told["off"], told["fault"]["hidden"]) == ("no-net", ["fallback"], True)
    assert [move["what"] for move in told["moves"]] == ["alarm", "alarm", "diagnose", "act"]
    assert told["score"]["false_alarms"] == 1
    assert told["score"]["spent"] > 1
    assert 0 < told["score"]["points"] < 100


def test_two_requests_tell_the_story_one_that_it_hurt_and_one_that_came_through() -> None:
    rescued = entry(BEGAN + 40.05, degraded=("anthropic:circuit_open",), source="provider")
    cached = entry(BEGAN + 30.01, source="cache", degraded=("anthropic:circuit_open",))
    entries: list[Entry] = sorted([*book(120, (20, 30)), rescued, cached], key=lambda one: one.t)
    score = scored(TRUTH, MADE, entries, BEGAN, OVER)
    (hurt, why), (well, why_well) = telling(entries, TRUTH, score, OVER)
    assert (hurt.t, well) == (BEGAN + 20, rescued)
    assert "failed (503)" in why
    assert "degraded by anthropic:circuit_open" in why_well
    held = [one for one in entries if one.outcome == "answered"]
    assert [one for one, _ in telling(held, TRUTH, scored(TRUTH, MADE, held, BEGAN, OVER), OVER)] == [rescued]
