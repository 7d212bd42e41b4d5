"""The kinds of charts over time: the strip of phases and faults, stacked areas, lines. Read `charts.py` next.

Each gives a picture with its legend, and the figures that its description says to those who do not see it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.verdict import draw
from loadtests.verdict.draw import Scale, Spec
from loadtests.verdict.frame import LETTER_PX, PLOT_PX, Frame, Span
from loadtests.verdict.looks import DARK, FAULT, SAND, Look

STRIP_PX = 16
"""Of a strip above an area."""

ROUGHLY_PX = 26
"""How thick an uneven area is on average where its name stands in it."""

NOTHING = "There is nothing to draw."
HIGH_PX = 210
DECADES_MS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
MS_LABEL = "datum.value >= 1000 ? format(datum.value / 1000, ',~r') + ' s' : format(datum.value, '~r') + ' ms'"
SPANS_DECADES = 20.0


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with what is written around it; the legend is in the order of what it explains."""

    title: str
    svg: str
    legend: Sequence[Look] = ()
    said: str = ""


def what_happened(frame: Frame) -> Chart:
    """The strip on top of a page: the phases, and below them a lane for each fault."""
    layers = list[Spec]()
    rows = [
        {"x": phase.since, "words": frame.fitting(phase, f"{number} {phase.words}", str(number))}
        for number, phase in enumerate(frame.phases, 1)
    ]
    layers.append(draw.words(rows, y={"value": 10}, dx=4, align="left", fontWeight="bold"))
    lanes: dict[str, list[Span]] = {}
    for band in frame.bands:
        lanes.setdefault(band.words, []).append(Span(band.since, band.until, "", FAULT))
    for lane, (label, spans) in enumerate(lanes.items()):
        top = 22 + lane * 22
        layers += draw.bars(spans, top, 4)
        first = min(span.since for span in spans)
        is_left = frame.px(first) < 0.6 * PLOT_PX
        at_s = first if is_left else max(span.until for span in spans)
        layers.append(
            draw.words(
                [{"x": at_s, "words": label[:90]}],
                y={"value": top + 12},
                align="left" if is_left else "right",
                dx=4 if is_left else -4,
            )
        )
    said = "; ".join(f"{band.words}, from {band.since:.0f} s to {band.until:.0f} s" for band in frame.bands[:12])
    phases = "; ".join(f"{phase.words}, from {phase.since:.0f} s" for phase in frame.phases)
    about = f"Phases: {phases or 'none'}. Broken: {said or 'nothing'}."
    svg = draw.svg(frame, draw.framed(frame, FAULT, layers), about, height=22 + 22 * len(lanes), y=None, top=2)
    return Chart("", svg)


def stacked(
    frame: Frame,
    looks: Mapping[str, Look],
    found: Mapping[str, Sequence[float]],
    counts: Mapping[str, str],
    title: str,
    *,
    height: int,
    above: Sequence[Spec] = (),
    levels: Sequence[tuple[Sequence[Span], float, Look]] = (),
    label: str = "format(datum.value, ',~r')",
    most: float = 0.0,
) -> Chart:
    """Areas on top of each other in the order of `looks`; `counts` are words for the legend, by series."""
    present = [name for name in looks if any(found.get(name, ()))]
    present += [name for name in found if name not in looks and any(found[name])]
    totals = [sum(values) for values in zip(*(found[name] for name in present), strict=True)]
    most = max([most, *totals, *(value for _, value, _ in levels)])
    y = draw.upwards(most * 1.02 if most else 1.0, label)
    layers, written, legend = list[Spec](), list[Spec](), list[Look]()
    below = [0.0] * frame.steps.count
    for name in present:
        look = looks.get(name, Look(name, SAND))
        over = [low + value for low, value in zip(below, found[name], strict=True)]
        layers.append(draw.area(frame, below, over, look.colour))
        if place := _room(frame, below, over, look.words, y.high / height):
            colour = "#ffffff" if look.colour in DARK else "#000000"
            named = [{**place, "words": look.words}]
            written.append(draw.words(named, look.colour, fontWeight="bold", stroke=look.colour, strokeWidth=3))
            written.append(draw.words(named, colour, fontWeight="bold"))
        legend.append(Look(f"{look.words}: {counts[name]}" if name in counts else look.words, look.colour))
        below = over
    for spans, value, look in levels:
        layers.append(draw.level(spans, value, look.colour, look.dash))
        legend.append(look)
    about = f"{title}. {'; '.join(look.words for look in legend) or NOTHING}. The highest: {most:,.4g}."
    top = draw.TOP_PX + (STRIP_PX + 4 if above else 0)
    drawn = [*draw.framed(frame, FAULT, layers), *written, *above]
    return Chart(title, draw.svg(frame, drawn, about, height=height, y=y, top=top), legend, "" if legend else NOTHING)


