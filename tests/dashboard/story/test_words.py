"""Every decision has words, with the inputs it was taken from where they are known."""

import ast
import string
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.story import words

SERVICE = Path(words.__file__).parents[2] / "service"


@pytest.mark.parametrize(
    ("stage", "decision", "inputs", "said"),
    [
        (
            "retry",
            "wait",
            {
                "wait_s": 0.212,
                "jitter_of_s": 0.5,
                "budget_left": 17.0,
                "after": "provider_error",
                "attempt": 1,
                "of": 4,
            },
            "waited 212 ms: full jitter of 500 ms, Retry-After absent, budget 17 left, after provider error",
        ),
        ("retry", "wait", {}, "waited"),
        ("retry", "wait", {"wait_s": 0.3, "retry_after_s": 0.25}, "waited 300 ms: Retry-After of 250 ms and a spread"),
        ("retry", "no_budget", {"budget_left": 0.25}, "no retry: the budget is used up, 0.25 left"),
        ("cache", "miss", {"stale": False}, "no fresh answer is stored"),
        ("cache", "miss", {"stale": True}, "no fresh answer is stored; a stale one is at hand"),
        ("cache", "hit", {"age_s": 3661.5}, "a stored answer, 3,662 s old"),
        (
            "fallback",
            "rung",
            {"rung": 0, "provider": "anthropic", "model": "m_1", "last": False, "why": "first of the route"},
            "tries rung 0: anthropic m_1 (first of the route)",
        ),
        ("fallback", "rung", {"provider": "openai", "last": True}, "tries openai, the last rung"),
        (
            "fallback",
            "message",
            {"reasons": ["anthropic:timed_out", "openai:paused"], "retry_after_s": 3},
            "answers with the honest message, because anthropic:timed out, openai:paused; again in 3 s",
        ),
        ("breaker", "closed", {"provider": "openai", "failures": 0}, "closed for openai, 0 failed in a row"),
        (
            "call",
            "stream_broken",
            {"attempt": 2, "duration_ms": 1234.5},
            "failed with stream broken, call 2 in all, after 1,234 ms",
        ),
        ("bulkhead", "off", {}, "switched off, stepped over"),
        ("shed", "some_thing", {"level": 2.5, "ok": True}, "some thing: level 2.5, ok yes"),
        ("shed", "some_thing", {}, "some thing"),
    ],
)
def test_a_sentence(stage: str, decision: str, inputs: dict[str, object], said: str) -> None:
    assert words.sentence(stage, decision, inputs) == said


def test_no_sentence_needs_an_input() -> None:
    for stage, decision in words.SENTENCES:
        said = words.sentence(stage, decision, {})
        assert said
        assert not set(said) & set("{}[]")
        assert said.strip(string.whitespace + ",;:") == said


def test_every_decision_that_a_stage_spells_out_has_a_sentence_of_its_own() -> None:
    known = {decision for _, decision in words.SENTENCES} | {"off"}
    spelled: set[str] = set()
    for path in (SERVICE / "stages").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "report":
                # Branches of a conditional count; a name is decided elsewhere.
                spelled |= {str(part.value) for part in ast.walk(node.args[1]) if isinstance(part, ast.Constant)}
    assert len(spelled) > 20
    assert spelled <= known


def test_a_wait_after_a_5xx_says_whose_retry_after_counts() -> None:
    said = words.sentence("retry", "wait", {"wait_s": 0.2, "jitter_of_s": 0.2, "after": "unavailable"})
    assert said == (
        "waited 200 ms: full jitter of 200 ms, Retry-After absent, after unavailable (only a 429's Retry-After counts)"
    )


def test_a_story_needs_neither_the_pages_nor_the_command_line() -> None:
    code = "import sys, dashboard.story.steps, dashboard.story.attempts, dashboard.story.pseudonym; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not set(said.stdout.split()) & {"streamlit", "rich", "pandas", "door"}
