"""The newest jobs and runs as a table in HTML: where each stands, how far it is, and its story in words.

The service's lists know the present; while it is away the collector still has those that ended. Words of users and
models are text here. Read `../story/work.py` next: the words.
"""

from collections.abc import Sequence
from html import escape

import pandas as pd  # type: ignore[import-untyped]

from ..backends.service import Row
from ..feed.work import LISTED, Lists
from ..feed.work_figures import ENDINGS, JOB
from ..look.palette import ENDINGS as ENDING_MEANINGS
from ..look.palette import GREY, WORK, Meaning, colours, words
from ..story import work as story
from ..story.steps import usd
from .chip import STYLE as CHIP_STYLE
from .chip import chip
from .link import request_link

STEPS_OF_A_RUN = len(story.STEPS)

_STYLE = f"""<style>
.g-work{{border:1px solid rgba(128,128,128,.4);border-radius:6px;overflow-x:auto}}
.g-work table{{width:100%;border-collapse:collapse;margin:0}}
.g-work th,.g-work td{{padding:4px 8px;font-size:.8rem;text-align:left;border:0;
border-bottom:1px solid rgba(128,128,128,.2);vertical-align:top}}
.g-work .g-part{{height:.45rem;width:84px;border-radius:.25rem;overflow:hidden;background:rgba(128,128,128,.25);
margin:.35rem 0 .1rem}}
.g-work .g-part div{{height:100%}}
.g-work small{{opacity:.75}}
.g-work td:nth-child(4){{white-space:nowrap}}
{CHIP_STYLE}</style>"""


def table_html(rows: Sequence[str]) -> str:
    """The rows under their heads."""
    heads = "".join(f"<th>{head}</th>" for head in ("what", "whose", "stands at", "age", "its story"))
    body = "".join(rows)
    return f'{_STYLE}<div class="g-work"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def listed_rows(lists: Lists, now: float) -> list[str]:
    """Jobs and runs together, newest first."""
    jobs = [(float(job["created_at"]), _job(job, now)) for job in lists.jobs or ()]
    runs = [(float(run["created_at"]), _run(run, now)) for run in lists.runs or ()]
    return [html for _, html in sorted([*jobs, *runs], key=lambda row: -row[0])[:LISTED]]


def _job(job: Row, now: float) -> str:
    done, total = story.progress(job)
    whose = f"{job.get('tenant') or ''}/{job.get('user') or ''}".strip("/")
    share = done / total if total else 0.0
    kind = str(job.get("kind") or "job")
    return _row(
        kind,
        job["job_id"],
        job.get("trace_id"),
        whose,
        job["status"],
        share,
        now - job["created_at"],
        story.of_job(job, now),
    )


def _run(run: Row, now: float) -> str:
    done = {step["step"] for step in run["steps"] if step.get("ended") is not None and not step.get("paused")}
    share = 1.0 if run.get("ended_at") else len(done) / STEPS_OF_A_RUN
    owner = run["owner"] or {}
    whose = f"{owner.get('tenant', '')}/{owner.get('user', '')}"
    return _row(
        "refund",
        run["run_id"],
        run.get("trace_id"),
        whose,
        run["status"],
        share,
        now - run["created_at"],
        story.of_run(run, now),
    )


def ended_rows(ended: pd.DataFrame, now: float) -> list[str]:
    """Those that the collector knows to have ended, newest first as it gives them: no progress, nothing that runs."""
    named = {one.key: one for one in ENDING_MEANINGS}
    rows = []
    for row in ended.head(LISTED).itertuples(index=False):
        meaning = named[ENDINGS.get(row.outcome, "answered")]
        parts = [story.OUTCOMES.get(row.outcome, str(row.outcome))]
        if pd.notna(row.started):
            parts.append(f"waited {story.age(row.started - row.created)}; ran {story.age(row.ended - row.started)}")
        if pd.notna(row.times) and row.times > 1:
            parts.append(f"taken up {row.times:.0f} times")
        if pd.notna(row.cost_nano_usd) and row.cost_nano_usd:
            parts.append(usd(int(row.cost_nano_usd)))
        kind = str(row.kind or "job") if row.event == JOB else "refund"
        rows.append(
            _cells(kind, row.id, row.trace_id, str(row.tenant or ""), meaning, 1.0, now - row.t, "; ".join(parts) + ".")
        )
    return rows


def _row(
    kind: str, id_: str, trace_id: str | None, whose: str, status: str, share: float, old_s: float, told: str
) -> str:
    meaning = Meaning(status, words(WORK).get(status, status), colours(WORK).get(status, GREY))
    return _cells(kind, id_, trace_id, whose, meaning, share, old_s, told)


def _cells(
    kind: str, id_: str, trace_id: str | None, whose: str, meaning: Meaning, share: float, old_s: float, told: str
) -> str:
    whole = str(id_)
    short = whole[:12]
    plain = f'<span title="{escape(whole)}">{escape(short)}</span>'
    name = request_link(str(trace_id), short, title=whole) if trace_id else plain
    filled = f"width:{min(max(share, 0.0), 1.0):.0%};background:{meaning.colour}"
    bar = f'<div class="g-part"><div style="{filled}"></div></div>'
    return (
        f"<tr><td>{escape(kind)}<br><small>{name}</small></td><td>{escape(whose)}</td>"
        f"<td>{chip('', meaning.words, meaning.colour)}{bar}</td><td>{escape(story.age(old_s))}</td>"
        f"<td>{escape(told)}</td></tr>"
    )