def _room(
    frame: Frame, below: Sequence[float], above: Sequence[float], words: str, per_px: float
) -> dict[str, float] | None:
    """Where in an area its name has room: the middle of the thickest stretch that is as long as the name.

    Where the area is nowhere even enough for that, a name may cross its edges a little.
    """
    count = frame.steps.count
    length = max(int(len(words) * (LETTER_PX + 1) / PLOT_PX * count) + 1, 1)
    found: dict[str, float] | None = None
    for least, most, room_px in ((max, min, draw.LABEL_PX), (_middle, _middle, ROUGHLY_PX)):
        best = room_px * per_px
        for first in range(count - length + 1):
            under, over = below[first : first + length], above[first : first + length]
            low, high = least(under), most(over)
            thinnest = min(top - bottom for top, bottom in zip(over, under, strict=True))
            if high - low > best and thinnest > draw.LABEL_PX / 2 * per_px:
                best, found = high - low, {"x": (first + length / 2) * frame.steps.step_s, "y": (low + high) / 2}
        if found:
            break
    return found


def _middle(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def curves(
    frame: Frame,
    lines: Sequence[tuple[Look, Sequence[float | None]]],
    title: str,
    *,
    height: int = HIGH_PX,
    levels: Sequence[tuple[Sequence[Span], float, Look]] = (),
    y: Scale,
) -> Chart:
    """A line per series, with what was promised or predicted of it; those without any value are left out."""
    drawn = [(look, values) for look, values in lines if any(value is not None for value in values)]
    layers = [draw.line(frame, _within(values, y), look.colour, look.dash) for look, values in drawn]
    layers += [
        draw.level(spans, min(max(value, y.low), y.high), look.colour, look.dash) for spans, value, look in levels
    ]
    legend = [*(look for look, _ in drawn), *dict.fromkeys(look for _, _, look in levels)]
    highest = [
        f"{look.words}: at most {max(value for value in values if value is not None):,.4g}" for look, values in drawn
    ]
    about = f"{title}. {'; '.join(highest) or NOTHING}."
    svg = draw.svg(frame, draw.framed(frame, FAULT, layers), about, height=height, y=y)
    return Chart(title, svg, legend, "" if drawn else NOTHING)


def _within(values: Sequence[float | None], y: Scale) -> list[float | None]:
    return [None if value is None else min(max(value, y.low), y.high) for value in values]


def milliseconds(values: Sequence[float]) -> Scale:
    """An axis for times: logarithmic where they span decades."""
    most, least = max(values, default=1.0), max(min(values, default=1.0), 1.0)
    if most / least < SPANS_DECADES:
        return draw.upwards(most, MS_LABEL)
    low = max((tick for tick in DECADES_MS if tick <= least), default=1)
    high = max(most * 1.15, low * 10)
    ticks = [tick for tick in DECADES_MS if low <= tick <= high]
    return Scale(low, high, ticks, MS_LABEL, log=True)
