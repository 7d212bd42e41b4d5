"""Many requests for the same answer: their sum, and a row for each in HTML. Read `passages.py` next."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from ..backends.http import Away, Refused
from ..look.glossary import explained
from ..look.palette import ANSWERS, GREEN, GREY, colours, words
from ..look.states import show_away
from .asking import LIMITED, TICK_S, Asked, AtOnce, Seen
from .chip import STYLE as CHIP_STYLE
from .chip import chip
from .link import request_link
from .passages import STAGES, Tile, calls_in, rows_of
from .stage_row import NAMES

_STYLE = f"""<style>
.g-grid{{max-height:620px;overflow:auto;border:1px solid rgba(128,128,128,.4);border-radius:6px}}
.g-grid table{{width:100%;border-collapse:collapse;margin:0}}
.g-grid th,.g-grid td{{padding:3px 6px;font-size:.75rem;text-align:left;border:0;
border-bottom:1px solid rgba(128,128,128,.2);vertical-align:top}}
.g-grid th abbr{{text-decoration:underline dotted;text-underline-offset:3px;cursor:help}}
.g-grid .g-n{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
{CHIP_STYLE}</style>"""


@dataclass(slots=True)
class Sum:
    """What they came to: an answer is shared, hit or own, and may be degraded besides. `usd`: of what has a price."""

    ended: int = 0
    calls: int = 0
    own: int = 0
    shared: int = 0
    hit: int = 0
    degraded: int = 0
    limited: int = 0
    failed: int = 0
    usd: float = 0.0


def sum_of(all_of_them: Sequence[Asked]) -> Sum:
    """The sum so far; calls are counted from the paths that came back."""
    total = Sum()
    for asked in all_of_them:
        seen = asked.seen
        total.calls += calls_in(seen.path)
        total.ended += asked.ended
        if seen.done is not None:
            _count(total, seen, seen.done)
        elif isinstance(asked.failure, Refused) and asked.failure.status == LIMITED:
            total.limited += 1
        elif asked.ended:
            total.failed += 1
    return total


def _count(total: Sum, seen: Seen, done: Mapping[str, Any]) -> None:
    total.usd += done["cost_usd"] or 0.0
    if done["source"] == "message":
        total.failed += 1
        return
    total.degraded += bool(done["degraded"])
    # A shared answer that is not what was wished has another source; one that was stored meanwhile is found as a hit.
    if done["source"] == "shared" or any(
        (event["stage"], event["decision"]) == ("cache", "shared") for event in seen.path
    ):
        total.shared += 1
    elif done["source"] == "cache":
        total.hit += 1
    else:
        total.own += 1


def show_at_once(at_once: AtOnce) -> None:
    """The sum and the rows, drawn anew until all have ended."""
    st.html(
        f'<div style="font-size:1.05rem"><b>You asked {len(at_once.all)} times at once:</b> '
        f"{escape(at_once.text)}</div>"
    )
    sums, grid, end = st.empty(), st.empty(), st.empty()
    while True:
        ended = at_once.ended
        total = sum_of(at_once.all)
        with sums.container():
            _show_sum(total, len(at_once.all))
        grid.html(grid_html(at_once.all))
        if ended:
            break
        time.sleep(TICK_S)
    away = [asked.failure for asked in at_once.all if isinstance(asked.failure, Away)]
    with end.container():
        show_away(away[:1])
        st.caption("A number opens that request's waterfall; rest the mouse on a cell to read its sentences.")


def _show_sum(total: Sum, number: int) -> None:
    st.markdown(_in_words(total, number), help=explained("single-flight"))
    rows = (
        ("Provider calls", str(total.calls), "Counted in the requests' own paths. " + explained("attempt")),
        ("Shared", str(total.shared), explained("single-flight")),
        ("Cache hits", str(total.hit), explained("cache")),
        ("Degraded", str(total.degraded), explained("degraded")),
        ("Limited", str(total.limited), "Refused with 429. " + explained("rate_limit")),
        ("Failed", str(total.failed), "Honest messages, errors, and what nobody answered."),
        ("Cost, USD", f"{total.usd:.5f}", explained("cost")),
    )
    columns = st.columns([1.15] + [1] * (len(rows) - 2) + [1.5])
    for column, (label, value, help_) in zip(columns, rows, strict=True):
        column.metric(label, value, help=help_)


def _in_words(total: Sum, number: int) -> str:
    calls = "1 call to a provider" if total.calls == 1 else f"{total.calls} calls to providers"
    kinds = (
        (total.own, "went through the stages"),
        (total.shared, "shared with who asked first"),
        (total.hit, "from the cache"),
        (total.limited, "refused by the rate limit"),
        (total.failed, "failed"),
        (number - total.ended, "under way"),
    )
    return f"**{number} requests, {calls}:** " + ", ".join(f"{count} {kind}" for count, kind in kinds if count) + "."


def grid_html(all_of_them: Sequence[Asked]) -> str:
    """One row per request: the last decision of each stage, where the answer came from, and its time."""
    stages = "".join(f'<th><abbr title="{escape(explained(stage))}">{NAMES[stage]}</abbr></th>' for stage in STAGES)
    head = f'<tr><th class="g-n">no.</th>{stages}<th>answer from</th><th class="g-n">ms</th></tr>'
    body = "".join(_row(number, asked) for number, asked in enumerate(all_of_them, 1))
    return f'{_STYLE}<div class="g-grid"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _row(number: int, asked: Asked) -> str:
    seen = asked.seen
    by_stage: dict[str, list[Tile]] = {}
    for row in rows_of(seen.path):
        for stage, tile in row.tiles.items():
            by_stage.setdefault(stage, []).append(tile)
    cells = "".join(f"<td>{_cell(by_stage.get(stage, []))}</td>" for stage in STAGES)
    link = request_link(str(asked.request_id), str(number), title="open its waterfall")
    ms = "" if asked.took_ms is None else f"{asked.took_ms:,.0f}"
    return f'<tr><td class="g-n">{link}</td>{cells}<td>{_came(asked, seen)}</td><td class="g-n">{ms}</td></tr>'


def _cell(tiles: Sequence[Tile]) -> str:
    """The last passage's decision; how often the stage was passed, when more than once; all sentences on hover."""
    if not tiles:
        return ""
    look = tiles[-1].state.value
    times = f" ×{len(tiles)}" if len(tiles) > 1 else ""
    hover = "\n".join(f"{line.sentence}" for tile in tiles for line in tile.lines)
    return chip(look.sign, tiles[-1].decision.replace("_", " ") + times, look.colour, hover=hover)


def _came(asked: Asked, seen: Seen) -> str:
    colour, failure = colours(ANSWERS), asked.failure
    if seen.done is not None:
        source = seen.done["source"]
        return _told(
            "", words(ANSWERS).get(source, source), colour.get(source, GREEN), ", ".join(seen.done["degraded"])
        )
    if isinstance(failure, Refused):
        whose = "rejected" if failure.status < 500 else "failed"
        return _told("■", f"refused ({failure.status})", colour[whose], str(failure))
    if failure is not None:
        return _told("✕", "failed", colour["failed"], str(failure))
    if seen.error is not None:
        return _told("✕", "failed", colour["failed"], seen.error["detail"])
    if asked.ended:
        return _told("✕", "failed", colour["failed"], "the stream ended without saying how")
    return chip("…", "under way", GREY)


def _told(sign: str, word: str, colour: str, more: str) -> str:
    return f"{chip(sign, word, colour)} {escape(more)}"
