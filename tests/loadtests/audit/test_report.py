"""Verdicts of claims, items and audits, and the forms in which they are told."""

import io

import pytest
from rich.console import Console

from loadtests.audit.claims import Case, Claim, Verdict, verdict_of
from loadtests.audit.report import Finding, Report
from loadtests.audit.show import show

P, R, U = Verdict.PROVED, Verdict.REFUTED, Verdict.UNOBSERVABLE


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [([P, P], P), ([P, U], U), ([U, R, P], R), ([R], R), ([], U)],
    ids=["all", "one unseen", "one refuted", "refuted alone", "none"],
)
def test_one_claim_refutes_and_one_unseen_keeps_it_from_being_a_proof(claims: list[Verdict], verdict: Verdict) -> None:
    assert verdict_of([Claim(one, "words") for one in claims]) is verdict


@pytest.mark.parametrize(("verdicts", "code"), [([P, P], 0), ([P, U], 2), ([U, R], 1), ([], 2)])
def test_the_exit_code_is_the_worst_of_the_items(verdicts: list[Verdict], code: int) -> None:
    findings = [Finding(n, "promise", [Claim(one, "words")], 0.1) for n, one in enumerate(verdicts, 1)]
    assert Report("http://x", 0, 1, findings).exit_code == code


@pytest.fixture
def report() -> Report:
    case = Case()
    case.proved("Seen | to hold.")
    case.unobservable("Not seen.", "--simulator URL")
    case.unobservable("Not seen either.", "--simulator URL")
    return Report("http://x", 0, 1, [Finding(1, "A promise", case.claims, 0.1)], ["a note"])


def test_markdown_has_a_row_with_all_evidence(report: Report) -> None:
    evidence = r"✓ Seen \| to hold.<br>? Not seen.<br>? Not seen either.<br>needs --simulator URL"
    row = f"| 1 | A promise | UNOBSERVABLE | {evidence} |"
    assert row in report.as_markdown().splitlines()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_grid_fits_any_terminal(report: Report, width: int) -> None:
    out = io.StringIO()
    show(report, Console(file=out, width=width))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "UNOBSERVABLE" in out.getvalue()
    assert "0 proved, 0 refuted, 1 unobservable" in " ".join(out.getvalue().split())
