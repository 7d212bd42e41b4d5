"""The stages as rows of tiles in HTML: what each decided, as a sentence, and its time. Read `chip.py` next."""

from collections.abc import Sequence
from html import escape

from ..look.glossary import explained
from .chip import STYLE as CHIP_STYLE
from .chip import chip
from .passages import STAGES, Row, State, Tile

NAMES = {stage: stage.replace("_", " ") for stage in STAGES}

_STYLE = f"""<style>
.g-row{{display:grid;grid-template-columns:repeat({len(STAGES)},minmax(0,1fr));gap:6px;margin:0 0 6px}}
.g-way{{font-size:.8rem;opacity:.75;margin:2px 0}}
.g-tile{{border:1px solid rgba(128,128,128,.4);border-top-width:4px;border-radius:6px;padding:5px 6px 4px;
font-size:.75rem;line-height:1.3;overflow-wrap:anywhere}}
.g-tile b{{display:block;font-size:.85rem;margin-bottom:3px}}
.g-tile abbr{{text-decoration:underline dotted;text-underline-offset:3px;cursor:help}}
.g-tile p{{font-size:.75rem;line-height:1.3;margin:4px 0 0}}
.g-tile .g-ms{{opacity:.7;font-variant-numeric:tabular-nums}}
.g-dim{{opacity:.7;border-style:dashed}}
.g-new{{box-shadow:0 0 0 2px rgba(128,128,128,.55)}}
{CHIP_STYLE}</style>"""


def rows_html(rows: Sequence[Row], *, ended: bool, asked: bool = True) -> str:
    """The rows; a row shows only where its passage went, the first one all stages.

    `ended`: no more comes, so a stage without a decision was not reached. `asked`: false for the empty row.
    """
    return _STYLE + "".join(
        _row(row, first=at == 0, ended=ended, asked=asked, newest=not ended and at == len(rows) - 1)
        for at, row in enumerate(rows)
    )


def _row(row: Row, *, first: bool, ended: bool, asked: bool, newest: bool) -> str:
    last = next(reversed(row.tiles), "")
    follows = STAGES[STAGES.index(last) + 1] if last in STAGES[:-1] else ""
    cells = []
    for column, stage in enumerate(STAGES, 1):
        tile = row.tiles.get(stage)
        if tile is not None:
            cells.append(_tile(tile, column, new=newest and stage == last))
        elif newest and stage == follows == "call":
            cells.append(_bare(stage, column, State.UNDER_WAY))
        elif first:
            words = "" if asked else explained(stage).split(". ")[0] + "."
            cells.append(_bare(stage, column, State.NOT_REACHED if asked and ended else None, words))
    way = f'<div class="g-way">↳ {escape(row.title)}</div>' if row.title else ""
    return f'{way}<div class="g-row">{"".join(cells)}</div>'


def _name(stage: str) -> str:
    return f'<b><abbr title="{escape(explained(stage))}">{NAMES[stage]}</abbr></b>'


def _tile(tile: Tile, column: int, *, new: bool) -> str:
    look = tile.state.value
    sentences = "".join(f"<p>{escape(line.sentence)}</p>" for line in tile.lines)
    took_ms, at_ms = tile.took_ms, tile.lines[0].at_ms
    ms = "" if took_ms is None or at_ms is None else f'<p class="g-ms">{took_ms:,.1f} ms, at {at_ms:,.0f} ms</p>'
    return (
        f'<div class="g-tile{" g-new" if new else ""}" style="grid-column:{column};border-top-color:{look.colour}">'
        f"{_name(tile.stage)}{chip(look.sign, look.word, look.colour)}{sentences}{ms}</div>"
    )


def _bare(stage: str, column: int, state: State | None, words: str = "") -> str:
    told = f"<p>{escape(words)}</p>" if words else ""
    if state is not None:
        told = chip(state.value.sign, state.value.word, state.value.colour)
    return f'<div class="g-tile g-dim" style="grid-column:{column}">{_name(stage)}{told}</div>'
