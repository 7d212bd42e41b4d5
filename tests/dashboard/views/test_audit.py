"""The audit on the Checklist page: each verdict with its evidence; none yet; one that cannot be read."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.checklist.audit import SIGNS, Verdict, newest
from loadtests.audit.claims import Case
from loadtests.audit.items import ITEMS
from loadtests.audit.report import Finding, Report

App = Callable[..., AppTest]
PAGE = "from dashboard.views import audit\naudit.show()"


@pytest.fixture
def report() -> Report:
    """What an audit writes: one item refuted, one unobservable, the others proved."""
    findings = []
    for item in ITEMS:
        case = Case()
        case.proved(f"Item {item.number} was seen *to hold*.")
        if item.number == 3:
            case.refuted("One user took all.")
        if item.number == 8:
            case.unobservable("The store was not paused.", "[store] pid")
        findings.append(Finding(item.number, item.promise, case.claims, 0.5))
    now = time.time()
    return Report("http://127.0.0.1:8000", now - 320, now - 300, findings, ["a note"], "gauntlet audit --only 1,2")


def kept(folder: Path, name: str, text: bytes) -> Path:
    (folder / "audits").mkdir(exist_ok=True)
    (folder / "audits" / name).write_bytes(text)
    return folder / "runs"


def ran(page: AppTest) -> AppTest:
    st.cache_data.clear()
    page.run()
    assert not page.exception, page.exception
    return page


def test_each_item_has_its_verdict_and_what_was_tried(app: App, tmp_path: Path, report: Report) -> None:
    runs = kept(tmp_path, "20260101-000000-000001.json", report.as_json())
    page = ran(app("audit", runs=runs))
    pills = [str(getattr(html, "body", "")) for html in page.get("html")]
    assert ["refuted" in pill for pill in pills] == [number == 3 for number in range(1, 11)]
    assert ["unobservable" in pill for pill in pills] == [number == 8 for number in range(1, 11)]
    said = [element.value for element in page.markdown]
    assert said[0].startswith("**8 proved**, **1 refuted**, **1 unobservable** at `http://127.0.0.1:8000`, 5 min ago")
    for item in ITEMS:
        at = said.index(f"**{item.number}. {item.promise}**")
        assert f"Item {item.number} was seen \\*to hold\\*." in said[at + 1]
    captions = [element.value for element in page.caption]
    assert "Again: `gauntlet audit --only 1,2`" in captions
    assert "To see the rest: \\[store\\] pid" in captions
    assert "Note: a note" in captions


def test_the_newest_counts(app: App, tmp_path: Path, report: Report) -> None:
    kept(tmp_path, "20260101-000000-000001.json", b"broken")
    runs = kept(tmp_path, "20260102-000000-000001.json", report.as_json())
    assert len(ran(app("audit", runs=runs)).get("html")) == len(ITEMS)


def test_before_any_audit_it_says_how_one_is_made(app: App) -> None:
    page = ran(app("audit"))
    assert "No audit was kept yet" in page.markdown[0].value
    assert not page.get("html")


@pytest.mark.parametrize(
    "text", [b"{", b'{"form": 1}', b'{"form": 2, "service": "", "began": 1, "ended": 1, "items": []}']
)
def test_one_that_cannot_be_read_is_said(app: App, tmp_path: Path, text: bytes) -> None:
    page = ran(app("audit", runs=kept(tmp_path, "20260101-000000-000001.json", text)))
    assert "20260101-000000-000001.json" in page.warning[0].value.replace("\\", "")


def test_it_is_on_the_checklist_page_beside_the_live_evidence(app: App, tmp_path: Path, report: Report) -> None:
    runs = kept(tmp_path, "20260101-000000-000001.json", report.as_json())
    page = ran(app("checklist", runs=runs))
    assert [tab.label for tab in page.tabs] == ["Live evidence", "Audit"]
    assert len(page.tabs[1].get("html")) == len(ITEMS)


def test_both_houses_have_the_same_verdicts(tmp_path: Path, report: Report) -> None:
    kept(tmp_path, "1.json", report.as_json())
    read = newest(tmp_path / "audits")
    assert read is not None
    assert [item.verdict.value for item in read.items] == [finding.verdict.value for finding in report.findings]
    assert len(SIGNS) == len(Verdict)
