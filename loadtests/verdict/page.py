"""A page of HTML that needs nothing but itself: no script, no font, nothing from the network. Read `report.py` first.

`Html` is markup that is safe to write; everything else goes through `text`, which escapes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NewType

from loadtests.verdict.looks import Look
from loadtests.verdict.plots import Chart

Html = NewType("Html", str)
Cell = str | Html

STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1c2024;--soft:#5a626a;--line:#d5dade;--panel:#f4f6f7;
--good:#00664b;--bad:#a94600;--unknown:#5c5c5c}
@media screen and (prefers-color-scheme:dark){:root{--page:#15181b;--ink:#e9ecee;--soft:#a5adb4;--line:#3a4147;
--panel:#1e2327;--good:#2cc79a;--bad:#ff8b3d;--unknown:#b5b5b5}}
@media screen and (prefers-color-scheme:dark){path[stroke="#0072B2"],line[stroke="#0072B2"]{stroke:#2f93d9}}
*{box-sizing:border-box}
body{margin:0 auto;padding:28px 24px 56px;max-width:1160px;background:var(--page);color:var(--ink);
font:17px/1.5 system-ui,-apple-system,"Segoe UI","Helvetica Neue",Arial,"DejaVu Sans",sans-serif}
h1{font-size:2rem;line-height:1.2;margin:0 0 .3rem}
h2{font-size:1.3rem;margin:2.2rem 0 .6rem}
p{margin:.4rem 0;max-width:75ch}
.soft{color:var(--soft)}
.verdict{display:flex;gap:.4rem 1.2rem;align-items:baseline;flex-wrap:wrap;margin:1.1rem 0;padding:.7rem 1.1rem;
border-left:8px solid var(--tone);background:var(--panel)}
.verdict strong{font-size:1.7rem;color:var(--tone);white-space:nowrap}
.good{--tone:var(--good)}.bad{--tone:var(--bad)}.unknown{--tone:var(--unknown)}
td.good,td.bad,td.unknown{color:var(--tone);font-weight:700;white-space:nowrap}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.94rem}
caption{text-align:left;color:var(--soft);padding-bottom:.3rem}
th,td{text-align:left;vertical-align:top;padding:.38rem .8rem .38rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600}
thead th{color:var(--soft);border-bottom:2px solid var(--line)}
td.number,th.number{text-align:right}
td.number,td.short{white-space:nowrap}
th div.soft{font-weight:400}
figure{margin:1.3rem 0 0;break-inside:avoid}
figcaption{font-weight:600}
figcaption .soft{font-weight:400}
figure svg{display:block;width:100%;height:auto}
figure.first{margin-top:.4rem}
ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:.15rem 0 .25rem;padding:0;
font-size:.88rem;font-variant-numeric:tabular-nums}
ul.legend svg{display:inline-block;width:auto;height:.75em;margin-right:.4em;vertical-align:-.05em}
pre{background:var(--panel);padding:.7rem 1rem;overflow-x:auto;font-size:.92rem;white-space:pre-wrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:.4rem 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@page{margin:14mm}
@media print{:root{color-scheme:light}
body{font-size:10.5pt;padding:0;max-width:none;print-color-adjust:exact;-webkit-print-color-adjust:exact}
table{font-size:8.5pt}th,td{padding-right:.6em}pre,ul.legend{font-size:9pt}
tr,.verdict{break-inside:avoid}h2{break-after:avoid}.wide{overflow:visible}}
"""


def document(title: str, parts: Iterable[Html]) -> str:
    """The whole page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n{''.join(f'{part}{chr(10)}' for part in parts)}</main>\n</body>\n</html>\n"
    )


def text(words: str) -> Html:
    """Words as they are, escaped."""
    return Html(escape(words))


def element(name: str, *inside: Html, kind: str = "") -> Html:
    """An element with what is inside of it; `kind` is its class."""
    return Html(f"<{name}{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{''.join(inside)}</{name}>")


def paragraph(words: str, kind: str = "") -> Html:
    """A paragraph; nothing for no words."""
    return element("p", text(words), kind=kind) if words else Html("")


def heading(words: str) -> Html:
    """Of a section."""
    return element("h2", text(words))


def command(words: str) -> Html:
    """What to type."""
    return element("pre", element("code", text(words)))


def pairs(facts: Mapping[str, str]) -> Html:
    """Names and values."""
    return element(
        "dl",
        *(part for name, value in facts.items() for part in (element("dt", text(name)), element("dd", text(value)))),
    )


def table(
    headers: Sequence[str], rows: Iterable[Sequence[Html]], caption: str = "", numbers: Sequence[int] = ()
) -> Html:
    """A table; cells are whole `td` elements as `cell` gives them. `numbers` are the columns of figures, from 0."""
    head = "".join(
        f'<th scope="col"{" class=number" if place in numbers else ""}>{escape(words)}</th>'
        for place, words in enumerate(headers)
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return Html(f'<div class="wide"><table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def cell(words: str, kind: str = "") -> Html:
    """A cell of a table."""
    return element("td", text(words), kind=kind)


def name(words: str, more: str = "") -> Html:
    """The cell that says what a row is about; `more` on a line of its own."""
    below = element("div", text(more), kind="soft") if more else ""
    return Html(f'<th scope="row">{escape(words)}{below}</th>')


def figure(chart: Chart, *, is_first: bool = False) -> Html:
    """A chart with its title and its legend."""
    said = element("span", text(f" {chart.said}"), kind="soft") if chart.said else Html("")
    caption = [element("figcaption", text(chart.title), said)] if chart.title or chart.said else []
    keys = [element("li", _key(look), text(look.words)) for look in chart.legend]
    legend = [element("ul", *keys, kind="legend")] if keys else []
    return element("figure", *caption, *legend, Html(chart.svg), kind="first" if is_first else "")


def _key(look: Look) -> Html:
    """What a series looks like in the chart."""
    if not look.is_line:
        box = f'<rect width="14" height="12" fill="{look.colour}"/>'
        return Html(f'<svg viewBox="0 0 14 12" aria-hidden="true">{box}</svg>')
    dash = f' stroke-dasharray="{",".join(map(str, look.dash))}"' if look.dash else ""
    stroke = f'<path d="M1 6h34" stroke="{look.colour}" stroke-width="2.5"{dash}/>'
    return Html(f'<svg viewBox="0 0 36 12" aria-hidden="true">{stroke}</svg>')
