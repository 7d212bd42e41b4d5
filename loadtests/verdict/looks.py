"""What series are called and how they look, the same in every chart. Read `plots.py` next: the kinds of charts.

The colours are those of Okabe and Ito (Color Universal Design, 2008), with the meanings that they have on the
dashboard (`dashboard/look/palette.py`; that house may not be imported here, so the few are named again). Nothing is
told by colour alone: areas keep one order and carry their names, lines differ in their dashes.
"""

from dataclasses import dataclass

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#E5D000"
ORANGE, VERMILLION, PURPLE, GREY = "#E69F00", "#D55E00", "#CC79A7", "#8A8A8A"
DARK_GREY, SAND, SAGE = "#5C5C5C", "#C9B58A", "#A3B899"
FAULT = VERMILLION
DARK = (BLUE, GREEN, VERMILLION, DARK_GREY, GREY)
"""Colours on which words are white."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a series looks and is called; `dash` where it is a line."""

    words: str
    colour: str
    dash: tuple[int, ...] = ()
    is_line: bool = False


CAME_OF = {
    "live": Look("live, primary", BLUE),
    "provider": Look("other provider", SKY),
    "smaller_model": Look("smaller model", PURPLE),
    "cache": Look("cache or shared", GREEN),
    "stale": Look("stale", YELLOW),
    "other": Look("refunds and other", SAND),
    "later": Look("jobs and agent runs", SAGE),
    "message": Look("honest message", ORANGE),
    "refused": Look("refused (4xx)", GREY),
    "failed": Look("failed, broken, lost", VERMILLION),
    "left": Look("client left", DARK_GREY),
}
ENDED_AS = {
    "ok": Look("answered", BLUE),
    "429": Look("429", YELLOW),
    "4xx": Look("other 4xx", GREY),
    "5xx": Look("5xx", VERMILLION),
    "cut short": Look("cut short, cancelled", DARK_GREY),
    "no status": Look("no status", ORANGE),
}
BILLED = {
    "anthropic": Look("anthropic", BLUE),
    "openai": Look("openai", SKY),
    "payments": Look("payments", PURPLE),
    "embeddings": Look("embeddings", GREEN),
    "rerank": Look("rerank", SAND),
    "webhooks": Look("webhooks", GREY),
}
STANDS = {
    "queued": Look("queued", GREY),
    "running": Look("running", BLUE),
    "waiting": Look("waiting for an approval", YELLOW),
    "resuming": Look("resuming", SKY),
}
CIRCUIT = {
    "closed": Look("circuit closed", GREEN),
    "half_open": Look("half-open", YELLOW),
    "open": Look("open", VERMILLION),
}
LATENCIES = {
    "p50_ms": Look("p50", SKY, (), True),
    "p95_ms": Look("p95", BLUE, (7, 3), True),
    "p99_ms": Look("p99", PURPLE, (2, 3), True),
    "first_token_p95_ms": Look("first token, p95", ORANGE, (9, 3, 2, 3), True),
}
