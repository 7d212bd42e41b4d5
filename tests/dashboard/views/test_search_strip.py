"""The strip of a search, and the links to a request: a line for each step as it came, and text that stays text."""

from __future__ import annotations

import re
from typing import Any

from dashboard.views.link import request_link
from dashboard.views.search_strip import search_html


def event(stage: str, decision: str, t_ms: float, **inputs: Any) -> dict[str, Any]:
    return {"stage": stage, "decision": decision, "t_ms": t_ms, "duration_ms": 1.0, "inputs": inputs}


def test_a_search_is_told_in_the_order_in_which_it_went() -> None:
    html = search_html(
        [
            event("cache", "miss", 1),
            event("call", "ok", 30, provider="embeddings", model="<b>"),
            event("call", "timed_out", 190, provider="rerank", model="bge"),
            event("retrieval", "not_reranked", 190, reason="timed_out"),
            event("retrieval", "found", 191.4, passages=2, mode="hybrid", ids=["a.md#x", "a.md#<y>"]),
            event("call", "ok", 600, provider="anthropic", model="claude"),
        ]
    )
    assert re.findall(r"<li>(.*?)</li>", html) == [
        "answered: embeddings &lt;b&gt;",
        "failed with timed out: rerank bge",
        "the fused order stays: rerank timed out",
        "found 2 passages by hybrid: a.md#x, a.md#&lt;y&gt;",
    ]
    assert "less than wished" in html
    assert "done at 191 ms" in html


def test_without_a_search_there_is_no_strip() -> None:
    assert search_html([event("call", "ok", 30, provider="anthropic")]) == ""


def test_a_link_holds_text_and_no_markup() -> None:
    odd = request_link("a&b\"'>", "<i>it's</i>", title='"x"')
    assert 'href="request?request=a%26b%22%27%3E"' in odd
    assert odd.endswith('target="_blank" title="&quot;x&quot;">&lt;i&gt;it&#x27;s&lt;/i&gt;</a>')
    assert request_link("ab", "map 3", here=True) == '<a href="request?request=ab" target="_self">map 3</a>'
