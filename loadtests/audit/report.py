"""What an audit came to: the verdict of each item with its evidence, the exit code, as JSON and as Markdown.

The JSON is what `gauntlet audit --json` writes and what the dashboard reads; docs/audit.md has its fields.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from loadtests.audit.claims import Claim, Verdict, verdict_of

FORM = 1
"""Raised with any change to the JSON."""
PROVED, REFUTED, NOT_ALL_SEEN = 0, 1, 2
SIGNS = {Verdict.PROVED: "✓", Verdict.REFUTED: "✗", Verdict.UNOBSERVABLE: "?"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One item."""

    number: int
    promise: str
    claims: Sequence[Claim]
    took_s: float

    @property
    def verdict(self) -> Verdict:
        """Of all claims together."""
        return verdict_of(self.claims)

    @property
    def needs(self) -> list[str]:
        """What would have made the rest observable, each once."""
        return list(dict.fromkeys(claim.needs for claim in self.claims if claim.needs))


@dataclass(frozen=True, slots=True)
class Report:
    """One audit; times in Unix seconds."""

    service: str
    began: float
    ended: float
    findings: Sequence[Finding]
    notes: Sequence[str] = ()
    command: str = ""

    @property
    def exit_code(self) -> int:
        """0 all proved, 1 something refuted, 2 nothing refuted and something not to be seen."""
        found = {finding.verdict for finding in self.findings}
        if Verdict.REFUTED in found:
            return REFUTED
        return PROVED if found == {Verdict.PROVED} else NOT_ALL_SEEN

    def count(self, verdict: Verdict) -> int:
        """How many items have this verdict."""
        return sum(finding.verdict is verdict for finding in self.findings)

    @property
    def summary(self) -> str:
        """The counts in words."""
        return ", ".join(f"{self.count(verdict)} {verdict}" for verdict in Verdict)

    def as_json(self) -> bytes:
        """The whole, for programs."""
        return orjson.dumps(
            {
                "form": FORM,
                "service": self.service,
                "began": self.began,
                "ended": self.ended,
                "command": self.command,
                "exit_code": self.exit_code,
                "counts": {verdict.value: self.count(verdict) for verdict in Verdict},
                "items": [_item(finding) for finding in self.findings],
                "notes": list(self.notes),
            },
            option=orjson.OPT_INDENT_2,
        )

    def as_markdown(self) -> str:
        """The whole, for a ticket or a page."""
        lines = [f"# Audit of {self.service}", "", f"{self.summary}; it took {self.ended - self.began:.0f} s.", ""]
        lines += ["| | promise | verdict | evidence |", "|---|---|---|---|"]
        for finding in self.findings:
            evidence = "<br>".join(f"{SIGNS[claim.verdict]} {_cell(claim.words)}" for claim in finding.claims)
            needs = f"<br>needs {_cell('; '.join(finding.needs))}" if finding.needs else ""
            lines.append(f"| {finding.number} | {finding.promise} | {finding.verdict.upper()} | {evidence}{needs} |")
        lines += [f"\nNote: {note}" for note in self.notes]
        return "\n".join(lines) + "\n"


def _item(finding: Finding) -> dict[str, Any]:
    return {
        "number": finding.number,
        "promise": finding.promise,
        "verdict": finding.verdict.value,
        "claims": [{"verdict": claim.verdict.value, "words": claim.words} for claim in finding.claims],
        "needs": finding.needs,
        "took_s": round(finding.took_s, 3),
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
